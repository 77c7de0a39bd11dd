"""The file system that forgets, mounted: it forgets, and it is a file system."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from tests.torture.lossy_disk import Names
from tests.torture.lossy_mount import LossyMount, why_unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable())),
]
PATIENCE_S: Final = 15.0


@pytest.fixture(params=list(Names))
def disk(request: pytest.FixtureRequest) -> Iterator[LossyMount]:
    """Mount an empty disk."""
    with LossyMount(request.param) as mounted:
        yield mounted


@pytest.fixture
def file_system() -> Iterator[LossyMount]:
    """Mount an empty disk that is not cut."""
    with LossyMount(Names.JOURNALLED) as mounted:
        yield mounted


def sync(path: Path) -> None:
    """Make a file or a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def listing(disk: LossyMount) -> dict[str, bytes]:
    """Read everything there is."""
    return {path.name: path.read_bytes() for path in disk.directory.iterdir()}


# ---- it forgets ---------------------------------------------------------------------


def test_what_was_written_is_there_until_the_cut(disk: LossyMount) -> None:
    """A program sees no difference to any other disk."""
    (disk.directory / "f").write_bytes(b"x" * 300_000)
    assert listing(disk) == {"f": b"x" * 300_000}
    disk.cut(None)
    assert listing(disk) == {}


def test_what_was_synced_is_there_after_the_cut(disk: LossyMount) -> None:
    """In what comes next, only the changes since then are lost."""
    path = disk.directory / "f"
    path.write_bytes(b"kept")
    sync(path)
    sync(disk.directory)
    with path.open("ab") as file:
        file.write(b" and lost")
    assert path.read_bytes() == b"kept and lost"
    disk.cut(None)
    assert listing(disk) == {"f": b"kept"}


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC])
def test_a_synchronous_write_needs_no_sync(disk: LossyMount, flag: int) -> None:
    """O_SYNC is a sync after each write."""
    descriptor = os.open(disk.directory / "f", os.O_CREAT | os.O_WRONLY | flag)
    sync(disk.directory)
    os.write(descriptor, b"kept")
    os.close(descriptor)
    disk.cut(None)
    assert listing(disk) == {"f": b"kept"}


def test_fdatasync_is_a_sync(disk: LossyMount) -> None:
    """Size included, as POSIX has it."""
    with (disk.directory / "f").open("wb") as file:
        file.write(b"kept")
        file.flush()
        os.fdatasync(file.fileno())
    sync(disk.directory)
    disk.cut(None)
    assert listing(disk) == {"f": b"kept"}


def test_a_rename_is_forgotten(disk: LossyMount) -> None:
    """Until the directory is synced."""
    old, new = disk.directory / "old", disk.directory / "new"
    old.write_bytes(b"x")
    sync(old)
    sync(disk.directory)
    old.rename(new)
    disk.cut(None)
    assert listing(disk) == {"old": b"x"}
    old.rename(new)
    sync(disk.directory)
    disk.cut(None)
    assert listing(disk) == {"new": b"x"}


def test_a_link_is_forgotten(disk: LossyMount) -> None:
    """Symbolic or not: it is a name."""
    (disk.directory / "f").write_bytes(b"x")
    sync(disk.directory / "f")
    sync(disk.directory)
    (disk.directory / "symbolic").symlink_to("f")
    (disk.directory / "hard").hardlink_to(disk.directory / "f")
    assert listing(disk) == {"f": b"x", "symbolic": b"x", "hard": b"x"}
    disk.cut(None)
    assert listing(disk) == {"f": b"x"}


def test_a_random_cut_is_the_same_for_the_same_seed(disk: LossyMount) -> None:
    """What was found once can be found again; another seed finds something else."""
    disk.remember()
    for number in range(8):
        (disk.directory / f"f{number}").write_bytes(bytes(range(256)))
    steps = len(disk.steps())
    found = []
    for seed in (1, 2, 1):
        disk.cut(seed, before=steps)
        found.append(listing(disk))
    assert found[0] == found[2] != found[1]


def test_a_dishonest_disk_forgets_what_was_synced() -> None:
    """It is there to prove that tests notice."""
    with LossyMount(Names.STRICT, honest=False) as disk:
        (disk.directory / "f").write_bytes(b"x")
        sync(disk.directory / "f")
        sync(disk.directory)
        disk.cut(None)
        assert listing(disk) == {}


# ---- when ---------------------------------------------------------------------------


def test_time_stops_before_a_step(disk: LossyMount) -> None:
    """Whoever wants to make it waits, is killed, and has never made it."""
    sync(disk.directory)
    disk.stop_at(disk.step() + 3)
    program = (
        "import os, sys\n"
        "for name in 'abcdef':\n"
        "    open(os.path.join(sys.argv[1], name), 'x').close()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, disk.directory])
    deadline = time.monotonic() + PATIENCE_S
    while not disk.is_frozen():
        assert time.monotonic() < deadline
    assert process.poll() is None
    steps = [step for step in disk.steps() if step.startswith("create")]
    assert steps == ["create /a", "create /b", "create /c"]
    process.send_signal(signal.SIGKILL)
    disk.cut(None)
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    assert listing(disk) == {}


def test_a_cut_in_the_past(disk: LossyMount) -> None:
    """Every step can be the one that was not made, any number of times."""
    disk.remember()
    path = disk.directory / "f"
    path.write_bytes(b"")
    sync(path)
    sync(disk.directory)
    for number in range(3):
        path.write_bytes(f"{number}".encode())
        sync(path)
    steps = disk.steps()
    synced = [n + 1 for n, step in enumerate(steps) if step == "fsync /f"][1:]
    for number in (2, 0, 1):
        disk.cut(None, before=synced[number])
        assert listing(disk) == {"f": f"{number}".encode()}


# ---- it is a file system ------------------------------------------------------------


def test_programs_share_mapped_memory(file_system: LossyMount) -> None:
    """What SQLite does with its -shm file."""
    path = file_system.directory / "shm"
    path.write_bytes(bytes(4096))
    program = (
        "import mmap, sys\n"
        "with open(sys.argv[1], 'r+b') as file, mmap.mmap(file.fileno(), 0) as memory:"
        "\n    assert memory[0] == 1\n    memory[1] = 2\n"
    )
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] = 1
        subprocess.run([sys.executable, "-c", program, path], check=True)
        assert memory[:3] == b"\1\2\0"


def test_locks_keep_others_out(file_system: LossyMount) -> None:
    """Both kinds: SQLite's, and that of the state directory."""
    program = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    try: fcntl.{}(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "    except BlockingIOError: sys.exit(7)\n"
    )
    for kind, lock in (("lockf", fcntl.lockf), ("flock", fcntl.flock)):
        path = file_system.directory / kind
        path.touch()
        asked = (sys.executable, "-c", program.format(kind), str(path))
        with path.open("r+b") as file:
            lock(file, fcntl.LOCK_EX)
            assert subprocess.run(asked, check=False).returncode == 7
        assert subprocess.run(asked, check=False).returncode == 0


def test_pipes_and_sockets_work(file_system: LossyMount) -> None:
    """A name of either leads to whoever listens."""
    pipe, path = file_system.directory / "pipe", str(file_system.directory / "socket")
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    pipe.write_bytes(b"hello")
    assert os.read(reading, 9) == b"hello"
    os.close(reading)
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as us:
        server.bind(path)
        server.listen()
        us.connect(path)
        server.accept()[0].close()


def test_a_removed_file_lives_until_it_is_closed(file_system: LossyMount) -> None:
    """It can be read, written, measured and cut off."""
    path = file_system.directory / "f"
    with path.open("w+b", buffering=0) as file:
        path.unlink()
        file.write(b"12345")
        file.truncate(3)
        assert os.fstat(file.fileno()).st_size == 3
        assert os.fstat(file.fileno()).st_nlink == 0
        assert os.pread(file.fileno(), 9, 0) == b"123"
    assert listing(file_system) == {}


def test_space_can_be_taken_in_advance(file_system: LossyMount) -> None:
    """There is plenty, and what is taken shows."""
    free = os.statvfs(file_system.directory)
    assert free.f_bavail * free.f_frsize > 1_000_000_000
    path = file_system.directory / "f"
    path.write_bytes(b"x")
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 10_000)
    assert path.read_bytes() == b"x" + bytes(9_999)
    assert path.stat().st_blocks == 20
    assert [step for step in file_system.steps() if "allocate" in step]


def test_permissions_are_kept(file_system: LossyMount) -> None:
    """A key that others may read is refused by the agent."""
    path = file_system.directory / "key"
    os.close(os.open(path, os.O_CREAT, 0o600))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("mode", "kept"), [("FULL", 3), ("OFF", 0)])
def test_sqlite_loses_what_it_does_not_sync(
    disk: LossyMount, mode: str, kept: int
) -> None:
    """And only that: FULL keeps every commit, OFF none."""
    path = disk.directory / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
    for name in [path, disk.directory]:
        sync(name)
    disk.remember()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA synchronous = {mode}")
        for number in range(3):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        committed = disk.step()
    disk.cut(None, before=committed)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (kept,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

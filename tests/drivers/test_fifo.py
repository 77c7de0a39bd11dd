"""Lines from a named pipe: any fragments, any writers, and a clean end."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from drivers.errors import (
    AccessDeniedError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.fifo import HALF_LINE_S, MAX_LINE_BYTES, WARN_EVERY_S, LineFifo
from tests.drivers.pipes import cancel_while_waiting, open_files, run, write
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from pathlib import Path


def test_garbage_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An endless line is told of once, without its content, and the next is read."""
    path = tmp_path / "pipe"

    async def main() -> None:
        with LineFifo(path) as fifo:
            for _ in range(3):
                write(path, b"04A1" * MAX_LINE_BYTES)
                assert fifo.read() == []
            write(path, b"\nnext\n")
            assert fifo.read() == ["next"]

    run(main())
    assert caplog.messages == [f"{path}: dropped a line of over 256 bytes"]


def test_writers_come_and_go(tmp_path: Path) -> None:
    """A missing pipe is made for its owner only, and serves writer after writer."""
    path = tmp_path / "pipe"

    async def main() -> None:
        with LineFifo(path) as fifo:
            mode = os.stat(path).st_mode  # noqa: PTH116 - nothing blocks in a test
            assert stat.S_ISFIFO(mode)
            assert stat.S_IMODE(mode) == 0o600
            write(path, b"one\ntwo\nthr")
            assert [await anext(fifo), await anext(fifo)] == ["one", "two"]
            third = asyncio.ensure_future(anext(fifo))
            asyncio.get_running_loop().call_soon(write, path, b"ee\n")
            assert await third == "three"
            write(path, b"four\n")
            assert await anext(fifo) == "four"

    run(main())


def test_more_than_one_read_holds(tmp_path: Path) -> None:
    """A pipe filled to the brim is read to its end."""
    path = tmp_path / "pipe"

    async def main() -> None:
        with LineFifo(path) as fifo:
            write(path, b"0123456\n" * 8192)
            assert {await anext(fifo) for _ in range(8192)} == {"0123456"}
            write(path, b"last\n")
            assert await anext(fifo) == "last"

    run(main())


def test_ready_is_shared_and_the_loop_does_not_spin(tmp_path: Path) -> None:
    """Unread bytes set `ready` once; `read()` takes them and never waits."""
    path = tmp_path / "pipe"

    async def main() -> None:
        ready = asyncio.Event()
        with LineFifo(path, ready) as fifo:
            assert fifo.read() == []
            write(path, b"one\n")
            await ready.wait()
            assert not asyncio.get_running_loop().remove_reader(fifo._fd)
            assert fifo.read() == ["one"]
            assert not ready.is_set()

    run(main())


def test_nothing_stays_open_after_a_cancel(tmp_path: Path) -> None:
    """Watcher and descriptor are gone after a cancel."""
    path = tmp_path / "pipe"

    async def read_all() -> None:
        with LineFifo(path) as fifo:
            async for _ in fifo:
                pass

    run(cancel_while_waiting(read_all()))


def test_a_failing_read_is_transient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the pipe asks for reopening, and leaves nothing open."""

    def fail(_fd: int, _size: int) -> bytes:
        raise OSError(errno.EIO, "broken")

    async def main() -> None:
        before = open_files()
        monkeypatch.setattr(os, "read", fail)
        with (
            pytest.raises(TransientDeviceError, match="broken"),
            LineFifo(tmp_path / "pipe") as fifo,
        ):
            await anext(fifo)
        assert open_files() == before

    run(main())


def test_opening_says_why_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class of the error tells whether trying again can help."""
    plain = tmp_path / "plain"
    plain.touch()

    async def main() -> None:
        with pytest.raises(UnsupportedDeviceError, match=r"plain.*another path"):
            LineFifo(plain).__enter__()
        with pytest.raises(UnsupportedDeviceError):
            LineFifo(tmp_path).__enter__()
        with pytest.raises(TransientDeviceError, match="missing/pipe"):
            LineFifo(tmp_path / "missing" / "pipe").__enter__()

        def refuse(_path: Path, _mode: int) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "mkfifo", refuse)
        with pytest.raises(AccessDeniedError, match=r"Permission denied; .* user"):
            LineFifo(tmp_path / "pipe").__enter__()

    run(main())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It may appear, so it is looked for again."""

    async def main() -> None:
        path = tmp_path / "none" / "bench.cards"
        with (
            pytest.raises(TransientDeviceError, match=r"make the directory .*/none$"),
            LineFifo(path),
        ):
            pass

    run(main())


def test_half_lines_of_two_writers_are_no_line(tmp_path: Path) -> None:
    """The first has died: together they would be another card's number."""
    path = tmp_path / "pipe"

    async def main() -> None:
        with LineFifo(path) as fifo:
            write(path, b"04A1B2")
            assert fifo.read() == []
            await asyncio.sleep(HALF_LINE_S + 0.1)
            write(path, b"04A1B2C3D4E5F6\n")
            assert fifo.read() == []
            write(path, b"04A1B2C3D4E5F6\n")
            assert fifo.read() == ["04A1B2C3D4E5F6"]

    run_virtual(main())


def test_one_writer_may_write_in_pieces(tmp_path: Path) -> None:
    """What comes soon enough is the rest of the line."""
    path = tmp_path / "pipe"

    async def main() -> None:
        with LineFifo(path) as fifo:
            write(path, b"04A1")
            assert fifo.read() == []
            await asyncio.sleep(HALF_LINE_S / 2)
            write(path, b"B2C3\n")
            assert fifo.read() == ["04A1B2C3"]

    run_virtual(main())


def test_a_flood_of_long_lines_is_one_warning_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever else comes between them is read."""
    path = tmp_path / "pipe"
    flood = (b"A" * (MAX_LINE_BYTES + 1) + b"\nok\n") * 100

    async def main() -> None:
        with LineFifo(path) as fifo:
            for _ in range(2):
                for _ in range(50):
                    write(path, flood)
                    assert fifo.read() == ["ok"] * 100
                await asyncio.sleep(WARN_EVERY_S)

    run_virtual(main())
    assert len(caplog.messages) == 2

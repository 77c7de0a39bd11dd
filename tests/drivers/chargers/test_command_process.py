"""Programs as real child processes: lines, logs, and that nothing outlives them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.chargers import command_process
from drivers.chargers.command_messages import MAX_LINE_BYTES
from drivers.chargers.command_process import run_program
from drivers.chargers.command_ration import BURST_BYTES, BYTES_PER_S, Ration
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from tests.drivers.pipes import HANG_S, open_files, run
from tests.e2e.waiting import until
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from drivers.chargers.command_process import Process

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
# Says that it runs, and does not end by itself.
STUBBORN = "print(1, flush=True)\nwhile True: time.sleep(9)"
DEAF_TO_TERM = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{STUBBORN}"


def end_patiently(monkeypatch: pytest.MonkeyPatch, *, minds_term: bool) -> None:
    """Have it ended step by step, whatever time a busy machine takes for one."""
    happens = command_process._happens
    # For the end of its input, which it does not mind; SIGTERM; SIGKILL; its last words
    waits = iter([0.1, HANG_S if minds_term else 0.1, HANG_S, 0.1])
    monkeypatch.setattr(
        command_process, "_happens", lambda event, _: happens(event, next(waits))
    )
    monkeypatch.setattr(command_process, "_EXIT_FOLLOWS_S", HANG_S)


class Ears:
    """What is heard of a program."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.end: asyncio.Future[DriverError] = asyncio.Future()

    def start(
        self, script: str, *, grace_s: float = 5.0
    ) -> AbstractAsyncContextManager[Process]:
        """Run a script of Python."""
        script = f"import os, signal, subprocess, sys, time\n{script}"
        return run_program(
            [sys.executable, "-c", script],
            self.lines.put_nowait,
            self.end.set_result,
            grace_s=grace_s,
        )

    async def take(self, count: int) -> list[str | None]:
        """Return the next lines."""
        return [await self.lines.get() for _ in range(count)]


def is_running(pid: int) -> bool:
    """Say whether a process runs, and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def test_lines_in_and_out() -> None:
    """What is written to it comes back, each line once."""

    async def main() -> None:
        ears = Ears()
        async with ears.start(ECHO) as program:
            program.write(b"one\ntwo\n")
            program.write(b"three\n")
            assert await ears.take(3) == ["one", "two", "three"]

    run(main())


def test_long_lines_are_dropped() -> None:
    """Up to their end, in whatever pieces they come; what follows is heard."""

    async def main() -> None:
        ears = Ears()
        script = f"""
for part in ["a" * {MAX_LINE_BYTES}, "\\n", "b" * {MAX_LINE_BYTES}, "b", "b\\n",
             "c" * 9 * {MAX_LINE_BYTES} + "\\nok\\n\\n  \\nend\\n"]:
    sys.stdout.write(part)
    sys.stdout.flush()
    time.sleep(0.01)
"""
        async with ears.start(script):
            first, *others = await ears.take(5)
            assert first == "a" * MAX_LINE_BYTES
            assert others == [None, None, "ok", "end"]

    run(main())


def test_its_errors_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Shortened and without control characters; a flood is cut off and counted."""

    async def main() -> None:
        ears = Ears()
        script = r"""
sys.stderr.write("\x1b[31mred\n" + "x" * 9999 + "\n" + "flood\n" * 500)
sys.exit(3)
"""
        async with ears.start(script):
            assert "ended with exit status 3" in str(await ears.end)

    with caplog.at_level(logging.WARNING):
        run(main())
    name = Path(sys.executable).name
    assert caplog.messages[0] == f"{name}: says: \N{REPLACEMENT CHARACTER}[31mred"
    assert caplog.messages[1] == f"{name}: says: (a very long line)"
    assert caplog.messages[-1] == f"{name}: left out 482 more lines like these"
    assert len(caplog.messages) == 21


def test_complaints_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """They count as what the program says itself."""

    async def main() -> None:
        async with Ears().start(ECHO) as program:
            for _ in range(100):
                program.complain("expected an object")

    with caplog.at_level(logging.WARNING):
        run(main())
    assert caplog.messages[0].endswith(": ignored a line: expected an object")
    assert len(caplog.messages) == 21


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sys.exit(3)", "has ended with exit status 3"),
        ("", "has ended with exit status 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("os.close(1); time.sleep(9)", "has closed its pipes"),
        ("os.close(0); time.sleep(9)", "has closed its pipes"),
    ],
)
def test_its_end_is_told(script: str, reason: str) -> None:
    """With the reason, whether it has ended or only cannot be talked to."""

    async def main() -> None:
        ears = Ears()
        async with ears.start(script, grace_s=0.1):
            err = await ears.end
            assert isinstance(err, TransientDeviceError)
            assert reason in str(err)

    run(main())


def test_it_may_end_by_itself(tmp_path: Path) -> None:
    """When its input ends it has time to switch off, and is not told twice."""
    mark = tmp_path / "mark"
    script = f"""
def terminated(*_): open({str(mark)!r}, "a").write("terminated, ")
signal.signal(signal.SIGTERM, terminated)
print(1, flush=True)
sys.stdin.read()
time.sleep(0.1)
open({str(mark)!r}, "a").write("switched off")
"""

    async def main() -> None:
        ears = Ears()
        async with ears.start(script):
            await ears.take(1)

    run(main())
    assert mark.read_text() == "switched off"


@pytest.mark.parametrize(
    ("script", "signal"), [(STUBBORN, "SIGTERM"), (DEAF_TO_TERM, "SIGKILL")]
)
def test_it_is_ended(script: str, signal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By request if it does not mind its input, by force if it does not mind that."""

    async def main() -> None:
        ears = Ears()
        async with ears.start(script):
            await ears.take(1)
            end_patiently(monkeypatch, minds_term=signal == "SIGTERM")
        assert signal in str(await ears.end)

    run(main())


@pytest.mark.parametrize(
    "leader", ["sys.stdin.read()", "os._exit(0)", "time.sleep(99)"]
)
def test_what_it_started_ends_with_it(leader: str) -> None:
    """Its children, also when it has left them behind or is ended by force."""
    script = f"""
child = subprocess.Popen(["sleep", "99"], stdin=subprocess.DEVNULL)
print(child.pid, flush=True)
{leader}
"""

    pids: list[int] = []

    async def main() -> None:
        ears = Ears()
        async with ears.start(script, grace_s=0.1):
            (line,) = await ears.take(1)
            pids.append(int(line or 0))
            assert is_running(pids[0])

    run(main())
    until(lambda: not is_running(pids[0]), "the end of a child's child")


def test_a_terminal_does_not_reach_it() -> None:
    """Ctrl-C is for the agent, which switches off before it ends the program."""

    async def main() -> None:
        ears = Ears()
        async with ears.start("print(os.getpgid(0), os.getsid(0), os.getpid())"):
            (line,) = await ears.take(1)
            assert line is not None
            assert len(set(line.split())) == 1

    run(main())


def test_it_sees_nothing_of_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither paths of secrets nor systemd's socket, nor the agent's files."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")

    async def main() -> None:
        ears = Ears()
        script = "print(*os.environ); print(*os.listdir('/proc/self/fd'))"
        async with ears.start(script):
            names, files = [(line or "").split() for line in await ears.take(2)]
        assert "PATH" in names
        assert not {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"} & set(names)
        # The fourth is the listing's own.
        assert len(files) == 4

    with Path(os.devnull).open("rb") as file:
        os.set_inheritable(file.fileno(), True)
        run(main())


def test_a_program_that_does_not_read() -> None:
    """Requests do not pile up without limit."""

    async def main() -> None:
        ears = Ears()
        async with ears.start(STUBBORN, grace_s=0.1) as program:
            await ears.take(1)
            pipe_bytes, our_bytes = 1_000_000, 65_536
            program.write(b"x" * (pipe_bytes + our_bytes))
            with pytest.raises(TransientDeviceError, match="does not read"):
                program.write(b"x\n")

    run(main())


FLOODS = {
    "lines": (1, "y\\n" * 1000),
    "no end of line": (1, "y" * 1000),
    "errors": (2, "y\\n" * 1000),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_held_back(flood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program says without end stays in its pipe, and it has to wait.

    It is ended like any other.
    """
    descriptor, text = FLOODS[flood]
    script = f"""
for _ in range(2000):
    os.write({descriptor}, b"{text}")
sys.exit(3)
"""

    async def main() -> None:
        ears = Ears()
        async with ears.start(script) as program:
            pipe = program._pipe(descriptor)
            while pipe.is_reading():
                assert not ears.end.done(), "nothing has held it back"
                await asyncio.sleep(0)
            end_patiently(monkeypatch, minds_term=True)
        assert "SIGTERM" in str(await ears.end)

    run(main())


def test_a_held_back_program_is_heard_again() -> None:
    """After a time in proportion to what it has said."""

    async def main() -> None:
        ration = Ration()
        assert ration.take(BURST_BYTES) == 0
        assert ration.take(4 * BYTES_PER_S) == pytest.approx(4)
        await asyncio.sleep(4)
        assert ration.take(0) == pytest.approx(0)
        assert ration.take(BYTES_PER_S) == pytest.approx(1)
        await asyncio.sleep(1000)
        assert ration.take(BURST_BYTES) == 0

    run_virtual(main())


def test_half_a_line_is_none() -> None:
    """What a program says in the moment of its end is not guessed at."""

    async def main() -> None:
        ears = Ears()
        script = """os.write(1, b'{"id":1,"ok":true}\\n{"id":2,"ok":tr'); os._exit(1)"""
        async with ears.start(script):
            assert "exit status 1" in str(await ears.end)
        assert await ears.take(1) == ['{"id":1,"ok":true}']
        assert ears.lines.empty()

    run(main())


def test_what_has_left_its_group_holds_nothing_up() -> None:
    """A child with a session of its own is not found; its pipes are closed."""
    script = """
child = subprocess.Popen(["sleep", "99"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(99)
"""
    pids: list[int] = []

    async def main() -> None:
        before = open_files()
        ears = Ears()
        async with ears.start(script, grace_s=0.1):
            (line,) = await ears.take(1)
            pids.append(int(line or 0))
        await asyncio.sleep(0)
        assert open_files() == before

    try:
        run(main())
    finally:
        os.kill(pids[0], signal.SIGKILL)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("raise SystemExit('no such relay')", "has ended with exit status 1: no such "),
        ("print('gone', file=sys.stderr); print(file=sys.stderr)", "exit status 0$"),
        ("print('ah', file=sys.stderr); os.kill(os.getpid(), 9)", "by SIGKILL: ah$"),
        ("1 / 0", "exit status 1: ZeroDivisionError: division by zero$"),
    ],
)
def test_an_end_that_is_no_good_comes_with_the_last_words(
    script: str, why: str
) -> None:
    """The status shows what the log has among many other lines."""

    async def main() -> None:
        ears = Ears()
        async with ears.start(script):
            assert re.search(why, str(await ears.end))

    run(main())


def test_requests_meanwhile_do_not_hide_why_a_program_has_ended() -> None:
    """Its input is closed a moment before its exit is known."""

    async def main() -> None:
        ears = Ears()
        async with ears.start("1 / 0") as program:
            while not ears.end.done():
                with suppress(DeviceGoneError):
                    program.write(b"x\n")
                await asyncio.sleep(0)
            assert "ZeroDivisionError" in str(ears.end.result())

    run(main())


def test_a_program_that_has_gone_takes_nothing() -> None:
    """Writing says so, and never breaks."""

    async def main() -> None:
        ears = Ears()
        async with ears.start("pass") as program:
            await ears.end
            with pytest.raises(DeviceGoneError, match="takes no requests"):
                program.write(b"x\n")

    run(main())


@pytest.mark.parametrize(
    ("content", "mode", "error", "text"),
    [
        (None, 0, DeviceGoneError, "is not there"),
        ("#!/bin/sh\n", 0o644, AccessDeniedError, "chmod a\\+rx"),
        ("echo hello\n", 0o755, UnsupportedDeviceError, "#!/usr/bin/env python3"),
        ("#!/no/such/shell\n", 0o755, DeviceGoneError, "its first line names"),
    ],
)
def test_what_cannot_be_run(
    tmp_path: Path,
    content: str | None,
    mode: int,
    error: type[DriverError],
    text: str,
) -> None:
    """The class says whether trying again may help, the message what to do."""
    path = tmp_path / "evse"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)

    async def main() -> None:
        ears = Ears()
        with pytest.raises(error, match=text):
            async with run_program(
                [str(path)], ears.lines.put_nowait, ears.end.set_result, grace_s=1
            ):
                pass

    run(main())


def test_starts_leave_nothing_behind() -> None:
    """No descriptor, no thread and no process, also of those that cannot start."""
    children = Path("/proc/self/task") / str(os.getpid()) / "children"
    threads_before = threading.active_count()
    children_before = set(children.read_text().split())

    async def main() -> None:
        before = open_files()
        for _ in range(20):
            async with Ears().start(ECHO):
                pass
            ears = Ears()
            with pytest.raises(DeviceGoneError):
                async with run_program(
                    ["/no/such"], ears.lines.put_nowait, ears.end.set_result, grace_s=1
                ):
                    pass
        assert open_files() == before

    run(main())
    # Those of other tests may be there, and may end meanwhile.
    assert threading.active_count() <= threads_before
    assert set(children.read_text().split()) <= children_before

"""How programs end, by themselves and by force, and that nothing outlives them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.errors import DeviceGoneError, TransientDeviceError
from tests.drivers.chargers.command_ears import ECHO, STUBBORN, Ears, end_patiently
from tests.drivers.pipes import open_files, run
from tests.drivers.processes import is_running
from tests.e2e.waiting import until

DEAF_TO_TERM = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{STUBBORN}"


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
            with pytest.raises(DeviceGoneError):
                async with Ears().run("/no/such"):
                    pass
        assert open_files() == before

    run(main())
    # Those of other tests may be there, and may end meanwhile.
    assert threading.active_count() <= threads_before
    assert set(children.read_text().split()) <= children_before

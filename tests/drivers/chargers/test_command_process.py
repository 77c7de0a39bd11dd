"""Programs as real child processes: lines, logs, floods, and what cannot be run."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import pytest

from drivers.chargers.command_messages import MAX_LINE_BYTES
from drivers.chargers.command_ration import BURST_BYTES, BYTES_PER_S, Ration
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from tests.drivers.chargers.command_ears import ECHO, STUBBORN, Ears, end_patiently
from tests.drivers.pipes import run
from tests.fakes.virtual_loop import run_virtual


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
        with pytest.raises(error, match=text):
            async with Ears().run(str(path)):
                pass

    run(main())

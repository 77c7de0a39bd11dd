"""Signals written to a file."""

from __future__ import annotations

import os
from fcntl import F_SETPIPE_SZ, fcntl
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.indicators.base import Signal
from drivers.indicators.file import FileIndicator, FileIndicatorConfig
from tests.drivers.indicators.showing import Screen
from tests.drivers.pipes import run

if TYPE_CHECKING:
    from pathlib import Path

PIPE_BYTES = 4096


def test_each_signal_is_a_line(tmp_path: Path) -> None:
    """The file grows by one name per signal, across restarts."""
    path = tmp_path / "signals"

    async def main() -> None:
        for signal in Signal:
            await Screen(FileIndicator(FileIndicatorConfig(path))).show(signal)

    run(main())
    assert path.read_text().splitlines() == [
        "ready",
        "reading",
        "checking",
        "accepted",
        "refused",
        "charging",
        "locked",
        "error",
    ]


def test_a_file_that_cannot_be_written_is_transient(tmp_path: Path) -> None:
    """The error names the path, and trying again may help."""
    indicator = Screen(FileIndicator(FileIndicatorConfig(tmp_path)))

    async def main() -> None:
        with pytest.raises(TransientDeviceError, match=str(tmp_path)):
            await indicator.show(Signal.READY)

    run(main())


def test_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    """The agent does not wait for a reader, nor for one that has stopped to read."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    indicator = Screen(FileIndicator(FileIndicatorConfig(path)))

    async def main() -> None:
        with pytest.raises(TransientDeviceError, match="nobody reads the pipe"):
            await indicator.show(Signal.READY)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl(reader, F_SETPIPE_SZ, PIPE_BYTES)
        try:
            await indicator.show(Signal.ERROR)
            assert os.read(reader, 99) == b"error\n"
            for _ in range(PIPE_BYTES // len("error\n")):
                await indicator.show(Signal.ERROR)
            with pytest.raises(TransientDeviceError, match="cannot write"):
                await indicator.show(Signal.ERROR)
        finally:
            os.close(reader)

    run(main())


def test_check(tmp_path: Path) -> None:
    """The directory is looked at, as the file is made when it is missing."""
    path = tmp_path / "signals"
    (finding,) = FileIndicator(FileIndicatorConfig(path)).check()
    assert finding.ok
    assert not path.exists()
    (finding,) = FileIndicator(FileIndicatorConfig(path / "x" / "y")).check()
    assert f"make the directory {path / 'x'}" in finding.problem
    (finding,) = FileIndicator(FileIndicatorConfig(tmp_path)).check()
    assert "is a directory" in finding.problem

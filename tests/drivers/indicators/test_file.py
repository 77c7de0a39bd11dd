"""Signals written to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.indicators.base import Signal
from drivers.indicators.file import FileIndicator, FileIndicatorConfig
from tests.drivers.pipes import run

if TYPE_CHECKING:
    from pathlib import Path


def test_each_signal_is_a_line(tmp_path: Path) -> None:
    """The file grows by one name per signal, across restarts."""
    path = tmp_path / "signals"

    async def main() -> None:
        for signal in Signal:
            await FileIndicator(FileIndicatorConfig(path)).show(signal)

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
    indicator = FileIndicator(FileIndicatorConfig(tmp_path))

    async def main() -> None:
        with pytest.raises(TransientDeviceError, match=str(tmp_path)):
            await indicator.show(Signal.READY)

    run(main())

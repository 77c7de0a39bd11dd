"""The optional library: missing, of another series, and quiet."""

from __future__ import annotations

import logging
import sys

import pymodbus
import pytest

from drivers.errors import UnsupportedDeviceError
from drivers.modbus.library import check_library, load_library


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver stays off, and says what to install."""
    monkeypatch.setitem(sys.modules, "pymodbus", None)
    with pytest.raises(
        UnsupportedDeviceError,
        match=r"pymodbus is not installed .*EXTRAS=modbus",
    ):
        load_library()
    assert "not installed" in check_library().problem


def test_another_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its interface changes with each, so another one is not tried."""
    monkeypatch.setattr(pymodbus, "__version__", "3.8.6")
    with pytest.raises(
        UnsupportedDeviceError, match=r"expected pymodbus 3\.16, got 3\.8\.6"
    ):
        load_library()


def test_it_keeps_quiet() -> None:
    """Not even its errors are logged, because frames come with them."""
    load_library()
    assert check_library().ok
    assert not logging.getLogger("pymodbus.logging").isEnabledFor(logging.CRITICAL)

"""The register of pulses in its file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.gpio_register import PulseRegister
from drivers.errors import AccessDeniedError, TransientDeviceError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file that is not there."""
    return tmp_path / "e1.meter"


def loaded(path: Path, pulses_per_kwh: int = 1000) -> PulseRegister:
    """Start on a file."""
    register = PulseRegister(path, pulses_per_kwh)
    register.load()
    return register


def test_a_new_register_begins_at_zero(path: Path) -> None:
    """And its file is there, so that a bad path is found out at once."""
    register = loaded(path)
    assert (register.wh, register.saved_wh, register.is_saved) == (0, 0, True)
    assert json.loads(path.read_bytes()) == {"pulses": 0, "pulses_per_kwh": 1000}


def test_what_was_saved_is_found(path: Path) -> None:
    """What was only counted is not."""
    register = loaded(path)
    register.count(5)
    register.save()
    register.count(2)
    assert (register.wh, register.saved_wh, register.is_saved) == (7, 5, False)
    assert loaded(path).wh == 5


@pytest.mark.parametrize(
    ("pulses_per_kwh", "pulses", "wh"),
    [(1000, 7, 7), (2000, 7, 3), (500, 7, 14), (100, 3, 30), (3, 1, 333)],
)
def test_pulses_become_wh(
    path: Path, pulses_per_kwh: int, pulses: int, wh: int
) -> None:
    """Whole Wh, rounded down; fractions are kept in pulses."""
    register = loaded(path, pulses_per_kwh)
    register.count(pulses)
    assert register.wh == wh


@pytest.mark.parametrize(("before", "after"), [(1000, 2000), (800, 3), (3, 800)])
def test_another_meter_goes_on_above(path: Path, before: int, after: int) -> None:
    """A meter with other pulses takes the energy over; the register never falls."""
    register = loaded(path, before)
    register.count(12_345)
    register.save()
    next_wh = loaded(path, after).wh
    assert register.wh <= next_wh <= register.wh + 1000 / after + 1


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 40,
        b'{"pulses": 5',
        b'{"pulses": -1, "pulses_per_kwh": 1000}',
        b'{"pulses": 1, "pulses_per_kwh": 0}',
        b'{"pulses": 1.5, "pulses_per_kwh": 1000}',
        b"[]",
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_set_aside(
    path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept for who wants to read it; the station goes on, and says so."""
    path.write_bytes(damage)
    assert loaded(path).wh == 0
    assert path.with_name("e1.meter.damaged").read_bytes() == damage
    assert "the register is damaged" in caplog.text
    assert loaded(path).wh == 0


def test_a_write_that_was_cut_off_changes_nothing(path: Path) -> None:
    """A new file that was not finished is never read."""
    register = loaded(path)
    register.count(5)
    register.save()
    path.with_name("e1.meter.new").write_bytes(b'{"pul')
    assert loaded(path).wh == 5


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    """The error names the path, and trying again may help."""
    with pytest.raises(TransientDeviceError, match="cannot write register"):
        loaded(tmp_path / "missing" / "register")
    with pytest.raises(TransientDeviceError, match="cannot read register"):
        loaded(tmp_path)


def test_a_file_of_somebody_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting does not help, and the message says what does."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    with pytest.raises(AccessDeniedError, match="belongs to the agent's user"):
        loaded(path)


def test_it_is_loaded_once(path: Path) -> None:
    """Opening the lines anew does not forget what could not be saved."""
    register = loaded(path)
    register.count(3)
    register.load()
    assert register.wh == 3

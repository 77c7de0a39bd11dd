"""What a controller's words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drivers.chargers.rapi_status import (
    FAULTS,
    Energy,
    Flag,
    Heartbeat,
    State,
    Status,
    parse_amps,
    parse_configured_amps,
)
from drivers.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_status_in_both_shapes() -> None:
    """GS and AT say the same in another order, in hexadecimal."""
    asked = Status.from_reply(("fe", "3600", "02", "0140"))
    told = Status.from_notice(("fe", "02", "16", "0140"))
    assert asked == Status(State.SLEEPING, Flag.EV_CONNECTED | Flag.RELAY_CLOSED)
    assert (told.state, told.flags, told.amps) == (asked.state, asked.flags, 16)
    assert asked.is_resting
    assert asked.is_relay_closed
    assert asked.is_ev_connected
    assert not asked.is_auth_locked


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("01", "0"),  # Before RAPI 5
        ("01", "0", "01", "0000", "0"),
        ("1", "0", "01", "0000"),
        ("01", "0", "01", "100"),
        ("01", "-1", "01", "0000"),
        ("01", "0", "0G", "0000"),
        ("01", "\u0663", "01", "0000"),
        ("01", "", "01", "0000"),
    ],
)
def test_what_is_no_status(words: tuple[str, ...]) -> None:
    """Anything else is refused, never read as something near it."""
    with pytest.raises(FrameError, match="expected"):
        Status.from_reply(words)
    with pytest.raises(FrameError, match="expected"):
        Status.from_notice(words)


@pytest.mark.parametrize(
    ("state", "flags", "fault"),
    [
        *((code, Flag(0), name) for code, name in FAULTS.items()),
        (0x04, Flag.HARD_FAULT, "VentilationRequired"),
        (0x7F, Flag(0), "State7F"),
        (State.SLEEPING, Flag.HARD_FAULT, "HardFault"),
        *((state, Flag(0), None) for state in State),
    ],
)
def test_faults_have_names(state: int, flags: Flag, fault: str | None) -> None:
    """Each has its own, and a state that nobody knows is one."""
    assert Status(state, flags).fault == fault


def test_every_fault_of_the_description_is_named() -> None:
    """04 to 0E, but for two that the firmware reserves."""
    assert set(range(0x04, 0x0F)) - FAULTS.keys() == {0x0C, 0x0D}


@pytest.mark.parametrize(
    ("words", "ev_connected", "register_wh"),
    [
        (("7200000", "1000"), True, 3000),
        (("7200000", "3000"), False, 3000),
        (("7203599", "1000"), True, 3000),
        (("0", "3000"), True, 3000),
        (("4294967295", "4294967295"), False, 4294967295),
    ],
)
def test_the_register_counts_on(
    words: tuple[str, ...],
    ev_connected: bool,  # noqa: FBT001 - a table
    register_wh: int,
) -> None:
    """The running session is added while it runs, and is in the total after it."""
    energy = Energy.from_reply(words)
    assert energy.register_wh(ev_connected=ev_connected) == register_wh


def test_numbers() -> None:
    """The other answers are numbers, so many and no more."""
    assert parse_amps(("16",)) == 16
    assert parse_configured_amps(("6", "80", "16", "32")) == 32
    # Before RAPI 5.1 there is no fourth; SC takes no more than is configured.
    assert parse_configured_amps(("6", "80", "16")) == 80
    assert parse_configured_amps(("6", "80")) == 80
    heartbeat = Heartbeat.from_reply(("30", "6", "2"))
    assert (heartbeat.interval_s, heartbeat.amps, heartbeat.has_missed) == (30, 6, True)
    assert not Heartbeat.from_reply(("30", "6", "1")).has_missed


@pytest.mark.parametrize("parse", [parse_amps, parse_configured_amps])
@pytest.mark.parametrize("words", [(), ("x",), ("1",) * 5, ("-6",), ("6.5", "6")])
def test_no_numbers(
    parse: Callable[[tuple[str, ...]], int], words: tuple[str, ...]
) -> None:
    """Anything else is refused."""
    with pytest.raises(FrameError, match="numbers from"):
        parse(words)

"""What chips on USB do that those of processors do not: a CP2112."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import AccessDeniedError, DeviceGoneError
from drivers.gpio import InputLine, OutputLine, Pull
from drivers.gpiod_lines import open_lines
from tests.guest import udev
from tests.guest.chips import using
from tests.guest.cp2112 import LABEL, Cp2112
from tests.guest.users import AGENT, NOBODY, as_user, killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.gpio import Lines

RELAY, PLUG = range(2)
LINES = {"relay": OutputLine(line=RELAY)}


@pytest.fixture
def chip() -> Iterator[Cp2112]:
    """Plug a chip in."""
    with Cp2112() as plugged_in:
        yield plugged_in


def take_lines() -> None:
    """Take them, and give them back."""
    open_lines(LABEL, LINES).close()


def test_what_an_output_is_before_it_is_off(chip: Cp2112) -> None:
    """It becomes one at the level that it was left at, and is switched off then."""
    chip.board.switch(0xFF, 0xFF)
    chip.board.history.clear()
    take_lines()
    assert chip.board.history == [(RELAY, True), (RELAY, False)]


def test_a_resistor_that_it_has_not_is_left_out_in_silence(chip: Cp2112) -> None:
    """The kernel says nothing of it."""
    asked = {"plug": InputLine(line=PLUG, pull=Pull.UP, debounce=timedelta())}
    with using(chip, asked) as lines:
        chip.drive(PLUG, high=False)
        assert not lines.is_active("plug")


def test_what_becomes_of_a_line_whose_user_is_killed(chip: Cp2112) -> None:
    """The kernel gives it back, and the chip drives it on as it was."""

    def switch_on() -> Lines:
        lines = open_lines(LABEL, LINES)
        lines.set("relay", active=True)
        return lines

    assert killed_after(switch_on, lambda: chip.is_high(RELAY))
    assert chip.is_high(RELAY)
    take_lines()
    assert not chip.is_high(RELAY)


def test_a_chip_that_does_not_answer(chip: Cp2112) -> None:
    """The kernel says that a line was switched all the same; looking at it tells."""
    with closing(open_lines(LABEL, LINES)) as lines:
        chip.fails = True
        for action in (
            lambda: lines.set("relay", active=True),
            lambda: lines.is_active("relay"),
        ):
            with pytest.raises(DeviceGoneError, match="Input/output error"):
                action()
        with pytest.raises(DeviceGoneError, match="Input/output error"):
            open_lines(LABEL, {"other": OutputLine(line=5)})
        chip.fails = False
        lines.set("relay", active=True)
        assert chip.is_high(RELAY)


def test_the_agent_may_use_what_our_rule_gives_it() -> None:
    """Group gpio has the chip, and nobody else has."""
    with udev.running(), Cp2112() as chip:
        udev.settle()
        assert chip.node.group() == "gpio"
        as_user(AGENT, take_lines)
        with pytest.raises(AccessDeniedError, match="must be in the group gpio"):
            as_user(NOBODY, take_lines)

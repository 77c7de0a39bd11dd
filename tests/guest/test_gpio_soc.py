"""What chips of processors do that those on USB do not."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import gpiod
import pytest

from drivers.gpio import InputLine, OutputLine, Pull, PulseLine
from drivers.gpiod_lines import open_lines
from tests.guest.chips import edges_of, pulse, using
from tests.guest.soc_chip import LABEL, SocChip
from tests.guest.users import killed_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.gpio import Lines

RELAY, PLUG, METER = range(3)


@pytest.fixture
def chip() -> Iterator[SocChip]:
    """Make a chip."""
    with SocChip() as made:
        yield made


def test_lines_have_names(chip: SocChip) -> None:
    """They are found by them, and shown with ours as their user."""
    with closing(open_lines(LABEL, {"relay": OutputLine(line="GPIO0")})) as lines:
        lines.set("relay", active=True)
        assert chip.is_high(0)
        with gpiod.Chip(str(chip.node)) as seen:
            info = seen.get_line_info("GPIO0")
    assert (info.offset, info.consumer, info.used) == (0, "rfid-agent", True)


@pytest.mark.parametrize(("pull", "is_high"), [(Pull.UP, True), (Pull.DOWN, False)])
def test_resistors(chip: SocChip, pull: Pull, *, is_high: bool) -> None:
    """They reach the chip."""
    chip.drive(PLUG, high=not is_high)
    asked = {"plug": InputLine(line=PLUG, pull=pull)}
    with closing(open_lines(LABEL, asked)) as lines:
        assert chip.is_high(PLUG) is is_high
        assert lines.is_active("plug") is is_high


def test_the_kernel_debounces(chip: SocChip) -> None:
    """It is asked to, it says that it does, and nothing is left to us."""
    wanted = timedelta(milliseconds=30)
    asked = {
        "plug": InputLine(line=PLUG, debounce=wanted),
        "meter": PulseLine(line=METER),
    }
    with using(chip, asked) as lines, gpiod.Chip(str(chip.node)) as seen:
        assert seen.get_line_info(PLUG).debounce_period == wanted
        assert lines.settles_in_s() is None
        chip.drive(PLUG, high=False)
        assert lines.settles_in_s() is None


def test_pulses_that_nobody_reads_are_numbered(chip: SocChip) -> None:
    """The kernel keeps 16 events of a line, drops the oldest, and counts on."""
    meter = PulseLine(line=METER, active_low=True, debounce=timedelta())
    with using(chip, {"meter": meter}) as lines:
        pulse(chip, METER, 20, lasting_s=0.002)
        assert [edge.number for edge in edges_of(lines, 16)] == list(range(5, 21))


def test_what_becomes_of_a_line_whose_user_is_killed(chip: SocChip) -> None:
    """The kernel gives it back at once, and it falls to its resistor."""
    chip.drive(RELAY, high=False)

    def switch_on() -> Lines:
        lines = open_lines(LABEL, {"relay": OutputLine(line=RELAY)})
        lines.set("relay", active=True)
        return lines

    assert killed_after(switch_on, lambda: chip.is_high(RELAY))
    assert not chip.is_high(RELAY)

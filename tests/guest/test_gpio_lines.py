"""GPIO lines of a real kernel, through the real gpiod; each on two kinds of chips."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import gpiod
import pytest

from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.gpio import Edge, InputLine, OutputLine, PulseLine, check_lines
from drivers.gpiod_lines import open_lines
from tests.guest.chips import KINDS, Chip, edges_of, pulse, using

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RELAY, PLUG, METER = range(3)
RELAY_ALONE: Final[dict[str, OutputLine | InputLine]] = {
    "relay": OutputLine(line=RELAY)
}
LASTING_S = 0.04
SHORT, LONG = timedelta(milliseconds=LASTING_S * 500), timedelta(seconds=1)


def inputs(debounce: timedelta) -> dict[str, OutputLine | InputLine]:
    """Ask for inputs that are true at a low level."""
    return {
        "plug": InputLine(line=PLUG, active_low=True, debounce=debounce),
        "meter": PulseLine(line=METER, active_low=True, debounce=debounce),
    }


@pytest.fixture(params=KINDS)
def chip(request: pytest.FixtureRequest) -> Iterator[Chip]:
    """Plug a chip of one kind in."""
    kind: Callable[[], Chip] = KINDS[request.param]
    with kind() as plugged_in:
        yield plugged_in


@pytest.mark.parametrize("by", ["label", "name", "path"])
def test_a_chip_is_found(chip: Chip, by: str) -> None:
    """By what gpiodetect shows, in each column."""
    name = {"label": chip.label, "name": chip.node.name, "path": str(chip.node)}[by]
    with closing(open_lines(name, RELAY_ALONE)) as lines:
        lines.set("relay", active=True)
        assert chip.is_high(RELAY)
    assert all(finding.ok for finding in check_lines(name, inputs(SHORT)))


@pytest.mark.parametrize("active_low", [False, True])
def test_outputs(chip: Chip, *, active_low: bool) -> None:
    """Off with the request, then as they are told, either way round."""
    asked = {"relay": OutputLine(line=RELAY, active_low=active_low)}
    with closing(open_lines(chip.label, asked)) as lines:
        assert chip.is_high(RELAY) is active_low
        for active in (True, False, True):
            lines.set("relay", active=active)
            assert chip.is_high(RELAY) is (active is not active_low)
            assert lines.is_active("relay") is active


@pytest.mark.parametrize("debounce", [timedelta(), SHORT])
def test_inputs(chip: Chip, debounce: timedelta) -> None:
    """Each change is an edge with its level; of pulses only the beginnings are."""
    with using(chip, inputs(debounce)) as lines:
        chip.drive(PLUG, high=True)
        edges_of(lines, 1, within_s=0.1)  # A first look may count as an edge
        assert not lines.is_active("plug")
        chip.drive(PLUG, high=False)
        (edge,) = edges_of(lines, 1)
        assert edge[:2] == ("plug", True)
        assert lines.is_active("plug")
        chip.drive(PLUG, high=True)
        assert edges_of(lines, 1) == [Edge("plug", False, edge.number + 1)]
        pulse(chip, METER, 5, lasting_s=LASTING_S)
        pulses = edges_of(lines, 5)
        first = pulses[0].number
        assert pulses == [Edge("meter", True, first + more) for more in range(5)]


def test_a_contact_that_bounces(chip: Chip) -> None:
    """It is one edge, whoever debounces; a pulse that is too short is none."""
    with using(chip, inputs(LONG)) as lines:
        pulse(chip, METER)
        for high in (False, True, False, True, False):
            chip.drive(PLUG, high=high)
        assert not lines.is_active("plug")
        assert edges_of(lines, 1) == [Edge("plug", True, 1)]
        assert lines.is_active("plug")


def test_a_line_that_is_taken(chip: Chip) -> None:
    """Whoever comes second is told, and so is doctor; then it is free again."""
    with closing(open_lines(chip.label, RELAY_ALONE)):
        # Ours is no problem: doctor runs beside the agent.
        assert all(finding.ok for finding in check_lines(chip.label, RELAY_ALONE))
        with pytest.raises(TransientDeviceError, match="used by another program"):
            open_lines(chip.label, RELAY_ALONE)
    with gpiod.request_lines(str(chip.node), {RELAY: None}, consumer="leds"):
        problems = [one.problem for one in check_lines(chip.label, RELAY_ALONE)]
        assert problems == ["is used by leds"]
        with pytest.raises(TransientDeviceError, match="gpioinfo names it"):
            open_lines(chip.label, RELAY_ALONE | inputs(SHORT))
    open_lines(chip.label, RELAY_ALONE).close()


@pytest.mark.parametrize("line", [8, "RELAY"])
def test_lines_that_are_not_there(chip: Chip, line: int | str) -> None:
    """The message says how many there are."""
    with pytest.raises(UnsupportedDeviceError, match=f"no line {line}; it has [78] "):
        open_lines(chip.label, {"relay": OutputLine(line=line)})


def test_two_chips_of_one_label_are_not_guessed_at(chip: Chip) -> None:
    """Which is first is chance; by their paths they are two."""
    with KINDS["usb"]() as one, KINDS["usb"]() as other:
        with pytest.raises(TransientDeviceError) as caught:
            open_lines(one.label, RELAY_ALONE)
        assert all(str(twin.node) in str(caught.value) for twin in (one, other))
        with closing(open_lines(str(other.node), RELAY_ALONE)) as lines:
            lines.set("relay", active=True)
            assert other.is_high(RELAY)
    open_lines(chip.label, RELAY_ALONE).close()


def test_a_chip_that_goes_and_comes(chip: Chip, request: pytest.FixtureRequest) -> None:
    """Everything says that it is gone; back again it has the same label."""
    with using(chip, RELAY_ALONE | inputs(SHORT)) as lines:
        chip.unplug()
        for action in (
            lambda: lines.set("relay", active=True),
            lambda: lines.is_active("relay"),
            lines.read_edges,
        ):
            with pytest.raises(DeviceGoneError):
                action()
        with pytest.raises(DeviceGoneError, match="there are: none"):
            open_lines(chip.label, RELAY_ALONE)
        with KINDS[request.node.callspec.params["chip"]]() as back:
            # The name of before belongs to whoever still holds lines.
            assert back.node != chip.node
            open_lines(chip.label, RELAY_ALONE).close()

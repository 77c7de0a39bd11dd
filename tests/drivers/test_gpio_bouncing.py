"""Inputs of a chip whose lines the kernel does not debounce."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from gpiod import EdgeEvent
from gpiod.line import Edge as LineEdge
from gpiod.line import Value

from drivers.errors import DeviceGoneError, UnsupportedDeviceError
from drivers.gpio import Edge, InputLine, OutputLine, PulseLine
from drivers.gpiod_lines import open_lines
from tests.drivers.gpio_stubs import StubChip, stub_chips

if TYPE_CHECKING:
    from pathlib import Path

RELAY, PLUG, METER = range(3)  # The lines of a StubChip
_MS = 1_000_000  # Nanoseconds


class Expander:
    """Open lines on such a chip, and its clock."""

    def __init__(self, chip: StubChip) -> None:
        self.now = 10.0
        self.lines = open_lines(
            chip.label,
            {
                "relay": OutputLine(line=RELAY),
                "plug": InputLine(line=PLUG, debounce=timedelta(milliseconds=50)),
                "meter": PulseLine(line=METER),
            },
            monotonic=lambda: self.now,
        )
        self.request = chip.request

    def feel(self, line: int, *levels: tuple[int, bool]) -> None:
        """Have the kernel note edges: at how many milliseconds from now, and which."""
        kinds = (EdgeEvent.Type.FALLING_EDGE, EdgeEvent.Type.RISING_EDGE)
        self.request.events.append(
            [
                SimpleNamespace(
                    line_offset=line,
                    event_type=kinds[level],
                    timestamp_ns=round(self.now * 1000 + ms) * _MS,
                    line_seqno=99,
                )
                for ms, level in levels
            ]
        )
        self.request.values[line] = Value.ACTIVE if levels[-1][1] else Value.INACTIVE


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubChip:
    """Give a chip that is asked to debounce in vain."""
    found = stub_chips(tmp_path, monkeypatch)["expander"]
    found.refuses_to_debounce = True
    return found


def test_they_are_requested_all_the_same(chip: StubChip) -> None:
    """Every edge is asked for, a great many are kept, and outputs are as ever."""
    Expander(chip)
    assert chip.requested[RELAY].output_value is Value.INACTIVE
    for line in (PLUG, METER):
        assert chip.requested[line].edge_detection is LineEdge.BOTH
        assert not chip.requested[line].debounce_period
    assert chip.kept == 1024


def test_what_is_not_to_be_debounced_is_left_to_the_kernel(chip: StubChip) -> None:
    """A pulse line without it tells beginnings only, by the kernel's own numbers."""
    plain = PulseLine(line=METER, debounce=timedelta())
    lines = open_lines("expander", {"meter": plain, "plug": InputLine(line=PLUG)})
    assert chip.requested[METER].edge_detection is LineEdge.RISING
    chip.request.events = [
        [
            SimpleNamespace(
                line_offset=METER,
                event_type=EdgeEvent.Type.RISING_EDGE,
                timestamp_ns=0,
                line_seqno=7,
            )
        ]
    ]
    assert lines.read_edges() == [Edge("meter", True, 7)]


def test_another_mistake_stays_one(chip: StubChip) -> None:
    """What is refused for another reason is not asked for twice in vain."""
    chip.refuses_to_debounce = False
    chip.failure = OSError(22, "Invalid argument")
    with pytest.raises(UnsupportedDeviceError, match="cannot use a line as told"):
        open_lines("expander", {"plug": InputLine(line=PLUG)})
    with pytest.raises(UnsupportedDeviceError, match="cannot use a line as told"):
        open_lines("expander", {"relay": OutputLine(line=RELAY)})


def test_a_bouncing_contact_is_one_edge(chip: StubChip) -> None:
    """It is told when it has settled, and not before; so is the level."""
    expander = Expander(chip)
    expander.feel(PLUG, (0, True), (3, False), (5, True))
    assert expander.lines.read_edges() == []
    assert not expander.lines.is_active("plug")
    assert expander.lines.settles_in_s() == pytest.approx(0.055)
    expander.now += 0.055
    assert expander.lines.settles_in_s() == pytest.approx(0, abs=1e-6)
    expander.now += 0.001
    assert expander.lines.read_edges() == [Edge("plug", True, 1)]
    assert expander.lines.is_active("plug")
    assert expander.lines.settles_in_s() is None


def test_pulses_are_counted_by_their_beginnings(chip: StubChip) -> None:
    """Also when nobody came to read them for a while; what is too short is none."""
    expander = Expander(chip)
    for at in range(0, 400, 100):
        expander.feel(METER, (at, True), (at + 30, False))
    expander.feel(METER, (401, True), (403, False))
    expander.now += 1
    assert expander.lines.read_edges() == [
        Edge("meter", True, number) for number in (1, 2, 3, 4)
    ]


def test_edges_that_were_lost_leave_their_level(chip: StubChip) -> None:
    """It settles as others do, and is told then."""
    expander = Expander(chip)
    expander.request.values[PLUG] = Value.ACTIVE
    assert not expander.lines.is_active("plug")
    expander.now += 0.06
    assert expander.lines.is_active("plug")
    assert expander.lines.settles_in_s() == 0
    assert expander.lines.read_edges() == [Edge("plug", True, 1)]


def test_the_lines_go_back_when_the_chip_goes_at_once(chip: StubChip) -> None:
    """A chip that cannot be read after it handed out its lines keeps nothing."""
    chip.breaks_at_once = True
    with pytest.raises(DeviceGoneError):
        open_lines("expander", {"plug": InputLine(line=PLUG)})
    assert chip.request.released

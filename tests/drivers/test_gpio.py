"""GPIO lines: the adapter to the library, as far as that goes without a chip."""

from __future__ import annotations

import errno
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import gpiod
import pytest
from gpiod.line import Bias, Direction, Value
from gpiod.line import Edge as LineEdge

from drivers import gpiod_chips, gpiod_lines
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.gpio import (
    Edge,
    InputLine,
    OutputLine,
    Pull,
    PulseLine,
    check_lines,
    check_release,
    open_lines,
)
from tests.drivers.gpio_stubs import StubChip, stub_chips

if TYPE_CHECKING:
    from pathlib import Path

RELAY = {"relay": OutputLine(line="RELAY")}
EVENT = gpiod.EdgeEvent.Type


@pytest.fixture
def chips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, StubChip]:
    """Give a folder of devices with two chips, and the second name of one."""
    return stub_chips(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("chip", "error", "text"),
    [
        ("/dev/no-such-chip", DeviceGoneError, "there is no GPIO chip"),
        ("no-such-label", DeviceGoneError, "there is no GPIO chip no-such-label"),
        ("/", UnsupportedDeviceError, "is no GPIO chip"),
        ("/dev/null", DeviceGoneError, "is gone, or is no GPIO chip"),
    ],
)
def test_a_chip_that_is_none(chip: str, error: type[DriverError], text: str) -> None:
    """The real library is asked, and its error becomes the policy that fits."""
    with pytest.raises(error, match=text):
        open_lines(chip, RELAY)


def test_no_access_to_a_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the one that is wanted; the group is named."""
    (tmp_path / "gpiochip0").touch()

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(gpiod_chips, "_DEVICES", str(tmp_path))
    monkeypatch.setattr(gpiod, "Chip", refuse)
    with pytest.raises(AccessDeniedError, match="group gpio"):
        open_lines("pinctrl", RELAY)


def test_a_chip_is_found_by_its_label(chips: dict[str, StubChip]) -> None:
    """Every chip that was looked at is closed again, the right one as well."""
    with pytest.raises(DeviceGoneError, match=r"expander \(gpiochip7\), pinctrl"):
        open_lines("other", RELAY)
    open_lines("pinctrl", RELAY)
    assert list(chips["pinctrl"].requested) == [0]
    assert not chips["expander"].requested
    assert not any(chip.is_open for chip in chips.values())


def test_two_chips_of_one_label_are_not_guessed_at(chips: dict[str, StubChip]) -> None:
    """Which comes first may change with every start: relays are no lottery."""
    chips["expander"].label = "pinctrl"
    with pytest.raises(TransientDeviceError, match=r"gpiochip0 and .*gpiochip7"):
        open_lines("pinctrl", RELAY)
    assert not any(chip.is_open or chip.requested for chip in chips.values())


def test_a_chip_that_goes_while_its_lines_are_looked_for(
    chips: dict[str, StubChip],
) -> None:
    """It is gone, which is no mistake of the configuration."""
    chip = chips["pinctrl"]
    with gpiod_chips.find_chip("pinctrl") as found:
        chip.is_gone = True
        for line in ("RELAY", "NOBODY"):
            with pytest.raises(DeviceGoneError):
                gpiod_chips.offset_of(found, "pinctrl", line)
    assert not chip.is_open


def test_outputs_begin_inactive() -> None:
    """The safe level is part of the request; active-low is the kernel's affair."""
    settings = gpiod_lines.settings_of(OutputLine(line=1, active_low=True))
    assert settings == gpiod.LineSettings(
        direction=Direction.OUTPUT, active_low=True, output_value=Value.INACTIVE
    )


def test_inputs_are_debounced_by_the_kernel() -> None:
    """Every setting of an input reaches the request."""
    line = InputLine(line=1, pull=Pull.UP, debounce=timedelta(milliseconds=20))
    assert gpiod_lines.settings_of(line) == gpiod.LineSettings(
        direction=Direction.INPUT,
        bias=Bias.PULL_UP,
        debounce_period=timedelta(milliseconds=20),
        edge_detection=LineEdge.BOTH,
    )
    pulses = gpiod_lines.settings_of(PulseLine(line=1, active_low=True))
    assert (pulses.edge_detection, pulses.active_low) == (LineEdge.RISING, True)
    assert pulses.debounce_period == timedelta(milliseconds=5)


def test_lines_go_by_the_names_of_their_opener(chips: dict[str, StubChip]) -> None:
    """Names and numbers of the chip are used at the request, and never again."""
    lines = open_lines(
        "pinctrl", {"relay": OutputLine(line=0), "meter": PulseLine(line="METER")}
    )
    request = chips["pinctrl"].request
    lines.set("relay", active=True)
    assert request.values == {0: Value.ACTIVE}
    assert lines.is_active("relay")
    lines.set("relay", active=False)
    assert not lines.is_active("relay")
    request.events = [
        [SimpleNamespace(line_offset=2, event_type=EVENT.RISING_EDGE, line_seqno=1)],
        [SimpleNamespace(line_offset=2, event_type=EVENT.FALLING_EDGE, line_seqno=2)],
    ]
    assert lines.read_edges() == [Edge("meter", True, 1), Edge("meter", False, 2)]
    assert lines.read_edges() == []
    assert lines.fileno() == 99
    lines.close()
    assert request.released


def test_a_noisy_line_does_not_keep_the_loop(chips: dict[str, StubChip]) -> None:
    """What does not end is read in portions."""
    lines = open_lines("pinctrl", {"meter": PulseLine(line="METER")})
    edge = SimpleNamespace(line_offset=2, event_type=EVENT.RISING_EDGE, line_seqno=1)
    chips["pinctrl"].request.events = [[edge]] * 1000
    assert 0 < len(lines.read_edges()) < 100


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.EBUSY, TransientDeviceError),
        (errno.EPERM, AccessDeniedError),
        (errno.EACCES, AccessDeniedError),
        (errno.ENODEV, DeviceGoneError),
        (errno.ENXIO, UnsupportedDeviceError),
        (errno.EINVAL, UnsupportedDeviceError),
        (errno.EOPNOTSUPP, UnsupportedDeviceError),
        (errno.ENOMEM, TransientDeviceError),
    ],
)
def test_failures_of_requests(
    chips: dict[str, StubChip], code: int, error: type[DriverError]
) -> None:
    """The class says what to do, the chip is closed."""
    chips["pinctrl"].failure = OSError(code, "what the kernel says")
    with pytest.raises(error):
        open_lines("pinctrl", RELAY)
    assert not chips["pinctrl"].is_open


def test_a_chip_that_is_unplugged(chips: dict[str, StubChip]) -> None:
    """Everything says so, and closing does not mind."""
    lines = open_lines("pinctrl", RELAY)
    chips["pinctrl"].request.failure = OSError(errno.ENODEV, "No such device")
    with pytest.raises(DeviceGoneError):
        lines.set("relay", active=True)
    with pytest.raises(DeviceGoneError):
        lines.is_active("relay")
    with pytest.raises(DeviceGoneError):
        lines.read_edges()
    lines.close()


def test_a_chip_that_does_not_obey(chips: dict[str, StubChip]) -> None:
    """Setting fails without a word in most kernels: looking at the line tells."""
    lines = open_lines("pinctrl", RELAY)
    request = chips["pinctrl"].request
    request.failure = OSError(errno.EREMOTEIO, "Remote I/O error")
    request.fails_in_silence = True
    with pytest.raises(TransientDeviceError, match="Remote I/O error"):
        lines.set("relay", active=True)


@pytest.mark.parametrize("line", ["NOBODY", 3])
def test_a_line_that_is_not_there(
    chips: dict[str, StubChip],
    line: str | int,
) -> None:
    """The message says how many there are, and where to look."""
    with pytest.raises(UnsupportedDeviceError, match=f"no line {line}; it has 3 lines"):
        open_lines("pinctrl", {"relay": OutputLine(line=line)})
    assert not chips["pinctrl"].requested


def test_a_line_has_one_task(chips: dict[str, StubChip]) -> None:
    """The same line by name and by number is found out."""
    with pytest.raises(UnsupportedDeviceError, match="two tasks"):
        open_lines(
            "pinctrl", {"relay": OutputLine(line="RELAY"), "plug": InputLine(line=0)}
        )
    assert not chips["pinctrl"].requested


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named, to whoever opens and to whoever looks."""
    monkeypatch.setitem(sys.modules, "gpiod", None)
    monkeypatch.delitem(sys.modules, "drivers.gpiod_lines")
    monkeypatch.delattr("drivers.gpiod_lines")
    with pytest.raises(UnsupportedDeviceError, match=r"EXTRAS=gpio"):
        open_lines("pinctrl", RELAY)
    (finding,) = check_lines("pinctrl", RELAY)
    assert "EXTRAS=gpio" in finding.problem


def test_looking_takes_nothing(chips: dict[str, StubChip]) -> None:
    """Each line is a finding; one of another program is a problem, ours is none."""
    lines: dict[str, OutputLine | InputLine] = {
        "relay": OutputLine(line="RELAY"),
        "fault": InputLine(line=5),
    }
    relay, fault = check_lines("pinctrl", lines)
    assert relay.ok
    assert relay.what == "GPIO line RELAY of pinctrl, for relay"
    assert "no line 5" in fault.problem
    chips["pinctrl"].used_by = "rfid-agent"
    assert all(one.ok for one in check_lines("pinctrl", RELAY))
    chips["pinctrl"].used_by = "leds"
    (relay,) = check_lines("pinctrl", RELAY)
    assert relay.problem == "is used by leds"
    assert not any(chip.requested or chip.is_open for chip in chips.values())


@pytest.mark.parametrize(
    ("label", "told", "is_warned"),
    [
        ("pinctrl-bcm2711", "Y", True),
        ("pinctrl-rp1", "Y", True),
        ("pinctrl-bcm2711", "N", False),
        ("pinctrl-bcm2711", None, False),
        ("cp2112_gpio", "Y", False),
    ],
)
def test_outputs_that_outlive_the_agent_are_named(
    chips: dict[str, StubChip],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    label: str,
    told: str | None,
    *,
    is_warned: bool,
) -> None:
    """Kernels of Raspberry Pi OS keep those of the header, and say so."""
    chips["pinctrl"].label = label
    if told is not None:
        (tmp_path / "persists").write_text(f"{told}\n")
    files = (tmp_path / "other-model", tmp_path / "persists")
    monkeypatch.setattr(gpiod_chips, "_PERSISTENCE", files)
    findings = list(check_release(label))
    assert ["strict_gpiod" in one.problem for one in findings] == [True] * is_warned
    assert not chips["pinctrl"].is_open


def test_outputs_of_a_chip_that_is_away_are_nobodys_concern(
    chips: dict[str, StubChip],
) -> None:
    """That it is away is said once, of its lines."""
    chips["pinctrl"].is_gone = True
    assert list(check_release("pinctrl")) == []

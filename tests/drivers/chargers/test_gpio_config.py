"""The gpio charger's table, as the configuration file has it."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from drivers.chargers.gpio_config import GpioChargerConfig, MeterLine
from drivers.gpio import InputLine, OutputLine, Pull
from tests.drivers.tables import CHARGER, read_table

ROOT = Path(__file__).parents[3]


read = partial(read_table, GpioChargerConfig, CHARGER)


def test_every_key_is_read() -> None:
    """Names and numbers, durations, and a path in the state directory."""
    config, mistakes = read(
        """
        chip = "pinctrl-bcm2711"
        relay = { line = "GPIO17", active_low = true }
        vehicle = { line = 27, pull = "up", debounce = "200ms" }
        fault = { line = "FAULT", debounce = "0s" }
        meter = { line = 22, pulses_per_kwh = 800, register = "e1", save_every = "9s" }
        """
    )
    assert mistakes == []
    assert config == GpioChargerConfig(
        chip="pinctrl-bcm2711",
        relay=OutputLine(line="GPIO17", active_low=True),
        vehicle=InputLine(line=27, pull=Pull.UP, debounce=timedelta(milliseconds=200)),
        fault=InputLine(line="FAULT", debounce=timedelta()),
        meter=MeterLine(
            line=22,
            pulses_per_kwh=800,
            register=Path("/state/e1"),
            save_every=timedelta(seconds=9),
        ),
    )
    assert list(config.lines()) == ["relay", "vehicle", "fault", "meter"]


def test_a_socket_that_cannot_tell_is_a_decision() -> None:
    """Leaving `vehicle` out takes another word, so that nobody forgets it."""
    config, mistakes = read('chip = "c"\nrelay = { line = 1 }\nalways_connected = true')
    assert mistakes == []
    assert config is not None
    assert list(config.lines()) == ["relay"]


RELAY = 'chip = "c"\nrelay = { line = 1 }\n'


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (RELAY, "vehicle", "or always_connected = true"),
        (
            RELAY + "vehicle = { line = 2 }\nalways_connected = true",
            "vehicle",
            "and not both",
        ),
        (RELAY + "vehicle = 2", "vehicle", "expected a table"),
        (RELAY + "vehicle = { line = -1 }", "vehicle.line", "the name of a line"),
        (RELAY + 'vehicle = { line = "" }', "vehicle.line", "the name of a line"),
        (RELAY + 'vehicle = { line = 2, pull = "high" }', "vehicle.pull", '"down"'),
        (RELAY + "vehicle = { line = 2, activ_low = true }", "activ_low", "active_low"),
        (RELAY + "meter = { line = 2 }", "meter.pulses_per_kwh", "missing"),
        (
            RELAY + 'meter = { line = 2, pulses_per_kwh = 0, register = "r" }',
            "meter.pulses_per_kwh",
            "printed on the meter",
        ),
        ("relay = { line = 1 }", "chip", "missing"),
    ],
)
def test_mistakes(text: str, key: str, problem: str) -> None:
    """Each is told with its key and its remedy."""
    config, mistakes = read(text)
    assert config is None
    assert any(key in one and problem in one for one in mistakes), mistakes


def test_the_documentation_shows_a_table_that_is_read() -> None:
    """What an installer copies is what the driver takes."""
    text = (ROOT / "docs" / "charger-gpio.md").read_text(encoding="utf-8")
    (block,) = re.findall(
        r"^    \[evse\.charger\]\n((?:    .+\n)+)", text, re.MULTILINE
    )
    config, mistakes = read(block.replace('driver = "gpio"', ""))
    assert mistakes == []
    assert config is not None
    assert list(config.lines()) == ["relay", "vehicle", "fault", "meter"]

"""The table of a serial reader's lights: what it may say, and of which reader."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from drivers.gpio import OutputLine
from drivers.indicators.module import ModuleIndicator
from drivers.indicators.module_panels import (
    KINDS,
    ModuleIndicatorConfig,
    make_panel,
)
from drivers.indicators.none import NoIndicator, NoIndicatorConfig
from drivers.indicators.patterns import Colour, Pattern
from drivers.readers.pipe import PipeReaderConfig
from drivers.readers.serial import Format, SerialReaderConfig
from tests.drivers.tables import INDICATOR, read_table

RED = 'red = { line = "P72", active_low = true }'


read = partial(read_table, ModuleIndicatorConfig, INDICATOR)


def misfits(text: str, reader: object) -> list[tuple[str, str]]:
    """Say what does not go with a reader."""
    config, mistakes = read(text)
    assert mistakes == []
    return [(key, why) for key, why in ModuleIndicator.find_misfits(config, reader)]


def serial(name: str) -> SerialReaderConfig:
    """Configure a reader of this format."""
    return SerialReaderConfig(port="/dev/ttyS0", format=Format(name))


def test_the_table_is_read() -> None:
    """Lines, the beeper and patterns; what is not written stays as it is."""
    config, mistakes = read(
        f"""
        {RED}
        volume = 30
        frequency = 500
        locked = {{ colours = ["yellow"], tone = "500ms" }}
        """
    )
    assert mistakes == []
    assert config == ModuleIndicatorConfig(
        red=OutputLine(line="P72", active_low=True),
        volume=30,
        frequency=500,
        locked=Pattern(colours=(Colour.YELLOW,), tone=timedelta(milliseconds=500)),
    )
    assert read("") == (ModuleIndicatorConfig(), [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("volume = 101", "a percentage"),
        ("frequency = 499", "500 to 10000 Hz"),
        ("frequency = 10001", "500 to 10000 Hz"),
        ('yelow = { line = "P72" }', "did you mean yellow?"),
        ('red = "P72"', "expected a table"),
        ("red = {}", "red.line: missing"),
        ('chip = "c"', "unknown"),
        ('ready = { on = "5ms" }', "at least 20ms"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    """Each is told with its remedy."""
    config, (mistake,) = read(text)
    assert config is None
    assert problem in mistake


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "twn4"),
        ("volume = 0\nfrequency = 2000", "twn4-ascii"),
        ('red = { line = "GPIO7" }\nbuzzer = { line = "GPIO0" }', "twn4"),
        ("", "sl032"),
        (RED, "pn532"),
    ],
)
def test_what_goes_together(text: str, name: str) -> None:
    """Nothing is said of it, and there is a panel."""
    assert misfits(text, serial(name)) == []
    config, _ = read(text)
    assert config is not None
    assert make_panel(config, Format(name)).outputs


@pytest.mark.parametrize(
    ("text", "reader", "key", "parts"),
    [
        ("", PipeReaderConfig(path=Path("c")), "driver", ['"serial"', "another", "sl"]),
        ("", serial("rdm6300"), "driver", ["rdm6300", "twn4, ", "another indicator"]),
        ("", serial("wiegand-raw"), "driver", ["only talks"]),
        ("", serial("pn532"), "driver", ["red = { line = ", "P30, P31, P33, P35, P71"]),
        ("volume = 3\n" + RED, serial("pn532"), "volume", ["a TWN4's beeper"]),
        ("frequency = 900", serial("sl032"), "frequency", ["a TWN4's beeper"]),
        (RED, serial("sl032"), "red", ["leave this out"]),
        (RED, serial("twn4"), "red", ["one of GPIO0, GPIO1", "got 'P72'"]),
        ("red = { line = 0 }", serial("twn4"), "red", ["got 0"]),
        ('red = { line = "P34" }', serial("pn532"), "red", ["got 'P34'"]),
        ('red = { line = "P32" }', serial("pn532"), "red", ["got 'P32'"]),
        (
            RED + '\nblue = { line = "P72" }',
            serial("pn532"),
            "blue",
            ["P72 is that of red already"],
        ),
        (
            'volume = 9\nbuzzer = { line = "GPIO3" }',
            serial("twn4"),
            "volume",
            ["not used here"],
        ),
    ],
)
def test_what_does_not_go_together(
    text: str, reader: object, key: str, parts: list[str]
) -> None:
    """The key is named, and what to do."""
    ((found, problem),) = misfits(text, reader)
    assert found == key
    assert [part for part in parts if part not in problem] == []


TONE = 'ready = { colours = ["red"], tone = "1s" }\n'


@pytest.mark.parametrize(
    ("text", "name", "keys"),
    [
        (TONE, "twn4", []),
        (TONE, "sl032", ["ready"]),
        (TONE + RED, "pn532", ["ready"]),
        (TONE + 'buzzer = { line = "P30" }', "pn532", ["ready"]),
        ('buzzer = { line = "P30" }\nready = { tone = "1s" }', "pn532", []),
        ('buzzer = { line = "GPIO3" }', "twn4", []),
    ],
)
def test_what_cannot_be_shown(text: str, name: str, keys: list[str]) -> None:
    """A tone where nothing sounds, and a colour where nothing shines."""
    assert [key for key, _ in misfits(text, serial(name))] == keys


def test_all_that_does_not_fit_is_named_at_once() -> None:
    """An installer corrects it in one go."""
    text = 'red = { line = "P32" }\ngreen = { line = "X" }\nvolume = 1'
    found = misfits(text, serial("pn532"))
    assert [key for key, _ in found] == ["red", "green", "volume"]


def test_every_format_either_has_lights_or_refuses_them() -> None:
    """None is forgotten when it comes new."""
    for name in Format:
        found = misfits("", serial(name))
        assert bool(found) is (name not in KINDS or name is Format.PN532)


def test_other_indicators_go_with_any_reader() -> None:
    """They have nothing to say of it."""
    assert list(NoIndicator.find_misfits(NoIndicatorConfig(), serial("twn4"))) == []


DOCUMENT = Path(__file__).parents[3] / "docs" / "indicator-module.md"


def test_the_documentation_shows_tables_that_are_right() -> None:
    """What an installer copies is what the driver takes."""
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"^    \[\[reader\]\]\n(?:(?:    .+)?\n)+", text, re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        (table,) = tomllib.loads(re.sub("^    ", "", block, flags=re.MULTILINE))[
            "reader"
        ]
        options = table["indicator"]
        assert options.pop("driver") == "module"
        config, _ = read(options)
        reader = serial(table["format"])
        assert list(ModuleIndicator.find_misfits(config, reader)) == []


def test_the_documentation_names_every_line_and_default() -> None:
    """As the driver has them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        assert f"`{name}`" in text
        assert all(f"`{line}`" in text for line in (*kind.lines[:1], *kind.lines[-1:]))
        for colour, output in kind.board.items():
            assert f"{colour} on `{output.line}`" in text

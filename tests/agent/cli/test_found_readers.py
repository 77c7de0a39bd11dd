"""Attached readers, as what can be pasted into the configuration."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.found_readers import build_rows, build_text, build_toml
from agent.config import load_config
from drivers.probing import Found
from tests.agent.config.station_file import GOOD, write

if TYPE_CHECKING:
    from pathlib import Path

PCSC = Found(
    "PC/SC reader ACS [PICC] 00 00", "pcsc", {"match": "ACS [[]PICC]*"}, "look\nhere"
)
WEDGE = Found("keyboard", "wedge", {"device": "ffff:0035", "usb_port": "usb-1.2"})
SERIAL = Found("adapter", "serial", {"port": "/dev/ttyUSB0", "format": "rdm6300"})
ELATEC = Found("reader", "serial", {"port": "/dev/ttyACM0", "format": "twn4"})
NFC = Found("adapter", "nfc", {"device": "usb:054c:06c3"})
MODULES = Found("kernel modules pn533_usb", note="blacklist them")
ALL = [PCSC, NFC, WEDGE, SERIAL, ELATEC, MODULES]


def test_a_block() -> None:
    """What it is and what to know of it are comments, then comes the table."""
    assert build_text([PCSC, MODULES]) == (
        "# PC/SC reader ACS [PICC] 00 00\n"
        "# look here\n"
        "[[reader]]\n"
        'name = "pcsc"\n'
        'driver = "pcsc"\n'
        'match = "ACS [[]PICC]*"\n'
        "\n"
        "# kernel modules pn533_usb\n"
        "# blacklist them\n"
    )


def test_nothing_was_found() -> None:
    """There is nothing to print."""
    assert build_text([]) == ""
    assert build_rows([]) == []


def test_what_nobody_can_see_is_left_to_the_reader() -> None:
    """The choices stand behind the value."""
    (line,) = [line for line in build_toml(SERIAL, "x").splitlines() if "rdm" in line]
    assert line.startswith('format = "rdm6300"  # or id12, ')


def test_all_of_it_can_be_pasted(tmp_path: Path) -> None:
    """The station's own loader takes it, as every driver's table."""
    config = load_config(write(tmp_path, f"{GOOD}\n{build_text(ALL)}"))
    added = config.readers[2:]
    assert [(one.name, one.reader.driver) for one in added] == [
        ("pcsc", "pcsc"),
        ("nfc", "nfc"),
        ("wedge", "wedge"),
        ("serial", "serial"),
        ("serial-2", "serial"),
    ]
    assert added[2].reader.options.usb_port == "usb-1.2"


def test_programs_get_the_same() -> None:
    """Each thing with its table, which is empty where there is none."""
    rows = build_rows(ALL)
    assert rows[0] == {
        "what": PCSC.what,
        "driver": "pcsc",
        "options": PCSC.options,
        "note": PCSC.note,
        "toml": build_toml(PCSC, "pcsc"),
    }
    assert rows[-1]["toml"] == ""
    assert tomllib.loads("".join(row["toml"] for row in rows))["reader"][1] == {
        "name": "nfc",
        "driver": "nfc",
        "device": "usb:054c:06c3",
    }


@pytest.mark.parametrize("text", ['a"b\\c', "a\x7fb\x00c\n", "\u2028 ü 🙂", "]]"])
def test_odd_names_stay_what_they_are(text: str) -> None:
    """A device may call itself anything; it writes no configuration of its own."""
    found = Found(f"{text}\n[station]", "pcsc", {"match": text}, text)
    assert tomllib.loads(build_text([found])) == {
        "reader": [{"name": "pcsc", "driver": "pcsc", "match": text}]
    }


@given(st.text(), st.text(), st.text())
def test_no_device_writes_configuration(what: str, value: str, note: str) -> None:
    """Whatever it says of itself."""
    found = Found(what, "pcsc", {"match": value}, note)
    assert tomllib.loads(build_text([found])) == {
        "reader": [{"name": "pcsc", "driver": "pcsc", "match": value}]
    }

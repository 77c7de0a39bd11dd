"""The NFC reader's table of the configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent.config.reading import Mistakes, Place, read_struct
from drivers.readers.nfc import NfcConfig


def read_config(table: dict[str, object]) -> tuple[NfcConfig | None, list[str]]:
    """Read a driver's table as the agent does."""
    mistakes = Mistakes(Path("c.toml"), "")
    place = Place("reader", 1)
    return read_struct(NfcConfig, table, place, mistakes, base_dir=Path("/")), (
        mistakes.found
    )


def test_the_configuration() -> None:
    """All keys can be written in TOML."""
    table: dict[str, object] = {
        "device": "usb:054c:06c3",
        "poll_every": "100ms",
        "held_for": "2s",
        "reset": ["uhubctl", "-a", "cycle"],
        "reset_after": 5,
    }
    config, mistakes = read_config(table)
    assert mistakes == []
    assert config == NfcConfig(
        device="usb:054c:06c3",
        poll_every=timedelta(milliseconds=100),
        held_for=timedelta(seconds=2),
        reset=("uhubctl", "-a", "cycle"),
        reset_after=5,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "ttyUSB0"}, "expected a path such as"),
        ({"device": "tty:USB0:pn532"}, "device: expected a path such as"),
        ({"device": "usb\n"}, "device: expected a path such as"),
        ({"device": "udp:localhost:65536"}, "device: expected a path such as"),
        ({"poll_every": "0s"}, "longer than zero"),
        ({"reset": "uhubctl"}, "a list"),
        ({"reset_after": 0}, "1 or more"),
        ({"baudrate": 9600}, "unknown"),
    ],
)
def test_mistakes_of_the_configuration(change: dict[str, object], words: str) -> None:
    """Each is told before anything is opened."""
    config, (mistake,) = read_config({"device": "usb"} | change)
    assert config is None
    assert words in mistake

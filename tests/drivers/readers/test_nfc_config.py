"""The NFC reader's table of the configuration."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from drivers.readers.nfc import NfcConfig
from tests.drivers.tables import READER, read_table

read = partial(read_table, NfcConfig, READER)


def test_the_configuration() -> None:
    """All keys can be written in TOML."""
    table: dict[str, object] = {
        "device": "usb:054c:06c3",
        "poll_every": "100ms",
        "held_for": "2s",
        "reset": ["uhubctl", "-a", "cycle"],
        "reset_after": 5,
    }
    config, mistakes = read(table)
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
    config, (mistake,) = read({"device": "usb"} | change)
    assert config is None
    assert words in mistake

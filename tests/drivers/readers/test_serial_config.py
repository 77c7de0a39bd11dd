"""The table of a serial reader, as the configuration reads it."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from tests.drivers.tables import READER, read_table


def read(**table: Any) -> tuple[object, list[str]]:  # noqa: ANN401 - as in TOML
    """Read a table; return what it is, and what is wrong with it."""
    return read_table(SerialReader.Config, READER, table)


def test_the_configuration_is_read() -> None:
    """Two keys are enough; a port is no path below the state directory."""
    config, mistakes = read(port="socket://127.0.0.1:1", format="twn4-ascii")
    assert mistakes == []
    assert config == SerialReaderConfig(
        port="socket://127.0.0.1:1", format=Format.TWN4_ASCII
    )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format", "rdm", "rdm6300"),
        ("baudrate", -1, "bits per second"),
        ("baudrate", "9600", "bits per second"),
        ("port", "", "socket://host:port"),
        ("port", "ttyUSB0", "got ttyUSB0"),
        ("port", "rfc2217://host:1", "socket://host:port"),
        ("pattern", "CARD=[0-9]+", "a group"),
        ("pattern", "(", "a regular expression"),
        ("held_for", 1, "duration"),
        ("poll_every", "0s", "longer than zero"),
        ("crc", "yes", "true or false"),
    ],
)
def test_mistakes_of_the_configuration_are_named(
    key: str, value: object, says: str
) -> None:
    """The message says what would be right."""
    table: dict[str, object] = {"port": "/dev/ttyUSB0", "format": "rdm6300"}
    config, (mistake,) = read(**(table | {key: value}))
    assert config is None
    assert says in mistake

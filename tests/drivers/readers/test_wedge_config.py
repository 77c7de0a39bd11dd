"""The table of a keyboard-wedge reader: what is read, and which mistakes are named."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.readers.wedge import WedgeConfig, WedgeReader
from drivers.readers.wedge_number import NumberFormat
from tests.drivers.readers.wedge_bench import LINK
from tests.drivers.tables import READER, read_table


def read(**table: Any) -> tuple[object, list[str]]:  # noqa: ANN401 - as in TOML
    """Read a table; return what it is, and what is wrong with it."""
    return read_table(WedgeReader.Config, READER, table)


def test_the_configuration_is_read() -> None:
    """One key is enough; a path is no path below the state directory."""
    config, mistakes = read(device="ffff:0035")
    assert (config, mistakes) == (WedgeConfig(device="ffff:0035"), [])
    path = f"/dev/input/by-id/{LINK}"
    config, mistakes = read(device=path, number="decimal", bytes=4)
    wanted = WedgeConfig(device=path, number=NumberFormat.DECIMAL, bytes=4)
    assert (config, mistakes) == (wanted, [])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"device": "/dev/input/event0"}, "device: expected vendor and product"),
        ({"device": "ffff:0035\n"}, "ffff:0035"),
        ({"number": "octal"}, '"hex", "decimal"'),
        ({"number": "decimal"}, "bytes = 4"),
        ({"bytes": 11}, "up to 10"),
        ({"bytes": 2}, "bytes: expected 3 to 10"),
        ({"bytes": -1}, "up to 10"),
        ({"held_for": "0s"}, "longer than zero"),
        ({"usb_port": 1}, "a text"),
        (
            {"device": f"/dev/input/by-id/{LINK}", "usb_port": "usb-1.2"},
            "usb_port: goes with",
        ),
    ],
)
def test_mistakes_of_the_configuration_are_named(
    changes: dict[str, object], says: str
) -> None:
    """The message says what would be right, before anything is opened."""
    config, (mistake,) = read(**({"device": "ffff:0035"} | changes))
    assert config is None
    assert says in mistake

"""Tables of drivers, read as the agent reads them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent.config.reading import Mistakes, Place, read_struct

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

READER = Place("reader", 1)
CHARGER = Place("evse", 1, "charger")
INDICATOR = Place("reader", 1, "indicator")


def read_table(
    config: type[T], place: Place, table: Mapping[str, Any] | str
) -> tuple[T | None, list[str]]:
    """Give what a table says, which may be TOML, and the mistakes in it."""
    text = table if isinstance(table, str) else ""
    mistakes = Mistakes(Path("config.toml"), text)
    options = tomllib.loads(table) if isinstance(table, str) else table
    said = read_struct(config, options, place, mistakes, base_dir=Path("/state"))
    return said, mistakes.found

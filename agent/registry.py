"""Finding drivers by name: ours and third parties' register the same way."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from agent.errors import ConfigError

READERS = "rfid_agent.readers"
CHARGERS = "rfid_agent.chargers"
INDICATORS = "rfid_agent.indicators"
METERS = "rfid_agent.meters"


def driver_names(group: str) -> list[str]:
    """Every driver of a kind that is installed here."""
    return sorted(_installed(group))


def load_driver(group: str, name: str) -> Any:  # noqa: ANN401 - a Reader, Charger or Indicator class
    """Import a driver's class; ConfigError says what there is instead."""
    if name not in _installed(group):
        _installed.cache_clear()  # It may have been installed since.
    entry = _installed(group).get(name)
    if entry is None:
        raise ConfigError(
            f"no such driver; installed are: {', '.join(driver_names(group)) or 'none'}"
        )
    try:
        return entry.load()
    except Exception as err:
        # A third party's module may raise anything while it is imported.
        raise ConfigError(f"driver {name!r} cannot be loaded: {err}") from err


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    """Look through all packages once: that takes as long as reading the rest."""
    return {entry.name: entry for entry in entry_points(group=group)}

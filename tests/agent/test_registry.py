"""Drivers by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from agent import registry
from agent.errors import ConfigError
from drivers.chargers.simulated import SimulatedCharger
from drivers.readers.pipe import PipeReader

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_our_own_drivers_are_found_like_others() -> None:
    """By the entry points of this installation."""
    assert {"pcsc", "pipe"} <= set(registry.driver_names(registry.READERS))
    assert "simulated" in registry.driver_names(registry.CHARGERS)
    assert {"file", "none"} <= set(registry.driver_names(registry.INDICATORS))
    assert registry.load_driver(registry.READERS, "pipe") is PipeReader
    assert registry.load_driver(registry.CHARGERS, "simulated") is SimulatedCharger


def test_a_driver_that_is_not_there_is_answered_with_those_that_are() -> None:
    """Kinds are not mixed up: a charger is no reader."""
    with pytest.raises(ConfigError, match=r"no such driver; installed are: .*pipe"):
        registry.load_driver(registry.READERS, "simulated")


@pytest.mark.parametrize(
    "target",
    [
        "no_such_module:Reader",
        "drivers.readers.pipe:NoSuchReader",
        "tests.fakes.broken_driver:Reader",
    ],
)
def test_a_driver_that_cannot_be_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Whatever a third party's module raises, it is one driver's trouble."""

    def installed(*, group: str, name: str = "broken") -> Sequence[EntryPoint]:
        return [EntryPoint(name, target, group)]

    monkeypatch.setattr(registry, "entry_points", installed)

    with pytest.raises(ConfigError, match="driver 'broken' cannot be loaded"):
        registry.load_driver(registry.READERS, "broken")

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
    from collections.abc import Iterator, Sequence


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


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Let no test see what another one has installed."""
    yield
    registry._installed.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    """Install a reader's driver, and nothing else."""

    def installed(*, group: str) -> Sequence[EntryPoint]:
        return [EntryPoint(name, target, group)]

    monkeypatch.setattr(registry, "entry_points", installed)


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
    install(monkeypatch, "broken", target)
    with pytest.raises(ConfigError, match="driver 'broken' cannot be loaded"):
        registry.load_driver(registry.READERS, "broken")


def test_a_driver_that_was_installed_since_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new configuration may name it without a new start of the agent."""
    with pytest.raises(ConfigError, match="no such driver"):
        registry.load_driver(registry.READERS, "late")
    install(monkeypatch, "late", "drivers.readers.pipe:PipeReader")
    assert registry.load_driver(registry.READERS, "late") is PipeReader

"""The daemon ends, in time and with energy off, whatever its parts do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent.domain.messages import EnableEnergy
from agent.ending import EXIT_DISORDERLY
from tests.fakes.cards import uid_of
from tests.fakes.wicked import (
    ENDS_WITHIN_S,
    Switch,
    Wicked,
    cancel_itself,
    hang,
    resist,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

UPSTREAM = "agent.upstreams.UpstreamPort"
READERS_MOMENT_S = 2.5
WAYS = pytest.mark.parametrize("way", [hang, resist])


@pytest.fixture
def wicked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wicked:
    """Give a daemon that is not yet running."""
    return Wicked(tmp_path, monkeypatch)


def terminate(wicked: Wicked) -> tuple[float, list[float | None]]:
    """End it with energy on; return how long that took, and when energy was off."""
    took: list[float] = []

    async def story() -> None:
        for charger in wicked.chargers:
            await charger.enable()
        began = asyncio.get_running_loop().time()
        took.append(await wicked.end())
        assert wicked.failure is None
        for charger in wicked.chargers:
            off_at = charger.off_at
            offs.append(None if off_at is None else off_at - began)

    offs: list[float | None] = []
    wicked.play(story)
    return took[0], offs


def all_within(offs: list[float | None], limit_s: float) -> bool:
    """Whether every charger was switched off by then."""
    return all(off is not None and off <= limit_s for off in offs)


def test_an_orderly_end_takes_no_time(wicked: Wicked) -> None:
    """Nothing is left behind, and the process ends by itself."""
    took, offs = terminate(wicked)
    assert took < 1
    assert all_within(offs, 0.1)
    assert wicked.exit_codes == []


@WAYS
def test_a_reader_that_does_not_close(
    wicked: Wicked, way: Callable[..., Awaitable[None]]
) -> None:
    """Energy is off soon all the same."""
    wicked.reader.closes = way
    took, offs = terminate(wicked)
    assert took < ENDS_WITHIN_S
    assert all_within(offs, READERS_MOMENT_S)
    assert wicked.exit_codes == [EXIT_DISORDERLY]


@WAYS
def test_a_charger_that_does_not_close(
    wicked: Wicked, way: Callable[..., Awaitable[None]]
) -> None:
    """The other one is off at once, and the stores are closed in time."""
    wicked.chargers[0].closes = way
    took, (_, other) = terminate(wicked)
    assert took < ENDS_WITHIN_S
    assert other == pytest.approx(0, abs=0.1)
    assert wicked.exit_codes == [EXIT_DISORDERLY]


def test_an_indicator_that_does_not_close(wicked: Wicked) -> None:
    """A lamp keeps no energy on."""
    wicked.indicator.closes = resist
    took, offs = terminate(wicked)
    assert took < ENDS_WITHIN_S
    assert all_within(offs, 0.1)


@pytest.mark.parametrize(
    "part",
    [
        f"{UPSTREAM}.run",
        f"{UPSTREAM}.close",
        "agent.reception.Reception.run",
        "agent.authorizer.Authorizer.run",
        "agent.store.journal_thread.JournalThread.close",
    ],
)
def test_what_has_no_say_in_energy_does_not_delay_it(
    wicked: Wicked, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Chargers are switched off first, and then it is waited for, for a while."""
    monkeypatch.setattr(part, resist)
    took, offs = terminate(wicked)
    assert took < ENDS_WITHIN_S
    assert all_within(offs, 0.1)
    assert wicked.exit_codes == [EXIT_DISORDERLY]


def test_everything_at_once(wicked: Wicked, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many parts hang, systemd need not kill us."""
    wicked.reader.closes = wicked.indicator.closes = resist
    wicked.chargers[0].closes = resist
    for part in (
        f"{UPSTREAM}.run",
        f"{UPSTREAM}.close",
        "agent.reception.Reception.run",
        "agent.authorizer.Authorizer.run",
        "agent.whitelist_keeper.WhitelistKeeper.run",
        "agent.timekeeper.Timekeeper.run",
        "agent.store.journal_thread.JournalThread.close",
    ):
        monkeypatch.setattr(part, resist)
    for wait in ("drain", "come_to_rest"):
        monkeypatch.setattr(f"agent.station_runner.StationRunner.{wait}", hang)

    async def story() -> None:
        assert await wicked.end() < ENDS_WITHIN_S

    wicked.play(story)
    assert wicked.chargers[1].off_at is not None
    assert wicked.exit_codes == [EXIT_DISORDERLY]


class Deaf(Switch):
    """Has a driver whose command cannot be called off."""

    async def enable(self, limit_amps: int | None = None) -> None:
        """Never return."""
        del limit_amps
        await resist()


def test_a_command_that_cannot_be_called_off(wicked: Wicked) -> None:
    """The process is ended for it, and its charger is switched off before."""
    wicked.chargers[0] = Deaf()

    async def story() -> None:
        wicked.daemon.parts.chargers["E1"].command(EnableEnergy("E1", "S1"))
        await asyncio.sleep(0.1)
        assert await wicked.end() < ENDS_WITHIN_S

    wicked.play(story)
    assert wicked.chargers[0].off_at is not None
    assert wicked.exit_codes == [EXIT_DISORDERLY]


def test_an_end_that_fails_does_not_change_the_exit(
    wicked: Wicked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that cannot be closed is logged, and all else is closed."""

    async def fail(_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(f"{UPSTREAM}.close", fail)
    terminate(wicked)
    assert wicked.exit_codes == []
    assert "upstream cpo: failed at the end" in caplog.text


@pytest.mark.parametrize(
    "part",
    [
        "timekeeper.Timekeeper",
        "ocpi.schedule.SyncSchedule",
        "report.delivery.DeliveryLoop",
    ],
)
def test_a_part_that_cancels_itself_has_broken(
    wicked: Wicked,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
) -> None:
    """The daemon does not run on without it: it ends, and is started anew."""
    monkeypatch.setattr(f"agent.{part}.run", cancel_itself)

    async def story() -> None:
        await wicked.until(wicked.task.done)
        assert wicked.failure is not None

    wicked.play(story)
    assert "has cancelled itself" in caplog.text
    assert all(charger.off_at is not None for charger in wicked.chargers)


def test_a_station_that_has_broken_is_not_waited_for(
    wicked: Wicked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Energy is off at once when nobody is left who decides."""

    async def story() -> None:
        monkeypatch.setattr("agent.station_runner.step", None)
        began = asyncio.get_running_loop().time()
        wicked.daemon.parts.readers["front"].inject(uid_of("A"))
        await wicked.until(wicked.task.done)
        assert asyncio.get_running_loop().time() - began < 1
        assert isinstance(wicked.failure, ExceptionGroup)

    wicked.play(story)
    assert all(charger.off_at is not None for charger in wicked.chargers)


def test_an_order_to_stop_does_not_wait_for_the_start(wicked: Wicked) -> None:
    """A charger that does not answer holds up neither; nobody says READY."""
    wicked.chargers[0].opens = hang

    async def story() -> None:
        await asyncio.sleep(1)
        assert await wicked.end() < 1
        assert wicked.failure is None

    wicked.play(story, ready=False)
    assert "READY=1" not in wicked.told
    assert wicked.chargers[1].off_at is not None
    assert wicked.exit_codes == []

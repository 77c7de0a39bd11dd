"""The disk is full under the running daemon: stops work, and nothing is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from agent.cli.client import RefusedError
from tests.torture.backend import token
from tests.torture.full_disk import (
    expect_end,
    fill_to_the_last,
    small_station,
    start_session,
    stop_by_tap,
    stop_by_unplugging,
)
from tests.torture.station import EVSE
from tests.torture.story import CARD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.torture.bench import Bench
    from tests.torture.disks import SmallDisk
    from tests.torture.station import Station

pytestmark = pytest.mark.stack

#: Space in which a list of so many cards does not fit.
SPARE_BYTES: Final = 400 * 1024
MANY: Final = 20_000


def test_a_start_that_cannot_be_written_is_refused(
    small: tuple[Station, SmallDisk],
) -> None:
    """The driver hears why and no energy flows; with space he charges."""
    station, disk = small
    disk.fill()
    refused = station.tap(CARD)
    assert (refused["outcome"], refused["reason"]) == ("refused", "storage_failed")
    assert station.chargers[EVSE].flows() == []
    assert station.backend.puts == []
    disk.free()
    start_session(station)
    station.meter(100)
    stop_by_tap(station)
    expect_end(station, energy_wh=100)


def test_a_grant_that_cannot_be_written_is_taken_back_at_the_plug_in(
    bench: Bench,
) -> None:
    """A card that was accepted starts nothing once the disk is full."""
    with small_station(bench) as (station, disk):
        station.start()
        assert station.tap(CARD)["outcome"] == "granted"
        disk.fill()
        station.plug()
        station.daemon.expect("grant_id=", "outcome=withdrawn", "storage_failed")
        assert station.chargers[EVSE].flows() == []
        disk.free()
        start_session(station)
        stop_by_unplugging(station)
        expect_end(station, energy_wh=0)


@pytest.mark.parametrize("stop", [stop_by_tap, stop_by_unplugging])
@pytest.mark.parametrize("reading_wh", [0, 500], ids=["no reading", "a reading"])
def test_full_during_a_session_its_end_is_told_from_the_space_kept_for_that(
    small: tuple[Station, SmallDisk], stop: Callable[[Station], None], reading_wh: int
) -> None:
    """Nobody starts on a full disk, and whoever has started is done without delay."""
    station, disk = small
    start_session(station)
    disk.fill()
    if reading_wh:
        station.meter(reading_wh)
    assert station.chargers[EVSE].is_on()
    stop(station)
    assert not station.chargers[EVSE].is_on()
    station.wait_until_told()
    assert station.backend.puts[-1].status == "COMPLETED"
    if not station.chargers[EVSE].is_plugged:
        station.plug()
    refused = station.tap(CARD)
    assert (refused["outcome"], refused["reason"]) == ("refused", "storage_failed")
    disk.free()
    expect_end(station, energy_wh=reading_wh)


@pytest.mark.parametrize("stop", [stop_by_tap, stop_by_unplugging])
def test_full_to_the_last_byte_a_session_is_stopped_and_told_with_space(
    small: tuple[Station, SmallDisk], stop: Callable[[Station], None]
) -> None:
    """Readings and the end wait in memory, and are told once, by themselves."""
    station, disk = small
    start_session(station)
    fill_to_the_last(station, disk)
    station.meter(500)
    assert station.chargers[EVSE].is_on()
    stop(station)
    assert not station.chargers[EVSE].is_on()
    assert [put.status for put in station.backend.puts] == ["ACTIVE"]
    disk.free()
    expect_end(station, energy_wh=500)


def test_a_daemon_on_a_full_disk_can_be_stopped_in_order(
    small: tuple[Station, SmallDisk],
) -> None:
    """It ends as it should, and its successor goes on with the session."""
    station, disk = small
    start_session(station)
    disk.fill()
    station.meter(150)
    station.terminate()
    disk.free()
    station.start()
    stop_by_tap(station)
    expect_end(station, energy_wh=150)


def test_full_before_the_delivery_it_is_told_and_noted_with_space(
    small: tuple[Station, SmallDisk],
) -> None:
    """A report that was taken and cannot be noted is told again, the same."""
    station, disk = small
    station.backend.is_away = True
    assert station.tap(CARD)["outcome"] == "started"
    station.meter(200)
    stop_by_tap(station)
    disk.fill()
    station.backend.is_away = False
    station.ask("retry")
    station.daemon.expect("after deliver ACTIVE")
    station.daemon.expect("journal.db: database or disk is full")
    assert station.ask("status")["outbox"] == {"waiting": 2, "refused": 0}
    disk.free()
    expect_end(station, energy_wh=200)


def test_a_list_that_does_not_fit_leaves_the_old_one_in_force(
    small: tuple[Station, SmallDisk],
) -> None:
    """Cards stay known and a session can be stopped; with space the list comes."""
    station, disk = small
    station.daemon.expect("synchronisation from cpo: up")
    start_session(station)
    disk.fill(spare_bytes=SPARE_BYTES)
    many = [
        token(f"04{number:012X}", last_updated="2026-05-02T03:04:05Z")
        for number in range(MANY)
    ]
    with listing(station, *station.backend.tokens, *many):
        with pytest.raises(RefusedError, match="full"):
            station.ask("sync", full=True)
        disk.fill()
        stop_by_tap(station)
        refused = station.tap(CARD)
        assert (refused["outcome"], refused["reason"]) == ("refused", "storage_failed")
        disk.free()
        station.ask("sync", full=True)
        station.wait_for_whitelist()
    expect_end(station, energy_wh=0)


@contextmanager
def listing(station: Station, *tokens: dict[str, object]) -> Iterator[None]:
    """Let the backend list these cards for a while."""
    before, station.backend.tokens = station.backend.tokens, list(tokens)
    try:
        yield
    finally:
        station.backend.tokens = before

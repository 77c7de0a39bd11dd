"""The daemon ends and starts on a disk that is full, read-only or failing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture.bench import fast_directory
from tests.torture.checks import check_dead
from tests.torture.daemons import DiedError
from tests.torture.disks import FailingDisk
from tests.torture.full_disk import (
    expect_end,
    fill_to_the_last,
    small_station,
    start_session,
    stop_by_tap,
)
from tests.torture.station import EVSE
from tests.torture.story import CARD

if TYPE_CHECKING:
    from tests.torture.bench import Bench
    from tests.torture.disks import SmallDisk
    from tests.torture.station import Station

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_full_at_the_start_an_open_session_goes_on_and_can_be_stopped(
    small: tuple[Station, SmallDisk], end: str
) -> None:
    """However the daemon has ended, its successor can stop a session."""
    station, disk = small
    start_session(station)
    station.meter(300)
    getattr(station, end)()
    disk.fill()
    station.start()
    assert station.session_of() is not None
    assert station.chargers[EVSE].is_on()
    stop_by_tap(station)
    assert not station.chargers[EVSE].is_on()
    disk.free()
    expect_end(station, energy_wh=300)


def test_a_new_station_on_a_full_disk_says_why_and_starts_with_space(
    bench: Bench,
) -> None:
    """The first start fails with a reason in plain words, and leaves nothing half."""
    with small_station(bench, is_fresh=True) as (station, disk):
        disk.fill()
        station.launch()
        with pytest.raises(DiedError):
            station.daemon.wait_for_end()
        assert station.daemon.status == 1
        assert "Traceback" not in station.log()
        disk.free()
        station.start()
        station.wait_for_whitelist()
        station.plug()
        start_session(station)
        stop_by_tap(station)
        expect_end(station, energy_wh=0)


@pytest.mark.parametrize("still_full", [False, True], ids=["space", "still full"])
@pytest.mark.parametrize("leaves", [False, True], ids=["car there", "car gone"])
def test_an_end_that_was_not_written_comes_after_the_restart(
    small: tuple[Station, SmallDisk], *, leaves: bool, still_full: bool
) -> None:
    """Killed between a stop and space for it, the session ends, told once.

    Without its car at the restart; else it goes on, as after any power cut, and its
    driver stops it once more.
    """
    station, disk = small
    start_session(station)
    fill_to_the_last(station, disk)
    station.meter(500)
    stop_by_tap(station)
    station.kill()
    check_dead(station)
    if leaves:
        station.chargers[EVSE].leave()
    if not still_full:
        disk.free()
    station.start()
    assert (station.session_of() is None) == leaves
    if not leaves:
        stop_by_tap(station)
    assert not station.chargers[EVSE].is_on()
    disk.free()
    expect_end(station, energy_wh=None if leaves else 500)


def test_a_read_only_disk_at_the_start_is_named_and_loses_nothing(
    small: tuple[Station, SmallDisk],
) -> None:
    """The daemon says in plain words that it cannot work there; later it goes on."""
    station, disk = small
    start_session(station)
    station.meter(300)
    station.kill()
    disk.forbid_writing()
    station.launch()
    with pytest.raises(DiedError):
        station.daemon.wait_for_end()
    assert "Read-only file system" in station.daemon.log()
    assert "Traceback" not in station.daemon.log()
    disk.allow_writing()
    station.start()
    stop_by_tap(station)
    expect_end(station, energy_wh=300)


def test_a_disk_that_fails_under_the_daemon_still_lets_drivers_stop(
    bench: Bench,
) -> None:
    """On a file system that has turned read-only nobody starts and everybody stops.

    After a reboot the session ends with what was durable of it.
    """
    with (
        fast_directory() as directory,
        fast_directory() as state,
        FailingDisk(state, directory / "image") as disk,
        bench.station(state=state) as station,
    ):
        disk.keep()
        station.start()
        station.plug()
        start_session(station)
        station.daemon.skip()
        station.meter(400)
        station.daemon.expect("after COMMIT", "(reading)")
        disk.fail()
        station.meter(700)
        stop_by_tap(station)
        assert not station.chargers[EVSE].is_on()
        refused = station.tap(CARD)
        assert (refused["outcome"], refused["reason"]) == ("refused", "storage_failed")
        station.unplug()
        station.kill()
        disk.repair()
        station.start()
        expect_end(station)
        (told,) = station.backend.sessions().values()
        assert told[-1].energy_wh >= 400

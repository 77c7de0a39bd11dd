"""A station on a disk that can be filled, and what people do there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.torture.bench import fast_directory
from tests.torture.checks import check_told
from tests.torture.disks import SmallDisk
from tests.torture.station import EVSE
from tests.torture.story import CARD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.torture.bench import Bench
    from tests.torture.station import Station

DISK_BYTES: Final = 8 * 1024 * 1024


@contextmanager
def small_station(
    bench: Bench, *, is_fresh: bool = False
) -> Iterator[tuple[Station, SmallDisk]]:
    """Set up a station whose state lies on a disk of its own."""
    with (
        fast_directory() as state,
        SmallDisk(state, DISK_BYTES) as disk,
        bench.station(state=state, is_fresh=is_fresh) as station,
    ):
        station.record_again_s = 0.1
        yield station, disk


def start_session(station: Station) -> None:
    """Tap, and wait until the start has been told."""
    assert station.tap(CARD)["outcome"] == "started"
    station.wait_until_told()


def fill_to_the_last(station: Station, disk: SmallDisk) -> None:
    """Fill the disk, and what was kept free for stops as soon as it is given up.

    A session is running: a reading of it is the last that can be written.
    """
    disk.fill()
    station.daemon.skip()
    station.meter(station.chargers[EVSE].register_wh + 1)
    station.daemon.expect("given up for stops")
    station.daemon.expect("after COMMIT", "(reading)")
    disk.fill()


def stop_by_tap(station: Station) -> None:
    """Tap; the driver is told that it has stopped."""
    assert station.tap(CARD)["outcome"] == "stopped"


def stop_by_unplugging(station: Station) -> None:
    """Let the car leave."""
    station.unplug()
    station.daemon.expect("session.stopped")


def expect_end(station: Station, energy_wh: int | None = None) -> None:
    """Wait until one session's end has been told by itself, and compare everything."""
    backend = station.backend
    station.until(
        lambda: any(put.status == "COMPLETED" for put in backend.puts), "the end"
    )
    station.wait_until_told()
    station.terminate()
    (told,) = backend.sessions().values()
    if energy_wh is None:
        check_told(station, durable={})
    else:
        check_told(station)
        assert told[-1].energy_wh == energy_wh

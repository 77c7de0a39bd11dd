"""Kill at every point of a story, one run each, and see that the story ends well."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.torture.checks import check_dead, check_told
from tests.torture.daemons import DiedError
from tests.torture.station import EVSE
from tests.torture.story import Driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.torture.bench import Bench
    from tests.torture.orders import Passage
    from tests.torture.station import Station
    from tests.torture.story import Story


_STOPPED: Final = "after COMMIT in journal.db (stop)"


class Told(NamedTuple):
    """What a daemon passed: by itself after its start, and when people came.

    What it does by itself is one thing after the other, so of two points with nothing
    between them only the first is there.
    """

    start: list[Passage]
    rest: list[Passage]


def list_passages(
    bench: Bench, story: Story, *before: Passage, leaves: bool = False
) -> Told:
    """Tell a story twice; return what its last daemon passes in both, in order.

    The daemons before that one are killed in the passages `before`, one each; the car
    that is there at the first kill `leaves` before the next start.
    """
    first, second = (_tell(bench, story, before, leaves=leaves) for _ in range(2))
    again = {*second.start, *second.rest}
    return Told(*([one for one in part if one in again] for part in first))


def kill_in(
    bench: Bench, story: Story, *passages: Passage, leaves: bool = False
) -> None:
    """Tell a story whose daemons are killed in these passages, one each, to its end."""
    _tell(bench, story, passages, leaves=leaves)


def _tell(
    bench: Bench, story: Story, passages: Sequence[Passage], *, leaves: bool
) -> Told:
    """Return what the last daemon has passed, which nobody kills."""
    with bench.station(is_fresh=story.is_fresh) as station:
        station.update_every = story.update_every
        station.backend.is_away = story.told_late
        for passage in passages:
            with suppress(DiedError):
                _run(station, story, passage)
            assert station.daemon.died_in == passage, station.log()
            check_dead(station)
            if leaves and len(station.runs) == 1:
                station.chargers[EVSE].leave()
            station.backend.is_away |= story.lists_anew
        told = _run(station, story)
        check_told(station)
        return told


def _run(station: Station, story: Story, kill_at: Passage | None = None) -> Told:
    """Start a daemon, and do with it what is left to do of the story."""
    driver = Driver(station, story)
    station.start(kill_at)
    station.daemon.expect("synchronisation from cpo:")
    if story.lists_anew and not station.backend.is_away:
        station.ask("sync", full=True)
    station.wait_for_whitelist()
    if any(_STOPPED in run.log() for run in station.runs[:-1]):
        # That was decided, and needs nobody to decide it again.
        station.until(lambda: station.session_of() is None, "the end of the session")
    driver.wait_until_told()
    station.daemon.skip()
    by_itself = len(station.daemon.passages())
    driver.charge()
    station.terminate()
    passed = station.daemon.passages()
    return Told(list(_leave_out_twins(passed[:by_itself])), passed[by_itself:])


def _leave_out_twins(passages: Sequence[Passage]) -> Iterator[Passage]:
    """Leave out each point before something that follows a point after something."""
    follows = False
    for passage in passages:
        if not (follows and passage.point.startswith("before ")):
            yield passage
        follows = passage.point.startswith("after ")

"""A crowd of drivers at a station that is killed again and again."""

from __future__ import annotations

import os
import random
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeVar

from tests.torture.backend import token
from tests.torture.checks import check_dead, check_told
from tests.torture.daemons import DiedError
from tests.torture.station import facts_of, open_pipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.torture.bench import Bench
    from tests.torture.disks import SmallDisk
    from tests.torture.station import Station

T = TypeVar("T")

#: A card of every kind: two of one group, one that is verified behind, one asked about.
TOKENS: Final = (
    token("04C1A5E7D21B80"),
    token("04D39B12F6C481"),
    token("04E86F3AC57D82", group_id="FLEET"),
    token("04A7B3C96E1584", group_id="FLEET"),
    token("049D84E20F7A85", "ALLOWED"),
    token("04F4520DB9EE83", "NEVER"),
)
CARDS: Final = tuple(str(one["uid"]) for one in TOKENS)
#: Two readers, and one EVSE that both serve.
READERS: Final = {"left": ("e1", "e2"), "right": ("e2", "e3")}
#: A Wh per millisecond: the register moves between any two moments.
WATTS: Final = 3_600_000

_GESTURES: Final = {"tap": 6, "plug": 5, "unplug": 2, "draw": 4}
_TROUBLE: Final = {"fill": 1, "free": 1}
_AWAY: Final = 0.2
_LEAVES: Final = 0.15
_START_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.01
_MOST_GESTURES: Final = 20


class Death(Enum):
    """How a run of the daemon ends."""

    WHILE_STARTING = auto()
    WHILE_BUSY = auto()
    IN_ORDER = auto()


_DEATHS: Final = {Death.WHILE_STARTING: 3, Death.WHILE_BUSY: 7, Death.IN_ORDER: 1}


class Crowd:
    """Everybody and everything at one station; what they do depends on the seed.

    A `disk`, if the state has one of its own, is full now and then.
    """

    def __init__(
        self, station: Station, seed: int, disk: SmallDisk | None = None
    ) -> None:
        self._station = station
        self._disk = disk
        self._gestures = _GESTURES | (_TROUBLE if disk else {})
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._durable_wh: dict[str, int] = {}

    def live_through(self, deaths: int) -> None:
        """Go on charging through so many ends of the daemon."""
        for _ in range(deaths):
            self._begin_anew()
            self._station.launch()
            self._live(self._choose(_DEATHS))
            self._durable_wh |= check_dead(self._station)
            self._cars_leave()

    def settle(self) -> None:
        """Let everybody leave; then the books, the world and the backend agree."""
        station = self._station
        self._begin_anew()
        station.backend.is_away = False
        station.start()
        for evse, charger in station.chargers.items():
            if charger.is_plugged:
                station.unplug(evse)
        station.until(self._is_over, "the end of every session")
        station.ask("sync")  # The backend is there again, so that nothing rests.
        station.wait_until_told()
        station.terminate()
        started = {
            facts_of(line)["session_id"]
            for run in station.runs
            for line in run.lines
            if "session.started" in line
        }
        assert started <= station.backend.sessions().keys(), "a session was lost"
        check_told(station, self._durable_wh)

    # ---- a life ---------------------------------------------------------------------

    def _live(self, death: Death) -> None:
        daemon = self._station.daemon
        try:
            if death is Death.WHILE_STARTING:
                self._linger(_START_S)
            else:
                daemon.expect("ready:")
                for _ in range(self._random.randint(1, _MOST_GESTURES)):
                    self._gesture()
                    self._linger(_LONGEST_PAUSE_S)
        except DiedError as err:
            raise AssertionError(f"it died by itself: {daemon.log()}") from err
        if death is Death.IN_ORDER:
            self._station.terminate()
        else:
            daemon.kill()

    def _linger(self, longest_s: float) -> None:
        """Let some time pass, and hear what is said meanwhile."""
        ends_at = time.monotonic() + self._random.uniform(0, longest_s)
        while (left_s := ends_at - time.monotonic()) > 0:
            self._station.daemon.listen(left_s)

    def _gesture(self) -> None:
        """Do something at random, whether it makes sense or not."""
        station = self._station
        evse = self._random.choice(list(station.chargers))
        match self._choose(self._gestures):
            case "fill" if self._disk:
                self._disk.fill()
            case "free" if self._disk:
                self._disk.free()
            case "tap":
                cards = station.cards(self._random.choice(list(READERS)))
                self._write(cards, self._random.choice(CARDS))
            case "draw":
                line = f"draw {self._random.choice((0, WATTS))}"
                self._write(station.control(evse), line)
            case line:
                self._write(station.control(evse), line)

    def _write(self, pipe: Path, line: str) -> None:
        """Write a line if somebody reads; what nobody reads has not happened."""
        descriptor = open_pipe(pipe)
        if descriptor is not None:
            os.write(descriptor, f"{line}\n".encode())
            os.close(descriptor)

    # ---- what happens besides -------------------------------------------------------

    def _begin_anew(self) -> None:
        """Let the backend come and go, and space come back."""
        self._station.backend.is_away = self._random.random() < _AWAY
        if self._disk:
            self._disk.free()

    def _cars_leave(self) -> None:
        """Let a car leave now and then while no daemon looks."""
        for charger in self._station.chargers.values():
            if charger.is_plugged and self._random.random() < _LEAVES:
                charger.leave()

    def _is_over(self) -> bool:
        evses = self._station.ask("status")["evses"]
        return not any(row["session_id"] for row in evses)

    def _choose(self, weights: Mapping[T, int]) -> T:
        (chosen,) = self._random.choices(list(weights), list(weights.values()))
        return chosen


def torture(
    bench: Bench, seed: int, deaths: int, disk: SmallDisk | None = None
) -> None:
    """Let a crowd live through deaths of the daemon, and see what became of it."""
    state = None
    if disk:
        disk.free()  # The run before may have failed.
        state = disk.path / f"state-{seed}"
    with bench.station(readers=READERS, state=state) as station:
        station.update_every = "20ms"
        station.meter_every = "5ms"
        station.record_again_s = 0.02
        crowd = Crowd(station, seed, disk)
        crowd.live_through(deaths)
        crowd.settle()

"""One driver and one charge: what he does, whatever has happened before."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from tests.torture.backend import token
from tests.torture.station import ALWAYS, EVSE, NEVER

if TYPE_CHECKING:
    from tests.torture.station import Station

CARD: Final = "04C1A5E7D21B80"
TOKENS: Final = (token(CARD),)
#: What the register shows in the course of the charge.
READINGS_WH: Final = (400, 900)


class By(Enum):
    """What a driver can do first, or last."""

    PLUG = "plug"
    TAP = "tap"


class Story(Struct, frozen=True, kw_only=True):
    """How a charge goes when nothing goes wrong.

    `is_fresh`: the station has never run before. `lists_anew`: before anything else the
    whole list is fetched once more, and whoever comes after a kill finds no backend.
    `told_late`: the backend is away until the car has charged. `update_every` decides
    whether a reading is only kept, or reported as well; a `reload` changes that half
    way. `parts` of it are worth a kill: the rest is the same in another story.
    """

    name: str
    first: By = By.PLUG
    last: By = By.TAP
    update_every: str = NEVER
    is_fresh: bool = False
    lists_anew: bool = False
    told_late: bool = False
    reload: bool = False
    parts: tuple[Literal["start", "rest"], ...] = ("rest",)


STORIES: Final = (
    Story(name="plug, tap, tap", parts=("start", "rest")),
    Story(name="tap, plug, tap", first=By.TAP, update_every=ALWAYS),
    Story(name="plug, tap, unplug", last=By.PLUG, update_every=ALWAYS),
    Story(name="told late", told_late=True, update_every=ALWAYS),
    Story(name="reload", reload=True),
    Story(name="first start", is_fresh=True, parts=("start",)),
    Story(name="new list", lists_anew=True, parts=("start",)),
)


class Driver:
    """Charges once at a running station; looks at it as a person would.

    Every step waits until all that follows from it has happened, so that two runs of a
    story pass the same points.
    """

    def __init__(self, station: Station, story: Story) -> None:
        self._station = station
        self._story = story
        self._charger = station.chargers[EVSE]

    def charge(self) -> None:
        """Do what is left to do of the story, from however things stand now."""
        station = self._station
        is_charging = station.session_of() is not None
        if not is_charging and not self._charger.register_wh:
            self._begin()
            is_charging = True
        if is_charging:
            self._use_energy()
            self._end()
        if self._charger.is_plugged:
            station.unplug()
        self.wait_until_told()

    def _begin(self) -> None:
        """Plug in and tap; return when the session has been started and told."""
        station = self._station
        if self._story.first is By.TAP and not self._charger.is_plugged:
            assert station.tap(CARD)["outcome"] == "granted"
            station.plug()
            station.daemon.expect("session.started")
        else:
            if not self._charger.is_plugged:
                station.plug()
            assert station.tap(CARD)["outcome"] == "started"
        self.wait_until_told()

    def _use_energy(self) -> None:
        """Draw, with two readings on the way, and pause."""
        station = self._station
        station.draw(1)
        for reading_wh in READINGS_WH:
            if self._charger.register_wh < reading_wh:
                station.daemon.skip()
                station.meter(reading_wh)
                station.daemon.expect("after COMMIT in journal.db", self._kept_as)
                if self._is_told_at_once:
                    self.wait_until_told()
            if self._story.reload and station.update_every == NEVER:
                station.update_every = ALWAYS
                station.reload()
        station.draw(0)
        if station.backend.is_away:
            station.backend.is_away = False
            station.ask("sync")

    @property
    def _is_told_at_once(self) -> bool:
        return self._station.update_every == ALWAYS

    @property
    def _kept_as(self) -> str:
        return "(update)" if self._is_told_at_once else "(reading)"

    def _end(self) -> None:
        station = self._station
        if self._story.last is By.TAP:
            assert station.tap(CARD)["outcome"] == "stopped"
        else:
            station.unplug()
            station.daemon.expect("session.stopped")
        self.wait_until_told()

    def wait_until_told(self) -> None:
        """Wait until the backend knows, or has been seen to be away."""
        station = self._station
        if not station.backend.is_away:
            station.wait_until_told()
        elif station.ask("status")["outbox"]["waiting"]:
            station.until(
                lambda: "reporting to cpo" in station.daemon.log(), "a failed report"
            )

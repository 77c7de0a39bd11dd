"""One step in the making: the rule modules write to a Turn, and `step` closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agent.domain.messages import Context, Effect, Event
from agent.domain.station import Claim, Evse, Station

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from agent.domain.outcomes import EventKind
    from agent.domain.settings import Settings


class Turn:
    """Mutable state, effects in order, and the world."""

    def __init__(self, station: Station, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.now = context.now
        self.new_id = context.new_id
        self.storage_ok = context.storage_ok
        self.effects: list[Effect] = []
        self.evses = dict(station.evses)
        self.checks = dict(station.checks)
        self.grants = list(station.grants)
        self.fields = dict(station.fields)
        self.locks = {
            key: until
            for key, until in station.locks.items()
            if until > self.now.monotonic
        }
        self.refusals = dict(station.refusals)
        self.shut = dict(station.shut)
        self.flashes = dict(station.flashes)
        self.shown = dict(station.shown)
        self.signals_change_at: timedelta | None = None

    def station(self) -> Station:
        """Close the turn."""
        return Station(
            evses=self.evses,
            checks=self.checks,
            grants=tuple(self.grants),
            fields=self.fields,
            locks=self.locks,
            refusals=self.refusals,
            shut=self.shut,
            flashes=self.flashes,
            shown=self.shown,
            signals_change_at=self.signals_change_at,
        )

    def change(self, evse_uid: str, **fields: Any) -> Evse:  # noqa: ANN401 - fields of Evse
        """Replace fields of one EVSE and return its new state."""
        self.evses[evse_uid] = replace(self.evses[evse_uid], **fields)
        return self.evses[evse_uid]

    def do(self, *effects: Effect) -> None:
        """Add effects, to be performed in this order."""
        self.effects.extend(effects)

    def emit(self, kind: EventKind, claim: Claim | None = None, **fields: Any) -> None:  # noqa: ANN401 - fields of Event
        """Add an event; a claim gives its reader, card and time of tap."""
        if claim is not None:
            fields.setdefault("reader", claim.reader)
            fields |= {"uid": claim.uid, "tapped_at": claim.tapped_at}
        if fields.get("outcome") is not None:
            fields.setdefault("decided_at", self.now)
        self.do(Event(kind=kind, at=self.now, **fields))

    def lock(self, claim: Claim) -> None:
        """Ignore this card at this reader for a while: its tap has had an effect."""
        until = self.now.monotonic + self.settings.stop_lockout
        self.locks[claim.reader, claim.uid] = until

    def is_locked(self, claim: Claim) -> bool:
        """Whether this card has had an effect at this reader just now."""
        until = self.locks.get((claim.reader, claim.uid))
        return until is not None and until > self.now.monotonic

    def evses_of(self, reader: str) -> Iterator[Evse]:
        """The reader's EVSEs in their configured order."""
        return (self.evses[uid] for uid in self.settings.readers[reader])

    def available_to(self, reader: str) -> list[Evse]:
        """The reader's EVSEs that could take a session."""
        bound = {
            grant.evse_uids[0] for grant in self.grants if len(grant.evse_uids) == 1
        }
        return [
            evse
            for evse in self.evses_of(reader)
            if evse.reachable
            and evse.session is None
            and (evse.fault is None or self.settings.ignore_faults)
            and (self.settings.tap_before_plug or self.attracts(evse, reader))
            and evse.uid not in bound
        ]

    def attracts(self, evse: Evse, reader: str) -> bool:
        """Whether the vehicle that waits there takes the next card of this reader."""
        waits = evse.plugged_at is not None and evse.fault is None
        return waits and not self.is_stale(evse, reader)

    def is_stale(self, evse: Evse, reader: str) -> bool:
        """Whether a vehicle was plugged in there too long ago to be meant."""
        until = self.attracts_until(evse, reader)
        return until is not None and until <= self.now.monotonic

    def attracts_until(self, evse: Evse, reader: str) -> timedelta | None:
        """When (monotonic) its plug-in is too old for this reader, None for never."""
        limit = self.settings.plug_in_limit(reader)
        if evse.plugged_at is None or limit is None:
            return None
        return evse.plugged_at + limit

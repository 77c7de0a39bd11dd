"""The station's state, and one step of it in the making.

`Station` is a value. A `Turn` is the scratch pad of one step: the rule modules
(`taps`, `charging`) write to it, and `step` turns it back into a value.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from agent.domain.instant import Instant  # noqa: TC001 - msgspec reads them
from agent.domain.messages import Context, Effect, Event, Show
from agent.domain.outcomes import EventKind, Outcome, Signal
from agent.domain.policy import Allow, Modes, Refuse
from agent.domain.sessions import Session  # noqa: TC001
from agent.domain.tokens import Token  # noqa: TC001
from agent.domain.uid import Uid  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Select(StrEnum):
    """Which plugged-in EVSE a card takes when its reader serves several."""

    PLUGGED_FIRST = "plugged-first"
    LAST_PLUGGED = "last-plugged"
    FIXED = "fixed"


class Owner(Struct, frozen=True):
    """The party that an unknown card is booked on when policy lets it charge."""

    upstream: str
    country_code: str
    party_id: str


class Settings(Struct, frozen=True, kw_only=True):
    """The rules' parameters; `readers` lists each reader's EVSEs in order.

    `owners` are the parties behind the upstreams, where they are known, and
    `unknown_owner` the one that cards in no list are booked on.
    """

    readers: dict[str, tuple[str, ...]]
    modes: Modes = Modes()
    deadline: timedelta = timedelta(seconds=2)
    connection_timeout: timedelta = timedelta(seconds=60)
    tap_to_stop: bool = True
    stop_lockout: timedelta = timedelta(seconds=5)
    select: Select = Select.PLUGGED_FIRST
    meter_every: timedelta = timedelta(seconds=60)
    report_every: timedelta = timedelta(minutes=5)
    owners: dict[str, Owner] = {}
    unknown_owner: Owner | None = None

    def owner_of(self, allow: Allow) -> Owner | None:
        """On whom a card without a token is booked: who allowed it, or by policy."""
        if allow.upstream is None:
            return self.unknown_owner
        return self.owners.get(allow.upstream)


class Claim(Struct, frozen=True, kw_only=True):
    """A tap that still waits for its outcome."""

    tap_id: str
    reader: str
    uid: Uid
    tapped_at: Instant


class Check(Struct, frozen=True, kw_only=True):
    """A card that waits for its backend's answer until `deadline` (monotonic).

    `evse_uids` are those that were asked about; the answer is good for no others.
    """

    claim: Claim
    token: Token | None
    evse_uids: tuple[str, ...]
    deadline: timedelta


class Grant(Struct, frozen=True, kw_only=True):
    """A permission not yet used, until `expires` (monotonic).

    Bound when it names one EVSE; else it floats and the first plug-in takes it.
    """

    claim: Claim
    allow: Allow
    evse_uids: tuple[str, ...]
    expires: timedelta


class Pending(Struct, frozen=True, kw_only=True):
    """The outcome that is told once the charger has confirmed.

    `from_grant`: the tap itself has been answered already, its grant has not. `info`
    is the eMSP's text for the driver.
    """

    claim: Claim
    from_grant: bool = False
    info: str | None = None


class Evse(Struct, frozen=True, kw_only=True):
    """One EVSE as far as it is known.

    `reachable` is False until its charger was found. `plugged_at` is monotonic, and
    so are `recorded_at` and `reported_at`: when the session's reading last became
    durable, and when it was last reported. `served` says that the vehicle plugged in
    has had a session already.
    """

    uid: str
    reachable: bool = False
    plugged_at: timedelta | None = None
    served: bool = False
    fault: str | None = None
    wh: int | None = None
    session: Session | None = None
    pending: Pending | None = None
    recorded_at: timedelta = timedelta()
    reported_at: timedelta = timedelta()


class Station(Struct, frozen=True, kw_only=True):
    """Everything the rules remember between two steps.

    `fields` holds the card in each reader's (name, slot) field; `locks` says until
    when (monotonic) a reader ignores a card that just caused a grant or a start.
    """

    evses: dict[str, Evse]
    checks: dict[str, Check] = {}
    grants: tuple[Grant, ...] = ()
    fields: dict[tuple[str, str], Uid] = {}
    locks: dict[tuple[str, Uid], timedelta] = {}


def restore(evse_uids: Iterable[str], open_sessions: Iterable[Session]) -> Station:
    """Make the station as it is before any charger was heard."""
    sessions: dict[str, Session] = {}
    for session in open_sessions:
        sessions.setdefault(session.evse_uid, session)
    return Station(
        evses={uid: Evse(uid=uid, session=sessions.get(uid)) for uid in evse_uids}
    )


def unreachable(station: Station) -> Station:
    """The same station before its chargers are heard again."""
    return replace(
        station,
        evses={
            uid: replace(evse, reachable=False) for uid, evse in station.evses.items()
        },
    )


def next_deadline(station: Station) -> timedelta | None:
    """When (monotonic) the machine next wants a Tick, None if only events matter."""
    return min(
        (
            *(check.deadline for check in station.checks.values()),
            *(grant.expires for grant in station.grants),
        ),
        default=None,
    )


class Turn:
    """One step in the making: mutable state, effects in order, and the world."""

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

    def station(self) -> Station:
        """Close the turn."""
        return Station(
            evses=self.evses,
            checks=self.checks,
            grants=tuple(self.grants),
            fields=self.fields,
            locks=self.locks,
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
        self.do(Event(kind=kind, at=self.now, **fields))

    def refuse(
        self, claim: Claim, refusal: Refuse, *, grant_id: str | None = None
    ) -> None:
        """Tell the driver no, and why; with `grant_id` it ends that grant, no tap."""
        self.emit(
            EventKind.TOKEN_REJECTED,
            claim,
            tap_id=None if grant_id else claim.tap_id,
            grant_id=grant_id,
            outcome=Outcome.REFUSED,
            reason=refusal.reason,
            decided_by=refusal.decided_by,
            info=refusal.info,
        )
        self.show(claim.reader, Signal.REFUSED)

    def show(self, reader: str, signal: Signal) -> None:
        """Show a signal at one reader."""
        self.do(Show(reader, signal))

    def show_state(self, evse_uid: str) -> None:
        """Show how an EVSE is at every reader that serves it alone."""
        for reader, evse_uids in self.settings.readers.items():
            if evse_uids == (evse_uid,):
                self.show(reader, _signal_of(self.evses[evse_uid]))

    def show_rest(self, reader: str) -> None:
        """Show what a reader shows while nothing happens at it."""
        evses = list(self.evses_of(reader))
        alone = len(evses) == 1
        self.show(reader, _signal_of(evses[0]) if alone else Signal.READY)

    def evses_of(self, reader: str) -> Iterator[Evse]:
        """The reader's EVSEs in their configured order."""
        return (self.evses[uid] for uid in self.settings.readers[reader])

    def available_to(self, reader: str) -> list[Evse]:
        """The reader's EVSEs that could take a session now."""
        bound = {
            grant.evse_uids[0] for grant in self.grants if len(grant.evse_uids) == 1
        }
        return [
            evse
            for evse in self.evses_of(reader)
            if evse.reachable
            and evse.session is None
            and evse.fault is None
            and evse.uid not in bound
        ]


def _signal_of(evse: Evse) -> Signal:
    if evse.fault is not None or not evse.reachable:
        return Signal.ERROR
    if evse.session is not None:
        return Signal.CHARGING
    return Signal.READY if evse.plugged_at is None else Signal.LOCKED

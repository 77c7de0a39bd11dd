"""The station's state, as a value."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from agent.domain.instant import Instant  # noqa: TC001 - msgspec reads it
from agent.domain.outcomes import Signal  # noqa: TC001 - msgspec reads it
from agent.domain.policy import Allow  # noqa: TC001 - msgspec reads it
from agent.domain.sessions import Session, SessionStatus
from agent.domain.tokens import Token  # noqa: TC001 - msgspec reads it
from agent.domain.uid import Uid  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.domain.settings import Settings


class Claim(Struct, frozen=True, kw_only=True):
    """A tap that still waits for its outcome."""

    tap_id: str
    reader: str
    uid: Uid
    tapped_at: Instant


class Check(Struct, frozen=True, kw_only=True):
    """A card that waits for its backend's answer until `deadline` (monotonic).

    `evse_uids` are those that were asked about; the answer is good for no others. At
    `attracted` of them a vehicle was waiting. `fresh` is the row's. The driver is
    shown that it takes time from `patience` (monotonic) on, None once that is done.
    """

    claim: Claim
    token: Token | None
    evse_uids: tuple[str, ...]
    attracted: tuple[str, ...]
    deadline: timedelta
    patience: timedelta | None
    fresh: bool = True


class Grant(Struct, frozen=True, kw_only=True):
    """A permission not yet used, until `expires` (monotonic).

    Bound when it names one EVSE; else it floats and the first plug-in takes it.
    `session` is the PENDING one that the backend was told of, if it was.
    """

    claim: Claim
    allow: Allow
    evse_uids: tuple[str, ...]
    decided_at: Instant
    expires: timedelta
    session: Session | None = None


class Pending(Struct, frozen=True, kw_only=True):
    """The outcome that is told once the charger has confirmed.

    `from_grant`: the tap itself has been answered already, its grant has not. `info`
    is the eMSP's text for the driver.
    """

    claim: Claim
    decided_at: Instant
    from_grant: bool = False
    info: str | None = None


class Evse(Struct, frozen=True, kw_only=True):
    """One EVSE as far as it is known.

    `reachable` is False until its charger was found. `plugged_at` is monotonic, and
    so are `recorded_at` and `reported_at`: when the session's energy last became
    durable, and when it was last reported; `…_wh` is how much that was. `served_by`
    is the card under which the vehicle plugged in has had a session, `drawing` says
    that it takes energy. `verify_at` (monotonic) is when the session's unknown card is
    asked about next, None once somebody was heard. `ended_at` is where a session that
    is being stopped has ended unseen, if the register does not know better.
    """

    uid: str
    reachable: bool = False
    plugged_at: timedelta | None = None
    served_by: Uid | None = None
    drawing: bool = False
    fault: str | None = None
    wh: int | None = None
    session: Session | None = None
    pending: Pending | None = None
    verify_at: timedelta | None = None
    ended_at: Instant | None = None
    recorded_at: timedelta = timedelta()
    recorded_wh: int = 0
    reported_at: timedelta = timedelta()
    reported_wh: int = 0


class Flash(Struct, frozen=True):
    """What a reader shows until a moment (monotonic), whatever else happens."""

    signal: Signal
    until: timedelta


class Station(Struct, frozen=True, kw_only=True):
    """Everything the rules remember between two steps.

    `fields` holds the card in each reader's (name, slot) field; `locks` says until
    when (monotonic) a reader ignores a card that just caused a grant or a start.
    `refusals` are the cards that a reader has refused lately and when, and `shut`
    until when it refuses everybody for that. `shown` is each reader's signal, and
    time alone changes one at `signals_change_at` (monotonic).
    """

    evses: dict[str, Evse]
    checks: dict[str, Check] = {}
    grants: tuple[Grant, ...] = ()
    fields: dict[tuple[str, str], Uid] = {}
    locks: dict[tuple[str, Uid], timedelta] = {}
    refusals: dict[str, dict[Uid, timedelta]] = {}
    shut: dict[str, timedelta] = {}
    flashes: dict[str, Flash] = {}
    shown: dict[str, Signal] = {}
    signals_change_at: timedelta | None = None


def restore(evse_uids: Iterable[str], open_sessions: Iterable[Session]) -> Station:
    """Make the station as it is before any charger was heard.

    The sessions come oldest first; of two at one EVSE, only the newest can be true.
    Grants do not survive, and so nothing that is PENDING.
    """
    sessions: dict[str, Session] = {}
    for session in open_sessions:
        if session.status is not SessionStatus.PENDING:
            sessions[session.evse_uid] = session
    return Station(evses={uid: _restore_evse(uid, sessions) for uid in evse_uids})


def _restore_evse(uid: str, sessions: dict[str, Session]) -> Evse:
    session = sessions.get(uid)
    if session is None:
        return Evse(uid=uid)
    return Evse(
        uid=uid,
        session=session,
        verify_at=timedelta() if session.flagged else None,
        recorded_wh=session.energy_wh,
        reported_wh=session.energy_wh,
    )


def unreachable(station: Station) -> Station:
    """The same station before its chargers are heard again, and anything is shown."""
    return replace(
        station,
        flashes={},
        shown={},
        evses={
            uid: replace(evse, reachable=False) for uid, evse in station.evses.items()
        },
    )


def record_at(evse: Evse, settings: Settings) -> timedelta | None:
    """When (monotonic) the session's energy is written down or told, if it moved."""
    session = evse.session
    if session is None or session.stop_reason is not None:
        return None
    moments = []
    if session.energy_wh != evse.recorded_wh:
        moments.append(evse.recorded_at + settings.meter_every)
    if session.energy_wh != evse.reported_wh:
        moments.append(evse.reported_at + settings.report_every)
    return min(moments, default=None)


def next_deadline(station: Station, settings: Settings) -> timedelta | None:
    """When (monotonic) the machine next wants a Tick, None if only events matter."""
    moments = (
        *(check.deadline for check in station.checks.values()),
        *(check.patience for check in station.checks.values()),
        *(grant.expires for grant in station.grants),
        *(flash.until for flash in station.flashes.values()),
        *(evse.verify_at for evse in station.evses.values() if evse.reachable),
        *(record_at(evse, settings) for evse in station.evses.values()),
        station.signals_change_at,
    )
    return min((moment for moment in moments if moment is not None), default=None)

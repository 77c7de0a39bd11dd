"""Permissions: choose an EVSE, or wait for a plug-in and lapse if none comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.domain import signals, starting
from agent.domain.messages import Change, Record
from agent.domain.outcomes import (
    DecidedBy,
    EventKind,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.policy import Refuse
from agent.domain.refusals import refuse
from agent.domain.sessions import Session, SessionStatus, lapse
from agent.domain.settings import Select
from agent.domain.station import Check, Claim, Evse, Grant

if TYPE_CHECKING:
    from datetime import timedelta

    from agent.domain.messages import VehicleConnected
    from agent.domain.policy import Allow
    from agent.domain.turn import Turn


def permit(turn: Turn, claim: Claim, allow: Allow, check: Check | None) -> None:
    """Use a permission: start where a vehicle waits, else wait for a plug-in.

    `check` is what was asked, None if nobody was.
    """
    if not starting.can_book(turn.settings, allow):
        # Allowed, but there is nobody whom the session could be booked on.
        refuse(turn, claim, Refuse(Refusal.MISCONFIGURED, allow.decided_by))
        return
    asked = check.evse_uids if check else turn.settings.readers[claim.reader]
    available = [evse for evse in turn.available_to(claim.reader) if evse.uid in asked]
    if not available:
        refuse(turn, claim, Refuse(Refusal.NO_EVSE_AVAILABLE, DecidedBy.LOCAL))
        return
    # The answer's restriction is applied before choosing, never to the choice.
    allowed = [uid for uid in asked if allow.covers(uid)]
    free = [evse for evse in available if evse.uid in allowed]
    if not free:
        refuse(turn, claim, Refuse(Refusal.WRONG_EVSE, allow.decided_by))
        return
    if plugged := _attracting(turn, claim, free):
        chosen = _choose(plugged, turn.settings.select)
        starting.start(turn, chosen, claim, allow, decided_at=turn.now)
    elif check and any(_has_lapsed(turn, check, evse) for evse in free):
        # Its vehicle waits, but for too long by now: it was meant, and no other.
        refuse(turn, claim, Refuse(Refusal.NO_EVSE_AVAILABLE, DecidedBy.LOCAL))
    else:
        _grant(turn, claim, allow, tuple(allowed))


def _attracting(turn: Turn, claim: Claim, free: list[Evse]) -> list[Evse]:
    """The EVSEs whose vehicles this card may be for, the likeliest only.

    A vehicle that has had its session belongs to whoever charged it; another card
    takes it only if there is nowhere else to go.
    """
    plugged = [evse for evse in free if turn.attracts(evse, claim.reader)]
    unserved = [evse for evse in plugged if evse.served_by is None]
    own = [evse for evse in plugged if evse.served_by == claim.uid]
    elsewhere = any(evse.plugged_at is None for evse in free)
    return unserved or own or ([] if elsewhere else plugged)


def _has_lapsed(turn: Turn, check: Check, evse: Evse) -> bool:
    return evse.uid in check.attracted and turn.is_stale(evse, check.claim.reader)


def _choose(plugged: list[Evse], select: Select) -> Evse:
    def plugged_at(evse: Evse) -> timedelta:
        assert evse.plugged_at is not None  # noqa: S101 - narrows for the type checker
        return evse.plugged_at

    match select:
        case Select.PLUGGED_FIRST:
            return min(plugged, key=plugged_at)
        case Select.LAST_PLUGGED:
            return max(plugged, key=plugged_at)
        case Select.FIXED:
            return plugged[0]


def _grant(turn: Turn, claim: Claim, allow: Allow, evse_uids: tuple[str, ...]) -> None:
    turn.grants.append(
        Grant(
            claim=claim,
            allow=allow,
            evse_uids=evse_uids,
            decided_at=turn.now,
            expires=turn.now.monotonic + turn.settings.connection_timeout,
            session=_announce(turn, claim, allow, evse_uids),
        )
    )
    turn.lock(claim)
    turn.emit(
        EventKind.TOKEN_ACCEPTED,
        claim,
        tap_id=claim.tap_id,
        evse_uid=_bound_to(evse_uids),
        outcome=Outcome.GRANTED,
        decided_by=allow.decided_by,
        auth_method=allow.auth_method,
        info=allow.info,
        flagged=allow.flagged,
    )
    signals.verdict(turn, claim.reader, Signal.ACCEPTED)


def _announce(
    turn: Turn, claim: Claim, allow: Allow, evse_uids: tuple[str, ...]
) -> Session | None:
    """Tell of the session to come, where it is known which EVSE it will be at.

    Nothing depends on it, so a disk that is full is no reason against the grant.
    """
    if not (turn.settings.tell_grants and turn.storage_ok and len(evse_uids) == 1):
        return None
    evse = turn.evses[evse_uids[0]]
    session = starting.new_session(turn, evse, claim, allow)
    session = replace(session, status=SessionStatus.PENDING)
    turn.do(Record(Change.PENDING, session))
    return session


def _drop(turn: Turn, grant: Grant) -> None:
    """Forget a grant that comes to nothing, and take back what was told of it."""
    turn.grants.remove(grant)
    if grant.session is not None:
        turn.do(Record(Change.END, lapse(grant.session, turn.now)))


def cancel(turn: Turn, grant: Grant, by: Claim) -> None:
    """Take an unused grant back by its own card; tap and grant end in one event."""
    _drop(turn, grant)
    turn.emit(
        EventKind.TOKEN_WITHDRAWN,
        by,
        tap_id=by.tap_id,
        grant_id=grant.claim.tap_id,
        evse_uid=_bound_to(grant.evse_uids),
        outcome=Outcome.WITHDRAWN,
        reason=StopReason.LOCAL,
        decided_by=DecidedBy.LOCAL,
        auth_method=grant.allow.auth_method,
    )
    signals.verdict(turn, by.reader, Signal.ACCEPTED)


def withdraw(turn: Turn, grant: Grant, reason: StopReason | Refusal) -> None:
    """Take an unused grant back, and let its driver know at the reader."""
    _lapse(turn, grant, EventKind.TOKEN_WITHDRAWN, Outcome.WITHDRAWN, reason)


def expire(turn: Turn) -> None:
    """End every grant that nobody plugged in for."""
    for grant in list(turn.grants):
        if grant.expires <= turn.now.monotonic:
            _lapse(turn, grant, EventKind.TOKEN_TIMED_OUT, Outcome.TIMED_OUT)


def _lapse(
    turn: Turn,
    grant: Grant,
    kind: EventKind,
    outcome: Outcome,
    reason: StopReason | Refusal | None = None,
) -> None:
    """End a grant that its driver has not used; his card works again at once."""
    _drop(turn, grant)
    turn.locks.pop((grant.claim.reader, grant.claim.uid), None)
    turn.emit(
        kind,
        grant.claim,
        grant_id=grant.claim.tap_id,
        evse_uid=_bound_to(grant.evse_uids),
        outcome=outcome,
        reason=reason,
        decided_by=DecidedBy.LOCAL,
        auth_method=grant.allow.auth_method,
    )
    signals.verdict(turn, grant.claim.reader, Signal.REFUSED)


def _bound_to(evse_uids: tuple[str, ...]) -> str | None:
    return evse_uids[0] if len(evse_uids) == 1 else None


def on_connected(turn: Turn, connected: VehicleConnected) -> None:
    """Take a plug-in; a vehicle that pauses is connected, too, and was before."""
    evse = turn.change(connected.evse_uid, drawing=connected.drawing)
    if evse.plugged_at is None:
        turn.change(evse.uid, plugged_at=turn.now.monotonic, served_by=None)
        use_grant(turn, evse.uid)


def on_cleared(turn: Turn, evse_uid: str) -> None:
    """The EVSE can be used again, by whoever has been waiting for it."""
    turn.change(evse_uid, fault=None)
    use_grant(turn, evse_uid)


def use_grant(turn: Turn, evse_uid: str) -> None:
    """Let the longest waiting grant for this EVSE have the vehicle that waits there."""
    evse = turn.evses[evse_uid]
    if not evse.reachable or evse.session is not None:
        return
    if evse.served_by is not None:
        return
    for grant in list(turn.grants):
        if evse_uid in grant.evse_uids and turn.attracts(evse, grant.claim.reader):
            if not turn.storage_ok:
                withdraw(turn, grant, Refusal.STORAGE_FAILED)
                return
            turn.grants.remove(grant)
            starting.start(
                turn,
                evse,
                grant.claim,
                grant.allow,
                decided_at=grant.decided_at,
                grant=grant,
            )
            return


def rebind(turn: Turn, grant: Grant, evse_uids: tuple[str, ...]) -> None:
    """Limit an unused grant to some of its EVSEs."""
    turn.grants[turn.grants.index(grant)] = replace(grant, evse_uids=evse_uids)

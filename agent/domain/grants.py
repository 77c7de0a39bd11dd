"""Permissions: choose an EVSE, or wait for a plug-in and lapse if none comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import charging
from agent.domain.outcomes import DecidedBy, EventKind, Outcome, Refusal, Signal
from agent.domain.policy import Refuse
from agent.domain.station import Claim, Evse, Grant, Select, Turn

if TYPE_CHECKING:
    from datetime import timedelta

    from agent.domain.policy import Allow


def permit(turn: Turn, claim: Claim, allow: Allow) -> None:
    """Use a permission: start where a vehicle waits, else wait for a plug-in."""
    available = turn.available_to(claim.reader)
    if not available:
        turn.refuse(claim, Refuse(Refusal.NO_EVSE_AVAILABLE, DecidedBy.LOCAL))
        return
    # The answer's restriction is applied before choosing, never to the choice.
    allowed = [
        evse
        for evse in available
        if not allow.evse_uids or evse.uid.casefold() in allow.evse_uids
    ]
    if not allowed:
        turn.refuse(claim, Refuse(Refusal.WRONG_EVSE, allow.decided_by))
        return
    plugged = [evse for evse in allowed if evse.plugged_at is not None]
    if plugged:
        charging.start(turn, _choose(plugged, turn.settings.select), claim, allow)
    else:
        _grant(turn, claim, allow, tuple(evse.uid for evse in allowed))


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
    expires = turn.now.monotonic + turn.settings.connection_timeout
    turn.grants.append(
        Grant(claim=claim, allow=allow, evse_uids=evse_uids, expires=expires)
    )
    charging.lock(turn, claim)
    turn.emit(
        EventKind.TOKEN_ACCEPTED,
        claim,
        tap_id=claim.tap_id,
        evse_uid=evse_uids[0] if len(evse_uids) == 1 else None,
        outcome=Outcome.GRANTED,
        decided_by=allow.decided_by,
        auth_method=allow.auth_method,
        info=allow.info,
        flagged=allow.flagged,
    )
    turn.show(claim.reader, Signal.ACCEPTED)


def withdraw(turn: Turn, grant: Grant, by: Claim) -> None:
    """Take an unused grant back; the tap and the grant end in one event."""
    turn.grants.remove(grant)
    turn.emit(
        EventKind.TOKEN_WITHDRAWN,
        by,
        tap_id=by.tap_id,
        grant_id=grant.claim.tap_id,
        outcome=Outcome.WITHDRAWN,
        decided_by=DecidedBy.LOCAL,
    )
    turn.show(by.reader, Signal.ACCEPTED)


def expire(turn: Turn) -> None:
    """End every grant that nobody plugged in for."""
    for grant in list(turn.grants):
        if grant.expires <= turn.now.monotonic:
            turn.grants.remove(grant)
            turn.emit(
                EventKind.TOKEN_TIMED_OUT,
                grant.claim,
                grant_id=grant.claim.tap_id,
                outcome=Outcome.TIMED_OUT,
                decided_by=DecidedBy.LOCAL,
            )
            turn.show(grant.claim.reader, Signal.REFUSED)


def on_connected(turn: Turn, evse_uid: str) -> None:
    """Take a plug-in: the longest waiting grant that allows this EVSE starts here."""
    if turn.evses[evse_uid].plugged_at is not None:
        return  # A vehicle that pauses is connected, too, and was before.
    evse = turn.change(evse_uid, plugged_at=turn.now.monotonic)
    if evse.session is not None or evse.fault is not None:
        return
    for grant in turn.grants:
        if evse_uid in grant.evse_uids:
            turn.grants.remove(grant)
            charging.start(turn, evse, grant.claim, grant.allow, from_grant=True)
            return
    turn.show_at(evse_uid, Signal.LOCKED)

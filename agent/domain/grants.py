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


def permit(
    turn: Turn, claim: Claim, allow: Allow, within: tuple[str, ...] | None = None
) -> None:
    """Use a permission: start where a vehicle waits, else wait for a plug-in.

    `within` are the EVSEs that were asked about, None for all of the reader's.
    """
    if allow.token is None and turn.settings.owner_of(allow) is None:
        # Allowed, but there is nobody whom the session could be booked on.
        turn.refuse(claim, Refuse(Refusal.MISCONFIGURED, allow.decided_by))
        return
    asked = within or turn.settings.readers[claim.reader]
    available = [evse for evse in turn.available_to(claim.reader) if evse.uid in asked]
    if not available:
        turn.refuse(claim, Refuse(Refusal.NO_EVSE_AVAILABLE, DecidedBy.LOCAL))
        return
    # The answer's restriction is applied before choosing, never to the choice.
    allowed = [uid for uid in asked if _is_allowed(uid, allow)]
    free = [evse for evse in available if evse.uid in allowed]
    if not free:
        turn.refuse(claim, Refuse(Refusal.WRONG_EVSE, allow.decided_by))
        return
    plugged = [evse for evse in free if evse.plugged_at is not None]
    # A vehicle that has had its session is taken only if no other one waits.
    plugged = [evse for evse in plugged if not evse.served] or plugged
    if plugged:
        charging.start(turn, _choose(plugged, turn.settings.select), claim, allow)
    else:
        _grant(turn, claim, allow, tuple(allowed))


def _is_allowed(evse_uid: str, allow: Allow) -> bool:
    return not allow.evse_uids or evse_uid.casefold() in allow.evse_uids


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
    """Take a plug-in; a vehicle that pauses is connected, too, and was before."""
    if turn.evses[evse_uid].plugged_at is None:
        turn.change(evse_uid, plugged_at=turn.now.monotonic, served=False)
        use_grant(turn, evse_uid)
        if turn.evses[evse_uid].session is None:
            turn.show_state(evse_uid)


def on_cleared(turn: Turn, evse_uid: str) -> None:
    """The EVSE can be used again, by whoever has been waiting for it."""
    turn.change(evse_uid, fault=None)
    use_grant(turn, evse_uid)
    if turn.evses[evse_uid].session is None:
        turn.show_state(evse_uid)


def use_grant(turn: Turn, evse_uid: str) -> None:
    """Let the longest waiting grant for this EVSE have the vehicle that waits there."""
    evse = turn.evses[evse_uid]
    ready = evse.reachable and evse.fault is None and evse.session is None
    if not ready or evse.plugged_at is None or evse.served:
        return
    for grant in turn.grants:
        if evse_uid in grant.evse_uids:
            turn.grants.remove(grant)
            charging.start(turn, evse, grant.claim, grant.allow, from_grant=True)
            return

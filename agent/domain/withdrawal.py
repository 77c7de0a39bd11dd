"""Taking back: waiting cards, unused grants and running sessions, by whoever may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import charging, grants, signals
from agent.domain.messages import Withdrawn
from agent.domain.outcomes import DecidedBy, EventKind, Outcome, Signal
from agent.domain.station import Grant

if TYPE_CHECKING:
    from agent.domain.messages import Withdraw
    from agent.domain.outcomes import StopReason
    from agent.domain.station import Check, Evse
    from agent.domain.turn import Turn


def withdraw(turn: Turn, wanted: Withdraw) -> None:
    """Take back all that is meant, now and once: nothing is kept in mind for later.

    A card that could be used at several EVSEs is meant by each of them.
    """
    checks = [one for one in turn.checks.values() if _is_meant(wanted, one)]
    unused = [one for one in turn.grants if _is_meant(wanted, one)]
    running = [one for one in turn.evses.values() if _is_session_meant(wanted, one)]
    for check in checks:
        withdraw_check(turn, check, wanted.reason)
    for grant in unused:
        grants.withdraw(turn, grant, wanted.reason)
    for evse in running:
        charging.stop(turn, evse, wanted.reason)
    turn.do(
        Withdrawn(
            request_id=wanted.request_id,
            waiting=len(checks),
            grants=len(unused),
            sessions=len(running),
        )
    )


def withdraw_check(turn: Turn, check: Check, reason: StopReason) -> None:
    """Take back a card that waits for its answer, and let its driver know."""
    del turn.checks[check.claim.tap_id]
    turn.emit(
        EventKind.TOKEN_WITHDRAWN,
        check.claim,
        tap_id=check.claim.tap_id,
        outcome=Outcome.WITHDRAWN,
        reason=reason,
        decided_by=DecidedBy.LOCAL,
    )
    signals.verdict(turn, check.claim.reader, Signal.REFUSED)


def _is_meant(wanted: Withdraw, permission: Check | Grant) -> bool:
    announced = permission.session if isinstance(permission, Grant) else None
    return (
        wanted.session_id in (None, announced and announced.id)
        and wanted.uid in (None, permission.claim.uid)
        and (wanted.evse_uid is None or wanted.evse_uid in permission.evse_uids)
    )


def _is_session_meant(wanted: Withdraw, evse: Evse) -> bool:
    session = evse.session
    return (
        session is not None
        and charging.is_running(evse)
        and wanted.session_id in (None, session.id)
        and (wanted.uid is None or session.belongs_to(wanted.uid))
        and wanted.evse_uid in (None, evse.uid)
    )

"""What is told of a session's start and stop, with the outcome of who caused it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.outcomes import DecidedBy, EventKind, Outcome
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from agent.domain.sessions import Session
    from agent.domain.station import Evse
    from agent.domain.turn import Turn


def started(turn: Turn, evse: Evse) -> None:
    """Emit the outcome of the tap or grant that started a session, once."""
    session, pending = evse.session, evse.pending
    if session is None or pending is None or session.stop_reason is not None:
        return
    turn.change(evse.uid, pending=None)
    tap_id = pending.claim.tap_id
    turn.emit(
        EventKind.SESSION_STARTED,
        pending.claim,
        tap_id=None if pending.from_grant else tap_id,
        grant_id=tap_id if pending.from_grant else None,
        evse_uid=evse.uid,
        session_id=session.id,
        outcome=Outcome.STARTED,
        decided_by=session.decided_by,
        decided_at=pending.decided_at,
        auth_method=session.auth_method,
        info=pending.info,
        flagged=session.flagged,
    )


def stopped(
    turn: Turn, evse: Evse, session: Session, kind: EventKind, info: str | None = None
) -> None:
    """Emit that a session stops, and with it the outcome of the tap that wanted it."""
    pending = evse.pending
    turn.emit(
        kind,
        pending.claim if pending else None,
        tap_id=pending.claim.tap_id if pending else None,
        reader=pending.claim.reader if pending else session.reader,
        evse_uid=evse.uid,
        session_id=session.id,
        uid=Uid(session.card),
        outcome=Outcome.STOPPED if pending else None,
        reason=session.stop_reason,
        decided_by=DecidedBy.LOCAL,
        decided_at=pending.decided_at if pending else None,
        auth_method=session.auth_method,
        energy_wh=session.energy_wh,
        info=info,
    )

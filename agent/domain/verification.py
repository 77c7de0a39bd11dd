"""Replies about cards that were allowed without them: late, or asked for behind.

They concern whatever the card has now by the whitelist's word or by the offline
policy; what an answer has allowed stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.domain import charging, grants
from agent.domain.messages import Change, Revalidate
from agent.domain.outcomes import AuthMethod, EventKind, StopReason
from agent.domain.sessions import cap
from agent.domain.settings import VERIFY_EVERY, LateRefusal
from agent.domain.tokens import Answer
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from agent.domain.messages import Answered
    from agent.domain.sessions import Session
    from agent.domain.station import Evse, Grant
    from agent.domain.turn import Turn


def on_upstream_up(turn: Turn) -> None:
    """Ask at once about every unknown card that charges unverified."""
    for evse in turn.evses.values():
        if evse.verify_at is not None:
            _verify(turn, evse)


def verify_due(turn: Turn) -> None:
    """Ask about those unknown cards whose turn has come."""
    for evse in turn.evses.values():
        at = evse.verify_at
        if at is not None and at <= turn.now.monotonic and evse.reachable:
            _verify(turn, evse)


def _verify(turn: Turn, evse: Evse) -> None:
    if evse.session is None or not charging.is_running(evse):
        turn.change(evse.uid, verify_at=None)
        return
    turn.change(evse.uid, verify_at=turn.now.monotonic + VERIFY_EVERY)
    turn.do(Revalidate(Uid(evse.session.card), None, (evse.uid,)))


def on_late_reply(turn: Turn, answered: Answered) -> None:
    """Apply an answer to what the card has where it was asked about.

    No answer changes nothing.
    """
    answer = answered.reply
    if not isinstance(answer, Answer):
        return
    for grant in list(turn.grants):
        if grant.claim.uid == answered.uid:
            _apply_to_grant(turn, grant, answer, answered.evse_uids)
    for evse in [turn.evses[uid] for uid in answered.evse_uids if uid in turn.evses]:
        session = evse.session
        if session is None or not charging.is_running(evse):
            continue
        by_list = session.auth_method is AuthMethod.WHITELIST
        if by_list and session.belongs_to(answered.uid):
            _apply_to_session(turn, evse, session, answer)


def _apply_to_grant(
    turn: Turn, grant: Grant, answer: Answer, asked: tuple[str, ...]
) -> None:
    if turn.settings.late_refusal is LateRefusal.IGNORE:
        return
    if grant.allow.auth_method is not AuthMethod.WHITELIST:
        return
    allowed = tuple(
        uid for uid in grant.evse_uids if uid not in asked or answer.allows(uid)
    )
    if not allowed:
        grants.withdraw(turn, grant, StopReason.DEAUTHORIZED)
    elif allowed != grant.evse_uids:
        grants.rebind(turn, grant, allowed)


def _apply_to_session(turn: Turn, evse: Evse, session: Session, answer: Answer) -> None:
    evse = turn.change(evse.uid, verify_at=None)
    if answer.allows(evse.uid):
        if session.authorization_reference is None:
            # It goes out with the next report; nothing else has changed.
            reference = answer.authorization_reference
            known = replace(session, authorization_reference=reference)
            turn.change(evse.uid, session=known)
        return
    match turn.settings.late_refusal:
        case LateRefusal.STOP:
            charging.stop(turn, evse, StopReason.DEAUTHORIZED)
        case LateRefusal.CAP:
            _cap(turn, evse, session)
        case LateRefusal.IGNORE:
            pass


def _cap(turn: Turn, evse: Evse, session: Session) -> None:
    """Let a little more energy flow; without a meter, none."""
    if session.meter_wh is None:
        charging.stop(turn, evse, StopReason.DEAUTHORIZED)
        return
    if session.energy_cap_wh is not None:
        return
    capped = cap(session, turn.settings.late_refusal_cap_wh, turn.now)
    evse = turn.change(evse.uid, session=capped)
    charging.record(turn, evse, capped, Change.UPDATE)
    turn.emit(
        EventKind.SESSION_CAPPED,
        evse_uid=evse.uid,
        session_id=session.id,
        reader=session.reader,
        uid=Uid(session.card),
        energy_wh=capped.energy_cap_wh,
    )

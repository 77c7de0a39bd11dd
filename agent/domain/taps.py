"""What does a tap mean now? The rules in their order, and what follows an answer.

Each rule looks at one tap and says whether it has settled it; the first that has ends
the matter, so every tap gets exactly one outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.domain import charging, grants
from agent.domain.messages import AskUpstream, CardTapped, CardUnread, Revalidate
from agent.domain.outcomes import (
    DecidedBy,
    EventKind,
    Ignored,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.policy import Allow, Ask, Refuse, decide
from agent.domain.station import Check, Claim
from agent.domain.tokens import NoAnswer, Reply
from agent.domain.uid import Uid, UidProblem, find_problem

if TYPE_CHECKING:
    from agent.domain.station import Turn

_PROBLEM_REFUSALS = {
    UidProblem.RANDOM: Refusal.RANDOM_UID,
    UidProblem.WRONG_LENGTH: Refusal.UNREADABLE,
}


def on_tap(turn: Turn, tapped: CardTapped) -> None:
    """Settle one tap by the first rule that fits."""
    claim = Claim(
        tap_id=tapped.tap_id,
        reader=tapped.reader,
        uid=tapped.uid,
        tapped_at=tapped.at or turn.now,
    )
    turn.show(claim.reader, Signal.READING)
    turn.emit(EventKind.TAP_RECEIVED, claim, tap_id=claim.tap_id)
    any(rule(turn, claim, tapped) for rule in _RULES)
    turn.fields[tapped.reader, tapped.slot] = tapped.uid


def on_unread(turn: Turn, unread: CardUnread) -> None:
    """Refuse a card that gave no number."""
    claim = Claim(
        tap_id=unread.tap_id, reader=unread.reader, uid=Uid(""), tapped_at=turn.now
    )
    turn.emit(EventKind.TAP_RECEIVED, claim, tap_id=claim.tap_id)
    turn.refuse(claim, Refuse(Refusal.UNREADABLE, DecidedBy.LOCAL))


def on_reply(turn: Turn, tap_id: str, reply: Reply) -> None:
    """Settle the tap that waited for this reply; a late reply finds no tap."""
    check = turn.checks.pop(tap_id, None)
    if check is None:
        return
    decision = decide(check.token, reply, turn.settings.modes)
    match decision:
        case Allow():
            grants.permit(turn, check.claim, decision, check.evse_uids)
        case Refuse():
            turn.refuse(check.claim, decision)
        case Ask():
            # Only a tap that nobody was asked about can lead here.
            turn.refuse(check.claim, Refuse(Refusal.MISCONFIGURED, DecidedBy.LOCAL))
        case _:
            assert_never(decision)


def expire_checks(turn: Turn) -> None:
    """Let the offline rules decide for every card whose deadline has passed."""
    for tap_id, check in list(turn.checks.items()):
        if check.deadline <= turn.now.monotonic:
            on_reply(turn, tap_id, NoAnswer("no answer before the deadline"))


def _ignore(turn: Turn, claim: Claim, reason: Ignored) -> None:
    turn.emit(
        EventKind.TAP_IGNORED,
        claim,
        tap_id=claim.tap_id,
        outcome=Outcome.IGNORED,
        reason=reason,
        decided_by=DecidedBy.LOCAL,
    )
    turn.show_rest(claim.reader)


# ---- the rules, in their order --------------------------------------------------


def _lockout(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """1. Not lifted since its last tap, or too soon after what that tap caused."""
    lying_on = turn.fields.get((tapped.reader, tapped.slot)) == claim.uid
    if not lying_on and (claim.reader, claim.uid) not in turn.locks:
        return False
    _ignore(turn, claim, Ignored.LOCKOUT)
    return True


def _not_a_card(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """A random or impossible number identifies nobody: never asked, never stored."""
    problem = find_problem(tapped.uid, tapped.technology)
    if problem is None:
        return False
    turn.refuse(claim, Refuse(_PROBLEM_REFUSALS[problem], DecidedBy.LOCAL))
    return True


def _already_in_process(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """2. The card is being checked, or its session is just being stopped."""
    checked = any(check.claim.uid == claim.uid for check in turn.checks.values())
    stopping = any(
        session.belongs_to(claim.uid) and session.stop_reason is not None
        for evse in turn.evses_of(claim.reader)
        if (session := evse.session)
    )
    if not checked and not stopping:
        return False
    _ignore(turn, claim, Ignored.ALREADY_IN_PROCESS)
    return True


def _own_session(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """3. The card that started may always stop: no network, no valid token needed."""
    for evse in turn.evses_of(claim.reader):
        if evse.session is not None and evse.session.belongs_to(claim.uid):
            if turn.settings.tap_to_stop:
                charging.stop(turn, evse, StopReason.LOCAL, claim)
            else:
                _ignore(turn, claim, Ignored.ALREADY_CHARGING)
            return True
    return False


def _own_grant(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """4. Tap again to cancel."""
    here = set(turn.settings.readers[claim.reader])
    for grant in turn.grants:
        if grant.claim.uid == claim.uid and here.intersection(grant.evse_uids):
            if turn.settings.tap_to_stop:
                grants.withdraw(turn, grant, claim)
            else:
                _ignore(turn, claim, Ignored.ALREADY_GRANTED)
            return True
    return False


def _no_evse(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """6. Nothing could take a session: say so without asking anybody."""
    if turn.available_to(claim.reader):
        return False
    turn.refuse(claim, Refuse(Refusal.NO_EVSE_AVAILABLE, DecidedBy.LOCAL))
    return True


def _policy(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """7. The whitelist decides, or the backend is asked."""
    if tapped.lookup_failed:
        turn.refuse(claim, Refuse(Refusal.STORAGE_FAILED, DecidedBy.LOCAL))
        return True
    decision = decide(tapped.token, None, turn.settings.modes)
    match decision:
        case Allow():
            grants.permit(turn, claim, decision)
            if decision.revalidate and decision.token is not None:
                evse_uids = turn.settings.readers[claim.reader]
                turn.do(Revalidate(claim.uid, decision.token, evse_uids))
        case Ask():
            _ask(turn, claim, tapped)
        case Refuse():
            turn.refuse(claim, decision)
        case _:
            assert_never(decision)
    return True


def _ask(turn: Turn, claim: Claim, tapped: CardTapped) -> None:
    deadline = turn.now.monotonic + turn.settings.deadline
    evse_uids = tuple(evse.uid for evse in turn.available_to(claim.reader))
    turn.checks[claim.tap_id] = Check(
        claim=claim, token=tapped.token, evse_uids=evse_uids, deadline=deadline
    )
    turn.show(claim.reader, Signal.CHECKING)
    turn.do(
        AskUpstream(
            tap_id=claim.tap_id,
            uid=claim.uid,
            token=tapped.token,
            evse_uids=evse_uids,
            deadline=deadline,
        )
    )


_RULES = (
    _lockout,
    _not_a_card,
    _already_in_process,
    _own_session,
    _own_grant,
    _no_evse,
    _policy,
)

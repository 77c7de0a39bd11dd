"""What does a tap mean now? The rules in their order, and what follows an answer.

Each rule looks at one tap and says whether it has settled it; the first that has ends
the matter, so every tap gets exactly one outcome. What is a card's own comes before
anything about its group, and that before a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.domain import charging, grants, groups, signals, verification
from agent.domain.messages import (
    Answered,
    AskUpstream,
    CardTapped,
    CardUnread,
    Revalidate,
)
from agent.domain.outcomes import (
    DecidedBy,
    EventKind,
    Ignored,
    Refusal,
    StopReason,
)
from agent.domain.policy import Allow, Ask, Refuse, decide
from agent.domain.refusals import ignore, is_shut, refuse
from agent.domain.station import Check, Claim
from agent.domain.tokens import NoAnswer, Reply
from agent.domain.uid import Uid, UidProblem, find_problem

if TYPE_CHECKING:
    from agent.domain.station import Evse, Grant
    from agent.domain.turn import Turn

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
    signals.read(turn, claim.reader)
    turn.emit(EventKind.TAP_RECEIVED, claim, tap_id=claim.tap_id)
    any(rule(turn, claim, tapped) for rule in RULES)
    turn.fields[tapped.reader, tapped.slot] = tapped.uid


def on_unread(turn: Turn, unread: CardUnread) -> None:
    """Refuse a card that gave no number."""
    claim = Claim(
        tap_id=unread.tap_id, reader=unread.reader, uid=Uid(""), tapped_at=turn.now
    )
    turn.emit(EventKind.TAP_RECEIVED, claim, tap_id=claim.tap_id)
    refuse(turn, claim, Refuse(Refusal.UNREADABLE, DecidedBy.LOCAL))


def on_answered(turn: Turn, answered: Answered) -> None:
    """Settle the tap that waited for this reply; a late one concerns what it led to."""
    if answered.tap_id is not None and answered.tap_id in turn.checks:
        _conclude(turn, answered.tap_id, answered.reply)
    else:
        verification.on_late_reply(turn, answered)


def expire_checks(turn: Turn) -> None:
    """Let the offline rules decide for every card whose deadline has passed."""
    for tap_id, check in list(turn.checks.items()):
        if check.deadline <= turn.now.monotonic:
            give_up(turn, tap_id)


def give_up_all(turn: Turn) -> None:
    """Let the offline rules decide about every card that is being asked about."""
    for tap_id in list(turn.checks):
        give_up(turn, tap_id)


def give_up(turn: Turn, tap_id: str) -> None:
    """Let the offline rules decide about a card that is being asked about."""
    _conclude(turn, tap_id, NoAnswer("no answer before the deadline"))


def _conclude(turn: Turn, tap_id: str, reply: Reply) -> None:
    check = turn.checks.pop(tap_id)
    modes = turn.settings.modes
    decision = decide(check.token, reply, modes, fresh=check.fresh)
    match decision:
        case Allow():
            _exercise(turn, check.claim, decision, check)
        case Refuse():
            refuse(turn, check.claim, decision)
        case Ask():
            # Only a tap that nobody was asked about can lead here.
            refusal = Refuse(Refusal.MISCONFIGURED, DecidedBy.LOCAL)
            refuse(turn, check.claim, refusal)
        case _:
            assert_never(decision)


def _exercise(
    turn: Turn, claim: Claim, allow: Allow, check: Check | None = None
) -> None:
    """Do what an allowed card is for: stop for its group, or charge."""
    if groups.is_master(turn, allow.token):
        groups.stop_all(turn, claim, allow)
    elif matter := groups.find_matter(turn, claim.reader, allow.token, allow):
        groups.settle(turn, claim, matter, allow)
    else:
        grants.permit(turn, claim, allow, check)


# ---- the rules, in their order --------------------------------------------------


def _lockout(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """1. Not lifted since its last tap, or too soon after what that tap caused.

    A card that lay there all the time, through a restart, undoes nothing of its own.
    """
    unlifted = turn.fields.get((tapped.reader, tapped.slot)) == claim.uid
    if tapped.lying:
        own = _session_of(turn, claim) or _grant_of(turn, claim)
        unlifted |= own is not None
    if not unlifted and not turn.is_locked(claim):
        return False
    ignore(turn, claim, Ignored.LOCKOUT)
    return True


def _not_a_card(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """A random or impossible number identifies nobody: never asked, never stored."""
    problem = find_problem(tapped.uid, tapped.technology)
    if problem is None:
        return False
    refuse(turn, claim, Refuse(_PROBLEM_REFUSALS[problem], DecidedBy.LOCAL))
    return True


def _already_in_process(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """2. The card is being checked, or its session is just being stopped."""
    checked = any(check.claim.uid == claim.uid for check in turn.checks.values())
    # One whose charger is dead may take long, and its driver has been told.
    stopping = any(
        evse.session.belongs_to(claim.uid) and evse.reachable
        for evse in turn.evses_of(claim.reader)
        if evse.session and not charging.is_running(evse)
    )
    if not checked and not stopping:
        return False
    ignore(turn, claim, Ignored.ALREADY_IN_PROCESS)
    return True


def _own_session(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """3. The card that started may always stop: no network, no valid token needed."""
    evse = _session_of(turn, claim)
    if evse is None:
        return False
    if turn.settings.tap_to_stop:
        charging.stop(turn, evse, StopReason.LOCAL, claim)
    else:
        ignore(turn, claim, Ignored.ALREADY_CHARGING)
    return True


def _session_of(turn: Turn, claim: Claim) -> Evse | None:
    """Find the EVSE of this reader where the card's own session runs."""
    for evse in turn.evses_of(claim.reader):
        session = evse.session if charging.is_running(evse) else None
        if session is not None and session.belongs_to(claim.uid):
            return evse
    return None


def _own_grant(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """4. Tap again to cancel."""
    grant = _grant_of(turn, claim)
    if grant is None:
        return False
    if turn.settings.tap_to_stop:
        grants.cancel(turn, grant, claim)
    else:
        ignore(turn, claim, Ignored.ALREADY_GRANTED)
    return True


def _grant_of(turn: Turn, claim: Claim) -> Grant | None:
    """Find the card's own unused grant for an EVSE of this reader."""
    here = set(turn.settings.readers[claim.reader])
    for grant in turn.grants:
        if grant.claim.uid == claim.uid and here.intersection(grant.evse_uids):
            return grant
    return None


def _rate_limited(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """Somebody walks through numbers here; what is one's own was settled above."""
    if not is_shut(turn, claim.reader):
        return False
    refuse(turn, claim, Refuse(Refusal.RATE_LIMITED, DecidedBy.LOCAL))
    return True


def _colleagues(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """3, for its group. A colleague's card stops, if it is allowed itself.

    After one's own grant: whoever has one means that, and not a colleague's session.
    """
    matter = groups.find_matter(turn, claim.reader, tapped.token)
    return matter is not None and _policy(turn, claim, tapped)


def _master(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """5. A master card stops everybody, also beside a free EVSE; if it is allowed."""
    return groups.is_master(turn, tapped.token) and _policy(turn, claim, tapped)


def _no_evse(turn: Turn, claim: Claim, _: CardTapped) -> bool:
    """6. Nothing could take a session: say so without asking anybody."""
    if turn.available_to(claim.reader):
        return False
    refuse(turn, claim, Refuse(Refusal.NO_EVSE_AVAILABLE, DecidedBy.LOCAL))
    return True


def _policy(turn: Turn, claim: Claim, tapped: CardTapped) -> bool:
    """7. The whitelist decides, or the backend is asked."""
    if tapped.lookup_failed:
        refuse(turn, claim, Refuse(Refusal.STORAGE_FAILED, DecidedBy.LOCAL))
        return True
    decision = decide(tapped.token, None, turn.settings.modes, fresh=tapped.fresh)
    match decision:
        case Allow():
            _exercise(turn, claim, decision)
            if decision.revalidate and decision.token is not None:
                evse_uids = turn.settings.readers[claim.reader]
                turn.do(Revalidate(claim.uid, decision.token, evse_uids))
        case Ask():
            _ask(turn, claim, tapped)
        case Refuse():
            refuse(turn, claim, decision)
        case _:
            assert_never(decision)
    return True


def _ask(turn: Turn, claim: Claim, tapped: CardTapped) -> None:
    now = turn.now.monotonic
    available = turn.available_to(claim.reader)
    # A card that is to stop something asks for the place as a whole.
    evses = available or list(turn.evses_of(claim.reader))
    check = Check(
        claim=claim,
        token=tapped.token,
        evse_uids=tuple(evse.uid for evse in evses),
        attracted=tuple(
            evse.uid for evse in available if turn.attracts(evse, claim.reader)
        ),
        deadline=now + turn.settings.deadline,
        patience=now + signals.PATIENCE,
        fresh=tapped.fresh,
    )
    turn.checks[claim.tap_id] = check
    turn.do(
        AskUpstream(
            tap_id=claim.tap_id,
            uid=claim.uid,
            token=tapped.token,
            evse_uids=check.evse_uids,
            deadline=check.deadline,
        )
    )


RULES = (
    _lockout,
    _not_a_card,
    _already_in_process,
    _own_session,
    _own_grant,
    _rate_limited,
    _master,
    _colleagues,
    _no_evse,
    _policy,
)

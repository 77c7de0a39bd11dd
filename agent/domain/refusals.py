"""Saying no: to one card, to a card that changes nothing, to a reader under attack."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent.domain import signals
from agent.domain.outcomes import (
    DecidedBy,
    EventKind,
    Ignored,
    Outcome,
    Refusal,
    Signal,
)

if TYPE_CHECKING:
    from agent.domain.policy import Refuse
    from agent.domain.station import Claim
    from agent.domain.turn import Turn

#: Refused cards are counted over this time, and too many shut the reader for as long.
RATE_WINDOW = timedelta(minutes=1)

#: Refusals that tell something about a number, which is what is worth guessing.
_TELLING = frozenset(
    {
        Refusal.UNKNOWN_TOKEN,
        Refusal.BLOCKED,
        Refusal.EXPIRED,
        Refusal.NO_CREDIT,
        Refusal.NOT_ALLOWED,
        Refusal.INVALID,
        Refusal.OFFLINE_NOT_PERMITTED,
    }
)
#: What the driver wants is so already: no error, and nothing to wait for.
_FINE_AS_IT_IS = (Ignored.ALREADY_CHARGING, Ignored.ALREADY_GRANTED)


def refuse(turn: Turn, claim: Claim, refusal: Refuse) -> None:
    """Tell the driver no, and why."""
    turn.emit(
        EventKind.TOKEN_REJECTED,
        claim,
        tap_id=claim.tap_id,
        outcome=Outcome.REFUSED,
        reason=refusal.reason,
        decided_by=refusal.decided_by,
        info=refusal.info,
    )
    signals.verdict(turn, claim.reader, Signal.REFUSED)
    if refusal.reason in _TELLING:
        _count(turn, claim)


def ignore(turn: Turn, claim: Claim, reason: Ignored) -> None:
    """Leave things as they are."""
    turn.emit(
        EventKind.TAP_IGNORED,
        claim,
        tap_id=claim.tap_id,
        outcome=Outcome.IGNORED,
        reason=reason,
        decided_by=DecidedBy.LOCAL,
    )
    if reason in _FINE_AS_IT_IS:
        signals.verdict(turn, claim.reader, Signal.ACCEPTED)


def is_shut(turn: Turn, reader: str) -> bool:
    """Whether the reader refuses everybody, since somebody walks through numbers."""
    return turn.shut.get(reader, timedelta()) > turn.now.monotonic


def _count(turn: Turn, claim: Claim) -> None:
    now, most = turn.now.monotonic, turn.settings.max_refusals
    if not most:
        return
    recent = {
        uid: at
        for uid, at in turn.refusals.get(claim.reader, {}).items()
        if at + RATE_WINDOW > now
    }
    recent[claim.uid] = now
    turn.refusals[claim.reader] = recent
    if len(recent) > most:
        del turn.refusals[claim.reader]
        turn.shut[claim.reader] = now + RATE_WINDOW
        turn.emit(EventKind.READER_RATE_LIMITED, reader=claim.reader)

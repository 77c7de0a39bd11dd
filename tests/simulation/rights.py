"""Who may charge, and by whose word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.domain.outcomes import AuthMethod, Refusal
from tests.simulation.cards import TENANTS_MAY_USE, Kind

if TYPE_CHECKING:
    from agent.domain.sessions import Session
    from tests.simulation.cards import Card
    from tests.simulation.readers import Tap
    from tests.simulation.world import World

_EITHER: Final = frozenset(AuthMethod)
_LISTED: Final = frozenset({AuthMethod.WHITELIST})
_ASKED: Final = frozenset({AuthMethod.AUTH_REQUEST})
#: Whose word may let a card of this kind charge.
MAY: Final = {
    Kind.ALWAYS: _LISTED,
    Kind.FLEET: _LISTED,
    Kind.ALLOWED: _LISTED,
    Kind.REVOKED: _EITHER,
    Kind.OFFLINE: _EITHER,
    Kind.NEVER: _ASKED,
    Kind.TENANT: _ASKED,
    Kind.VISITOR: _EITHER,
    Kind.REVIVED: _EITHER,
}
_ALWAYS: Final = frozenset({Refusal.NO_EVSE_AVAILABLE, Refusal.RATE_LIMITED})
_OFFLINE: Final = _ALWAYS | {Refusal.OFFLINE_NOT_PERMITTED}
#: Why cards may be refused that should be able to charge here.
MAY_BE_REFUSED: Final = {
    Kind.ALWAYS: _ALWAYS,
    Kind.FLEET: _ALWAYS,
    Kind.OFFLINE: _ALWAYS,
    Kind.ALLOWED: _ALWAYS,
    Kind.NEVER: _OFFLINE,
    Kind.TENANT: _OFFLINE | {Refusal.WRONG_EVSE},
}
#: Synchronised every hour or so, the agent has learned by then who is blocked.
_LEARNED_WITHIN_S: Final = 1.5 * 3600


def find_wrong(world: World, card: Card, session: Session, start: float) -> str | None:
    """Say why this card must not have started this session, None if it might."""
    if session.upstream != card.upstream and not session.flagged:
        return f"booked on {session.upstream}"
    if session.flagged:
        by_policy = world.plan.offline == "allow-unknown"
        unlisted = card.rights.whitelist is None and card.kind is not Kind.RANDOM
        return None if by_policy and unlisted else "no policy lets unknown cards charge"
    may = MAY.get(card.kind, frozenset())
    if card.kind is Kind.ALLOWED and world.plan.online == "online-first":
        may = _EITHER
    if session.auth_method not in may:
        return f"allowed by {session.auth_method}"
    if card.kind is Kind.TENANT and session.evse_uid not in TENANTS_MAY_USE:
        return "allowed elsewhere only"
    if card.is_revoked(start) and _must_know(world, card, start):
        return "it was blocked"
    return None


def is_wrongly_refused(world: World, tap: Tap) -> bool:
    """Whether a card was sent away that should have been able to charge."""
    if tap.outcomes != ["refused"] or tap.card.kind not in MAY_BE_REFUSED:
        return False
    plan, reason = world.plan, tap.reasons[0]
    may = MAY_BE_REFUSED[tap.card.kind]
    if tap.card.kind is Kind.ALLOWED and plan.online == "online-first":
        may = _OFFLINE if plan.offline == "deny" else may
    # What was free may be taken by the time an answer comes.
    room = tap.room and tap.card.kind in (Kind.ALWAYS, Kind.FLEET)
    return reason not in may or (reason == Refusal.NO_EVSE_AVAILABLE and room)


def _must_know(world: World, card: Card, now: float) -> bool:
    """Whether the agent had time enough, with everything working, to learn it."""
    assert card.revoked_at is not None
    free_since = card.revoked_at
    gaps = [
        *world.backends[card.upstream].outages,
        *([life.since - 1, life.since] for life in world.machine.lives),
    ]
    for since, *until in sorted(gaps):
        if since >= now:
            break
        if since - free_since >= _LEARNED_WITHIN_S:
            return True
        free_since = max(free_since, until[0] if until else now)
    return now - free_since >= _LEARNED_WITHIN_S

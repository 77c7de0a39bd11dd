"""Cards that act for other cards: groups of one party, and the master group.

OCPI 2.2.1 mod_tokens, `group_id`; compared without case, like every CiString.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain import charging, refusals
from agent.domain.outcomes import DecidedBy, Ignored, Refusal, StopReason
from agent.domain.policy import Refuse
from agent.domain.station import Evse, Grant

if TYPE_CHECKING:
    from agent.domain.policy import Allow
    from agent.domain.station import Claim
    from agent.domain.tokens import Token
    from agent.domain.turn import Turn


def is_master(turn: Turn, token: Token | None) -> bool:
    """Whether this card may stop everybody."""
    master, party = turn.settings.master_group, turn.settings.master_party
    if token is None or not master or not token.group_id:
        return False
    if party and _fold(token.country_code, token.party_id) != _fold(*party.split("*")):
        return False
    return token.group_id.casefold() == master.casefold()


def stop_all(turn: Turn, claim: Claim, allow: Allow) -> None:
    """Stop every session at the reader; a master card never starts one."""
    running = [evse for evse in turn.evses_of(claim.reader) if evse.session]
    covered = [evse for evse in running if allow.covers(evse.uid)]
    stoppable = [evse for evse in covered if charging.is_running(evse)]
    if not running:
        _refuse(turn, claim, Refusal.MASTER_CANNOT_START)
    elif not covered:
        _refuse(turn, claim, Refusal.WRONG_EVSE)
    elif not stoppable:
        refusals.ignore(turn, claim, Ignored.ALREADY_IN_PROCESS)
    for number, evse in enumerate(stoppable):
        # The tap has one outcome: that of the first.
        charging.stop(turn, evse, StopReason.MASTER, None if number else claim)


def find_matter(
    turn: Turn, reader: str, token: Token | None, allow: Allow | None = None
) -> Evse | Grant | None:
    """Find a colleague's session here, or his unused grant, that this card is about.

    There is none as long as the card could start a session of its own. Where it is
    known what the card is allowed, a session within that comes first.
    """
    group = _group_of(token)
    if group is None:
        return None
    here = set(turn.settings.readers[reader])
    grants = [
        grant
        for grant in turn.grants
        if here.intersection(grant.evse_uids) and _group_of(grant.allow.token) == group
    ]
    granted = {uid for grant in grants for uid in grant.evse_uids}
    free = [evse for evse in turn.available_to(reader) if evse.uid not in granted]
    if free and turn.settings.group_starts_first:
        return None
    sessions = [
        evse
        for evse in turn.evses_of(reader)
        if charging.is_running(evse) and _group_at(evse) == group
    ]
    if sessions:
        covered = [evse for evse in sessions if allow and allow.covers(evse.uid)]
        return (covered or sessions)[0]
    return grants[0] if grants else None


def settle(turn: Turn, claim: Claim, matter: Evse | Grant, allow: Allow) -> None:
    """Let an allowed card do what it is for."""
    if isinstance(matter, Grant):
        refusals.ignore(turn, claim, Ignored.ALREADY_GRANTED)
    elif not turn.settings.tap_to_stop:
        refusals.ignore(turn, claim, Ignored.ALREADY_CHARGING)
    elif allow.covers(matter.uid):
        charging.stop(turn, matter, StopReason.LOCAL, claim)
    else:
        _refuse(turn, claim, Refusal.WRONG_EVSE)


def _refuse(turn: Turn, claim: Claim, reason: Refusal) -> None:
    refusals.refuse(turn, claim, Refuse(reason, DecidedBy.LOCAL))


def _group_of(token: Token | None) -> tuple[str, ...] | None:
    if token is None or not token.group_id:
        return None
    return _fold(token.country_code, token.party_id, token.group_id)


def _group_at(evse: Evse) -> tuple[str, ...] | None:
    session = evse.session
    if session is None or not session.group_id:
        return None
    party = session.token
    return _fold(party.country_code, party.party_id, session.group_id)


def _fold(*names: str) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)

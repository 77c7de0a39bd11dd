"""What a tap would do now and why: the rules themselves, on a copy of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from agent.domain import taps
from agent.domain.messages import DisableEnergy, EnableEnergy, Event
from agent.domain.outcomes import DecidedBy, Ignored, Outcome, Refusal, StopReason
from agent.domain.station import Claim
from agent.domain.turn import Turn

if TYPE_CHECKING:
    from agent.domain.messages import CardTapped, Context
    from agent.domain.settings import Settings
    from agent.domain.station import Evse, Station


class Finding(Struct, frozen=True, kw_only=True):
    """What would become of the tap; `evse_uids` are those where energy would change."""

    outcome: Outcome
    reason: Refusal | Ignored | StopReason | None = None
    decided_by: DecidedBy | None = None
    evse_uids: tuple[str, ...] = ()


class RuleRead(Struct, frozen=True):
    """One rule in the order of reading, in its own words; the last one settles."""

    rule: str
    settles: bool


class Prospect(Struct, frozen=True, kw_only=True):
    """What the tap would come to: asked upstream or not, and the end of it.

    When `asks`, an answer would decide, and `finding` is what happens without one.
    """

    asks: bool
    finding: Finding


class PlaceProspect(Struct, frozen=True, kw_only=True):
    """The same if this EVSE were the only one."""

    evse_uid: str
    state: str
    prospect: Prospect


class Explanation(Struct, frozen=True, kw_only=True):
    """A reader's answer to one card, step by step, and EVSE by EVSE."""

    reader: str
    row: str
    rules: tuple[RuleRead, ...]
    prospect: Prospect
    places: tuple[PlaceProspect, ...]


def explain(
    station: Station, tapped: CardTapped, settings: Settings, context: Context
) -> Explanation:
    """Read the rules on this tap; nothing is changed and nobody is asked."""
    rules, prospect = _read_rules(station, tapped, settings, context)
    turn = Turn(station, settings, context)
    return Explanation(
        reader=tapped.reader,
        row=_describe_row(tapped),
        rules=rules,
        prospect=prospect,
        places=tuple(
            PlaceProspect(
                evse_uid=evse.uid,
                state=_describe_evse(turn, evse, tapped.reader),
                prospect=_alone(evse, station, tapped, settings, context),
            )
            for evse in turn.evses_of(tapped.reader)
        ),
    )


def _read_rules(
    station: Station, tapped: CardTapped, settings: Settings, context: Context
) -> tuple[tuple[RuleRead, ...], Prospect]:
    turn = Turn(station, settings, context)
    claim = Claim(
        tap_id=tapped.tap_id,
        reader=tapped.reader,
        uid=tapped.uid,
        tapped_at=context.now,
    )
    read = []
    for rule in taps.RULES:
        settles = rule(turn, claim, tapped)
        words = " ".join((rule.__doc__ or rule.__name__).split())
        read.append(RuleRead(words, settles))
        if settles:
            break
    asks = claim.tap_id in turn.checks
    if asks:
        taps.give_up(turn, claim.tap_id)
    return tuple(read), Prospect(asks=asks, finding=_find(turn, claim.tap_id))


def _find(turn: Turn, tap_id: str) -> Finding:
    """Read from the effects what became of the tap."""
    for effect in turn.effects:
        if isinstance(effect, Event) and effect.tap_id == tap_id and effect.outcome:
            return Finding(
                outcome=effect.outcome,
                reason=effect.reason,
                decided_by=effect.decided_by,
                evse_uids=(effect.evse_uid,) if effect.evse_uid else (),
            )
    # No outcome yet: it waits for the charger.
    started = [one for one in turn.effects if isinstance(one, EnableEnergy)]
    if started:
        session = turn.evses[started[0].evse_uid].session
        return Finding(
            outcome=Outcome.STARTED,
            decided_by=session.decided_by if session else None,
            evse_uids=(started[0].evse_uid,),
        )
    stopped = [one.evse_uid for one in turn.effects if isinstance(one, DisableEnergy)]
    return Finding(
        outcome=Outcome.STOPPED,
        decided_by=DecidedBy.LOCAL,
        evse_uids=tuple(stopped),
    )


def _alone(
    evse: Evse,
    station: Station,
    tapped: CardTapped,
    settings: Settings,
    context: Context,
) -> Prospect:
    readers = settings.readers | {tapped.reader: (evse.uid,)}
    _, prospect = _read_rules(
        station, tapped, replace(settings, readers=readers), context
    )
    return prospect


def _describe_row(tapped: CardTapped) -> str:
    token = tapped.token
    if tapped.lookup_failed:
        return "the whitelist cannot be read"
    if token is None:
        return "in no list"
    party = f"{token.country_code}*{token.party_id}".upper()
    valid = "valid" if token.valid else "not valid"
    stale = "" if tapped.fresh else "; the list is too old to be trusted"
    return f"listed by {party} ({token.upstream}): {token.whitelist}, {valid}{stale}"


def _describe_evse(turn: Turn, evse: Evse, reader: str) -> str:
    session = evse.session
    granted = any(grant.evse_uids == (evse.uid,) for grant in turn.grants)
    states = (
        (not evse.reachable, "its charger does not answer"),
        (session, f"session {session.id}" if session else ""),
        (evse.fault, f"fault {evse.fault}"),
        (granted, "granted to a card that has not plugged in yet"),
        (turn.is_stale(evse, reader), "a vehicle, plugged in for too long: replug it"),
        (evse.plugged_at is None, "free, no vehicle"),
        (True, "a vehicle waits"),
    )
    return next(text for holds, text in states if holds)

"""Start of a session: made durable, then the charger is told, then it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.domain import announcing, signals
from agent.domain.charging import is_running, stop
from agent.domain.messages import Change, DisableEnergy, EnableEnergy, Record
from agent.domain.outcomes import (
    DecidedBy,
    EventKind,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.policy import Refuse
from agent.domain.refusals import refuse
from agent.domain.sessions import CdrToken, Session
from agent.domain.settings import VERIFY_EVERY
from agent.domain.station import Claim, Evse, Grant, Pending
from agent.domain.tokens import TokenType
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from datetime import timedelta

    from agent.domain.instant import Instant
    from agent.domain.policy import Allow
    from agent.domain.settings import Settings
    from agent.domain.turn import Turn


def start(  # noqa: PLR0913 - who, where, by what right, and since when
    turn: Turn,
    evse: Evse,
    claim: Claim,
    allow: Allow,
    *,
    decided_at: Instant,
    grant: Grant | None = None,
) -> None:
    """Make the session durable, then tell the charger; the outcome waits for it.

    `grant` is what has been waiting for this, if the tap itself was answered before.
    """
    if not turn.storage_ok:
        refuse(turn, claim, Refuse(Refusal.STORAGE_FAILED, DecidedBy.LOCAL))
        return
    session = new_session(turn, evse, claim, allow)
    if grant and grant.session:
        told = grant.session
        # Whoever was told of it must be told how it goes on.
        session = replace(session, id=told.id, upstream=told.upstream, token=told.token)
    pending = Pending(
        claim=claim,
        decided_at=decided_at,
        from_grant=grant is not None,
        info=allow.info,
    )
    turn.change(
        evse.uid,
        session=session,
        pending=pending,
        served_by=claim.uid,
        verify_at=_verify_at(turn, allow, from_grant=grant is not None),
        recorded_at=turn.now.monotonic,
        recorded_wh=session.energy_wh,
        reported_at=turn.now.monotonic,
        reported_wh=session.energy_wh,
    )
    turn.lock(claim)
    turn.do(Record(Change.START, session), EnableEnergy(evse.uid, session.id))
    signals.verdict(turn, claim.reader, Signal.ACCEPTED)


def _verify_at(turn: Turn, allow: Allow, *, from_grant: bool) -> timedelta | None:
    """Say when an unknown card is asked about: at the tap nobody was heard."""
    if not allow.flagged:
        return None
    now = turn.now.monotonic
    return now if from_grant else now + VERIFY_EVERY


def new_session(turn: Turn, evse: Evse, claim: Claim, allow: Allow) -> Session:
    """Write down who charges where, and by what right, as it is now."""
    token = allow.token
    upstream, cdr_token = _book_on(turn.settings, claim, allow)
    return Session(
        id=turn.new_id(),
        evse_uid=evse.uid,
        reader=claim.reader,
        card=claim.uid.value,
        token=cdr_token,
        upstream=upstream,
        place=turn.settings.places.get(evse.uid),
        tariff=turn.settings.tariff,
        auth_method=allow.auth_method,
        decided_by=allow.decided_by,
        started_at=turn.now,
        updated_at=turn.now,
        group_id=token.group_id if token else None,
        authorization_reference=allow.authorization_reference,
        flagged=allow.flagged,
        meter_start_wh=evse.wh,
        meter_wh=evse.wh,
        meter_at=None if evse.wh is None else turn.now,
    )


def can_book(settings: Settings, allow: Allow) -> bool:
    """Whether there is a party that a session can be booked on."""
    return allow.token is not None or settings.owner_of(allow) is not None


def _book_on(settings: Settings, claim: Claim, allow: Allow) -> tuple[str, CdrToken]:
    """Say which upstream is told, and the token as that party knows it."""
    if allow.token is not None:
        token = allow.token
        return token.upstream, CdrToken(
            country_code=token.country_code,
            party_id=token.party_id,
            uid=token.uid,
            type=token.type,
            contract_id=token.contract_id,
        )
    owner = settings.owner_of(allow)
    if owner is None:
        raise ValueError("a card without a token was permitted, with nobody to book on")
    return owner.upstream, CdrToken(
        country_code=owner.country_code,
        party_id=owner.party_id,
        uid=claim.uid.value,
        type=TokenType.RFID,
        # Nobody has told us the contract, and the field must not be empty.
        contract_id=claim.uid.value,
    )


def on_enabled(turn: Turn, evse_uid: str, session_id: str) -> None:
    """The charger confirmed: the tap, or its grant, has started a session."""
    evse = turn.evses[evse_uid]
    if evse.session is None or (not is_running(evse) and not evse.reachable):
        # Whatever has ended it meanwhile: no energy without a session.
        turn.do(DisableEnergy(evse_uid, evse.session.id if evse.session else None))
    elif evse.session.id == session_id:
        announcing.started(turn, evse)


def on_enable_failed(turn: Turn, evse_uid: str, session_id: str, reason: str) -> None:
    """The charger would not: the session is INVALID and energy is off for sure."""
    evse = turn.evses[evse_uid]
    session, pending = evse.session, evse.pending
    if session is None or session.id != session_id or session.stop_reason is not None:
        return
    tap_id = pending.claim.tap_id if pending else None
    from_grant = pending is not None and pending.from_grant
    turn.emit(
        EventKind.CHARGER_FAILED,
        pending.claim if pending else None,
        tap_id=None if from_grant else tap_id,
        grant_id=tap_id if from_grant else None,
        reader=pending.claim.reader if pending else session.reader,
        evse_uid=evse_uid,
        session_id=session_id,
        uid=Uid(session.card),
        outcome=Outcome.CHARGER_FAILED if pending else None,
        decided_by=session.decided_by,
        auth_method=session.auth_method,
        decided_at=pending.decided_at if pending else None,
        info=reason,
    )
    evse = turn.change(evse_uid, pending=None)
    stop(turn, evse, StopReason.CHARGER_FAILED)
    if pending is not None:
        signals.verdict(turn, pending.claim.reader, Signal.REFUSED)

"""Life of a session: start, measure, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.messages import (
    Change,
    DisableEnergy,
    EnableEnergy,
    MeterRead,
    Record,
)
from agent.domain.outcomes import (
    DecidedBy,
    EventKind,
    Outcome,
    Refusal,
    Signal,
    StopReason,
)
from agent.domain.policy import Refuse
from agent.domain.sessions import (
    CdrToken,
    Session,
    add_reading,
    end,
    request_stop,
)
from agent.domain.station import Claim, Evse, Pending, Turn
from agent.domain.tokens import TokenType
from agent.domain.uid import Uid

if TYPE_CHECKING:
    from agent.domain.policy import Allow
    from agent.domain.station import Settings


def start(
    turn: Turn, evse: Evse, claim: Claim, allow: Allow, *, from_grant: bool = False
) -> None:
    """Make the session durable, then tell the charger; the outcome waits for it."""
    if not turn.storage_ok:
        grant_id = claim.tap_id if from_grant else None
        refusal = Refuse(Refusal.STORAGE_FAILED, DecidedBy.LOCAL)
        turn.refuse(claim, refusal, grant_id=grant_id)
        return
    session = _new_session(turn, evse, claim, allow)
    turn.change(
        evse.uid,
        session=session,
        pending=Pending(claim=claim, from_grant=from_grant, info=allow.info),
        served=True,
        recorded_at=turn.now.monotonic,
        reported_at=turn.now.monotonic,
    )
    lock(turn, claim)
    turn.do(Record(Change.START, session), EnableEnergy(evse.uid, session.id))
    turn.show(claim.reader, Signal.ACCEPTED)


def _new_session(turn: Turn, evse: Evse, claim: Claim, allow: Allow) -> Session:
    token = allow.token
    upstream, cdr_token = _book_on(turn.settings, claim, allow)
    return Session(
        id=turn.new_id(),
        evse_uid=evse.uid,
        reader=claim.reader,
        card=claim.uid.value,
        token=cdr_token,
        upstream=upstream,
        auth_method=allow.auth_method,
        decided_by=allow.decided_by,
        started_at=turn.now,
        last_updated=turn.now.wall,
        group_id=token.group_id if token else None,
        authorization_reference=allow.authorization_reference,
        flagged=allow.flagged,
        meter_start_wh=evse.wh,
        meter_wh=evse.wh,
        meter_at=None if evse.wh is None else turn.now,
    )


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


def lock(turn: Turn, claim: Claim) -> None:
    """Ignore this card at this reader for a while: its tap has just had an effect."""
    until = turn.now.monotonic + turn.settings.stop_lockout
    turn.locks[claim.reader, claim.uid] = until


def on_enabled(turn: Turn, evse_uid: str, session_id: str) -> None:
    """The charger confirmed: the tap, or its grant, has started a session."""
    evse = turn.evses[evse_uid]
    if evse.session is None:
        # Whatever has ended it meanwhile: no energy without a session.
        turn.do(DisableEnergy(evse_uid))
    elif evse.session.id == session_id and evse.session.stop_reason is None:
        tell_started(turn, evse)
        turn.show_state(evse_uid)


def tell_started(turn: Turn, evse: Evse) -> None:
    """Emit the outcome of the tap or grant that started this session, once."""
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
        auth_method=session.auth_method,
        info=pending.info,
        flagged=session.flagged,
    )


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
        evse_uid=evse_uid,
        session_id=session_id,
        outcome=Outcome.CHARGER_FAILED if pending else None,
        decided_by=session.decided_by,
        auth_method=session.auth_method,
        info=reason,
    )
    evse = turn.change(evse_uid, pending=None)
    stop(turn, evse, StopReason.CHARGER_FAILED)
    if pending is not None:
        turn.show(pending.claim.reader, Signal.REFUSED)


def on_meter(turn: Turn, reading: MeterRead) -> None:
    """Take a reading; it becomes durable at most every `meter_every`."""
    evse = turn.change(reading.evse_uid, wh=reading.wh)
    if evse.session is None:
        return
    session = add_reading(evse.session, reading.wh, turn.now)
    moved = session.energy_wh != evse.session.energy_wh
    turn.change(evse.uid, session=session)
    now = turn.now.monotonic
    if moved and now >= evse.reported_at + turn.settings.report_every:
        turn.change(evse.uid, recorded_at=now, reported_at=now)
        turn.do(Record(Change.UPDATE, session))
    elif moved and now >= evse.recorded_at + turn.settings.meter_every:
        turn.change(evse.uid, recorded_at=now)
        turn.do(Record(Change.READING, session))


def stop(
    turn: Turn, evse: Evse, reason: StopReason, claim: Claim | None = None
) -> None:
    """Decide to stop: written down, then energy off; the meter has the last word."""
    if evse.session is None or evse.session.stop_reason is not None:
        return
    tell_started(turn, evse)
    session = request_stop(evse.session, reason, turn.now)
    pending = Pending(claim=claim) if claim else None
    turn.change(evse.uid, session=session, pending=pending)
    turn.do(Record(Change.STOP, session), DisableEnergy(evse.uid))
    if claim:
        turn.show(claim.reader, Signal.ACCEPTED)


def on_disabled(turn: Turn, evse_uid: str, wh: int | None) -> None:
    """Energy is off: close the session that was waiting for it."""
    evse = turn.evses[evse_uid]
    if wh is not None:
        evse = turn.change(evse_uid, wh=wh)
    session = evse.session
    if session is None or session.stop_reason is None:
        return
    if wh is not None:
        session = add_reading(session, wh, turn.now)
    close(turn, evse, end(session, turn.now), evse.pending)


def on_disable_failed(turn: Turn, evse_uid: str) -> None:
    """The charger is out of reach: close with the last reading, and say estimated."""
    evse = turn.change(evse_uid, reachable=False)
    if evse.session is not None and evse.session.stop_reason is not None:
        ended = end(evse.session, turn.now, estimated=True)
        close(turn, evse, ended, evse.pending)


def close(turn: Turn, evse: Evse, ended: Session, pending: Pending | None) -> None:
    """Record the end, and tell the tap that asked for it."""
    turn.change(evse.uid, session=None, pending=None)
    turn.do(Record(Change.END, ended))
    turn.emit(
        EventKind.SESSION_STOPPED,
        pending.claim if pending else None,
        tap_id=pending.claim.tap_id if pending else None,
        reader=ended.reader,
        evse_uid=evse.uid,
        session_id=ended.id,
        uid=Uid(ended.card),
        outcome=Outcome.STOPPED if pending else None,
        reason=ended.stop_reason,
        decided_by=DecidedBy.LOCAL,
        auth_method=ended.auth_method,
        energy_wh=ended.energy_wh,
    )
    turn.show_state(evse.uid)


def on_disconnected(turn: Turn, evse_uid: str) -> None:
    """Unplugging always ends the session, and clears the way for the next."""
    evse = turn.change(evse_uid, plugged_at=None, served=False)
    if evse.session is None:
        turn.show_state(evse_uid)
    stop(turn, evse, StopReason.EV_DISCONNECTED)


def on_fault(turn: Turn, evse_uid: str, name: str) -> None:
    """A fault ends the session; clearing it later does not restart anything."""
    evse = turn.change(evse_uid, fault=name)
    stop(turn, evse, StopReason.FAULT)
    turn.show_state(evse_uid)

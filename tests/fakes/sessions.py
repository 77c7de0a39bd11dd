"""Sessions as the station would record them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from agent.domain.instant import Instant
from agent.domain.messages import Change, Record
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.sessions import CdrToken, Session, end, request_stop
from tests.fakes.cards import token_of, uid_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def instant(seconds: float = 0.0) -> Instant:
    """Give the moment so many seconds after noon."""
    after = timedelta(seconds=seconds)
    return Instant(
        wall=NOON + after,
        monotonic=timedelta(hours=1) + after,
        boot_id="boot-1",
        synchronized=True,
    )


def session_of(name: str = "S1", card: str = "A", **fields: Any) -> Session:  # noqa: ANN401 - fields of Session
    """Start a session with this id; a later number starts later."""
    token = token_of(card)
    started = instant(float("".join(filter(str.isdigit, name)) or 0))
    session = Session(
        id=name,
        evse_uid="E1",
        reader="front",
        card=uid_of(card).value,
        token=CdrToken(
            country_code=token.country_code,
            party_id=token.party_id,
            uid=token.uid,
            type=token.type,
            contract_id=token.contract_id,
        ),
        upstream="cpo",
        auth_method=AuthMethod.WHITELIST,
        decided_by=DecidedBy.WHITELIST,
        started_at=started,
        updated_at=started,
        meter_start_wh=1000,
        meter_wh=1000,
        meter_at=started,
    )
    return replace(session, **fields)


def ended(session: Session) -> Session:
    """Stop it and close it."""
    stopped = request_stop(session, StopReason.LOCAL, instant(3600))
    return end(stopped, instant(3601))


def started_record(session: Session) -> tuple[Record, str]:
    """Record its start, with a correlation id that tells."""
    return Record(Change.START, session), f"{session.id}-start"


def updated_record(session: Session, number: int = 1) -> tuple[Record, str]:
    """Record an update of it."""
    return Record(Change.UPDATE, session), f"{session.id}-update-{number}"


def ended_record(session: Session) -> tuple[Record, str]:
    """Record its end."""
    return Record(Change.END, ended(session)), f"{session.id}-end"

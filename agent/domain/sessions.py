"""A charging session: who, where, when and how much, as values."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from agent.domain.instant import Instant  # noqa: TC001 - msgspec reads it
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.tokens import TokenType  # noqa: TC001 - msgspec reads it
from agent.domain.uid import Uid


class SessionStatus(StrEnum):
    """OCPI's SessionStatus, as far as a tapped card can cause it."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"


class CdrToken(Struct, frozen=True, kw_only=True):
    """The token of a session, frozen at its start (OCPI 2.2.1 mod_cdrs)."""

    country_code: str
    party_id: str
    uid: str
    type: TokenType
    contract_id: str

    def __repr__(self) -> str:
        """Name the party without the card."""
        return f"CdrToken({self.country_code}*{self.party_id})"


class Session(Struct, frozen=True, kw_only=True):
    """One session; `energy_wh` and `last_updated` never go backwards.

    `card` is the canonical uid, for stopping; `upstream` is the connection that is
    told. `stop_reason` and `stop_at` are set when stopping was decided, `ended_at` when
    energy was off. `meter_wh` is the register's last reading, taken at `meter_at`, and
    `meter_start_wh` its first; all are None while there is no meter. `flagged` marks an
    unknown card that was allowed by policy, `end_estimated` an end reconstructed after
    a power cut.
    """

    id: str
    evse_uid: str
    reader: str
    card: str
    token: CdrToken
    upstream: str
    auth_method: AuthMethod
    decided_by: DecidedBy
    started_at: Instant
    last_updated: datetime
    status: SessionStatus = SessionStatus.ACTIVE
    group_id: str | None = None
    authorization_reference: str | None = None
    flagged: bool = False
    meter_start_wh: int | None = None
    meter_wh: int | None = None
    energy_wh: int = 0
    meter_at: Instant | None = None
    stop_at: Instant | None = None
    ended_at: Instant | None = None
    stop_reason: StopReason | None = None
    end_estimated: bool = False

    def __repr__(self) -> str:
        """Name the session without its card."""
        return f"Session({self.id} on {self.evse_uid}, {self.status})"

    @property
    def is_open(self) -> bool:
        """Whether energy may flow under it."""
        return self.ended_at is None

    def belongs_to(self, uid: Uid) -> bool:
        """Whether this card started it."""
        return Uid(self.card) == uid


def add_reading(session: Session, register_wh: int, now: Instant) -> Session:
    """Take a register reading; a register that ran backwards adds no energy."""
    before = session.meter_wh
    session = replace(session, meter_wh=register_wh, meter_at=now)
    if before is None:
        return replace(session, meter_start_wh=register_wh)
    if register_wh <= before:
        return session
    return replace(
        session,
        energy_wh=session.energy_wh + register_wh - before,
        last_updated=max(session.last_updated, now.wall),
    )


def request_stop(session: Session, reason: StopReason, now: Instant) -> Session:
    """Note the decision to stop; the session stays open until energy is off."""
    return replace(
        session,
        stop_reason=reason,
        stop_at=now,
        last_updated=max(session.last_updated, now.wall),
    )


def end(session: Session, at: Instant, *, estimated: bool = False) -> Session:
    """Close a session that was to stop.

    One that never delivered because its charger failed becomes INVALID. The end is
    start plus duration, so that a clock set back meanwhile cannot put it before.
    """
    invalid = session.stop_reason is StopReason.CHARGER_FAILED and not session.energy_wh
    started_at = session.started_at
    ended_at = replace(at, wall=started_at.wall + at.since(started_at))
    return replace(
        session,
        status=SessionStatus.INVALID if invalid else SessionStatus.COMPLETED,
        ended_at=ended_at,
        end_estimated=estimated,
        last_updated=max(session.last_updated, ended_at.wall),
    )

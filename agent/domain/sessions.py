"""A charging session: who, where, when and how much, as values."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from agent.domain.instant import Instant  # noqa: TC001 - msgspec reads it
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.places import Place  # noqa: TC001 - msgspec reads it
from agent.domain.tariffs import Cost, Tariff, cost
from agent.domain.tokens import TokenType  # noqa: TC001 - msgspec reads it
from agent.domain.uid import Uid

HOUR = timedelta(hours=1)
#: What a register may have moved while nobody watched, whatever the clocks say.
UNWATCHED = timedelta(days=1)
#: A register moves in steps, so that a short time may seem to hold too much.
METER_STEP_WH = 1000


class SessionStatus(StrEnum):
    """OCPI's SessionStatus, as far as a tapped card can cause it.

    PENDING is a grant that is told before anybody has plugged in.
    """

    PENDING = "PENDING"
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
    """One session; `energy_wh` and time never go backwards.

    `card` is the canonical uid, for stopping; `upstream` is the connection that is
    told. `place` and `tariff` are those at the start; without a tariff there is no
    price. `updated_at` is the last change that concerns the backend. `stop_reason` and
    `stop_at` are set when stopping was decided, `ended_at` when energy was off.
    `meter_wh` is the register's last reading, taken at `meter_at`, and
    `meter_start_wh` its first; all are None while there is no meter. `flagged` marks
    an unknown card that was allowed by policy, `meter_suspect` a register that did
    what no vehicle can do, `end_estimated` an end reconstructed after a power cut.
    `energy_cap_wh` ends it when so much was delivered. `cdr_urls` says where each
    backend keeps its CDR.
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
    updated_at: Instant
    status: SessionStatus = SessionStatus.ACTIVE
    place: Place | None = None
    tariff: Tariff | None = None
    group_id: str | None = None
    authorization_reference: str | None = None
    flagged: bool = False
    meter_start_wh: int | None = None
    meter_wh: int | None = None
    energy_wh: int = 0
    energy_cap_wh: int | None = None
    meter_at: Instant | None = None
    meter_suspect: bool = False
    stop_at: Instant | None = None
    ended_at: Instant | None = None
    stop_reason: StopReason | None = None
    end_estimated: bool = False
    cdr_urls: dict[str, str] = {}

    def __repr__(self) -> str:
        """Name the session without its card."""
        return f"Session({self.id} on {self.evse_uid}, {self.status})"

    @property
    def is_open(self) -> bool:
        """Whether energy may flow under it."""
        return self.ended_at is None

    @property
    def duration(self) -> timedelta:
        """How long it has lasted, by what is known of it."""
        return (self.ended_at or self.updated_at).since(self.started_at)

    @property
    def cost(self) -> Cost | None:
        """What it costs so far; None without a tariff, or if nobody is billed."""
        billed = self.status in (SessionStatus.ACTIVE, SessionStatus.COMPLETED)
        if self.tariff is None or not billed:
            return None
        return cost(self.tariff, self.energy_wh, self.duration)

    @property
    def is_capped(self) -> bool:
        """Whether it has delivered all that it may."""
        return self.energy_cap_wh is not None and self.energy_wh >= self.energy_cap_wh

    def belongs_to(self, uid: Uid) -> bool:
        """Whether this card started it."""
        return Uid(self.card) == uid

    def time_of(self, now: Instant) -> Instant:
        """Say when `now` is on the session's own time line, which never turns back.

        Steps of the wall clock do not move it, with one exception: where its past was
        not synchronized and the present is, the present is right.
        """
        last = self.updated_at
        if now.synchronized and not last.synchronized:
            return now
        return replace(now, wall=last.wall + now.since(last))


def add_reading(
    session: Session, register_wh: int, now: Instant, *, most_w: int
) -> Session:
    """Take a register reading; only what can have been delivered is added.

    A register that ran backwards, or further than `most_w` watts allow, marks the
    session, adds nothing, and is counted from anew.
    """
    before, read_at = session.meter_wh, session.meter_at or session.started_at
    session = replace(session, meter_wh=register_wh, meter_at=session.time_of(now))
    if before is None:
        return replace(session, meter_start_wh=register_wh)
    added_wh = register_wh - before
    if not 0 <= added_wh <= _possible_wh(now, read_at, most_w):
        return replace(session, meter_suspect=True)
    if not added_wh:
        return session
    return replace(
        session,
        energy_wh=session.energy_wh + added_wh,
        updated_at=session.time_of(now),
    )


def _possible_wh(now: Instant, before: Instant, most_w: int) -> float:
    passed = now.since(before)
    if now.boot_id != before.boot_id:
        # Only the wall clock spans a restart, and it may have stood still.
        passed = max(passed, UNWATCHED)
    return most_w * (passed / HOUR) + METER_STEP_WH


def cap(session: Session, more_wh: int, now: Instant) -> Session:
    """Let only so much more energy flow."""
    return replace(
        session,
        energy_cap_wh=session.energy_wh + more_wh,
        updated_at=session.time_of(now),
    )


def request_stop(session: Session, reason: StopReason, at: Instant) -> Session:
    """Note the decision to stop, at a moment of the session's own time line.

    It stays open until energy is off.
    """
    updated_at = _later(session.updated_at, at)
    return replace(session, stop_reason=reason, stop_at=at, updated_at=updated_at)


def end(session: Session, at: Instant, *, estimated: bool = False) -> Session:
    """Close a session that was to stop, at a moment of its own time line.

    One that never delivered because its charger failed becomes INVALID.
    """
    invalid = session.stop_reason is StopReason.CHARGER_FAILED and not session.energy_wh
    return replace(
        session,
        status=SessionStatus.INVALID if invalid else SessionStatus.COMPLETED,
        ended_at=at,
        end_estimated=estimated,
        updated_at=_later(session.updated_at, at),
    )


def lapse(session: Session, now: Instant) -> Session:
    """Close a PENDING session that nobody has plugged in for."""
    at = session.time_of(now)
    return replace(session, status=SessionStatus.INVALID, ended_at=at, updated_at=at)


def _later(one: Instant, other: Instant) -> Instant:
    """Choose the later of two moments of one session's time line."""
    if other.synchronized and not one.synchronized:
        return other  # The time line was put right in between.
    return one if one.wall > other.wall else other

"""The closed vocabularies of decisions, outcomes, signals and events."""

from __future__ import annotations

from enum import StrEnum


class AuthMethod(StrEnum):
    """Who allowed a session, as OCPI names it."""

    WHITELIST = "WHITELIST"
    AUTH_REQUEST = "AUTH_REQUEST"


class DecidedBy(StrEnum):
    """Which source of knowledge decided a tap."""

    WHITELIST = "whitelist"
    REALTIME = "realtime"
    OFFLINE_POLICY = "offline_policy"
    LOCAL = "local"


class Outcome(StrEnum):
    """What became of a tap, and later of its grant; exactly one each."""

    STARTED = "started"
    GRANTED = "granted"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    IGNORED = "ignored"
    TIMED_OUT = "timed_out"
    CHARGER_FAILED = "charger_failed"


class Refusal(StrEnum):
    """Why a tap was refused."""

    UNKNOWN_TOKEN = "unknown_token"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    NO_CREDIT = "no_credit"
    NOT_ALLOWED = "not_allowed"
    INVALID = "invalid"
    OFFLINE_NOT_PERMITTED = "offline_not_permitted"
    NO_EVSE_AVAILABLE = "no_evse_available"
    RANDOM_UID = "random_uid"
    UNREADABLE = "unreadable"
    RATE_LIMITED = "rate_limited"
    MISCONFIGURED = "misconfigured"
    STORAGE_FAILED = "storage_failed"
    MASTER_CANNOT_START = "master_cannot_start"
    WRONG_EVSE = "wrong_evse"


class Ignored(StrEnum):
    """Why a tap changed nothing."""

    LOCKOUT = "lockout"
    ALREADY_IN_PROCESS = "already_in_process"
    ALREADY_CHARGING = "already_charging"
    ALREADY_GRANTED = "already_granted"


class StopReason(StrEnum):
    """Why a session ended, or a permission was taken back."""

    LOCAL = "local"
    MASTER = "master"
    OPERATOR = "operator"
    REMOTE = "remote"
    DEAUTHORIZED = "deauthorized"
    EV_DISCONNECTED = "ev_disconnected"
    FAULT = "fault"
    POWER_LOSS = "power_loss"
    CHARGER_FAILED = "charger_failed"


class Signal(StrEnum):
    """What a reader shows to the driver."""

    READY = "ready"
    READING = "reading"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CHARGING = "charging"
    LOCKED = "locked"
    ERROR = "error"


class EventKind(StrEnum):
    """What happened, in the past tense; the same names go to every sink."""

    TAP_RECEIVED = "tap.received"
    TOKEN_ACCEPTED = "token.accepted"
    TOKEN_REJECTED = "token.rejected"
    TOKEN_TIMED_OUT = "token.timed_out"
    TOKEN_WITHDRAWN = "token.withdrawn"
    TAP_IGNORED = "tap.ignored"
    SESSION_STARTED = "session.started"
    SESSION_STOPPED = "session.stopped"
    SESSION_RECOVERED = "session.recovered"
    SESSION_CAPPED = "session.capped"
    CHARGER_FAILED = "charger.failed"
    METER_IMPLAUSIBLE = "meter.implausible"
    READER_RATE_LIMITED = "security.rate_limited"

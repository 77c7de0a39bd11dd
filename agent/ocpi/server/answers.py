"""What a request comes to: data, or a status that says why there is none."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads it
from email.utils import format_datetime
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from agent.domain.instant import ocpi_datetime

SUCCESS: Final = 1000
CLIENT_ERROR: Final = 2000
INVALID: Final = 2001
UNKNOWN_TOKEN: Final = 2004
SERVER_ERROR: Final = 3000
UNSUPPORTED_VERSION: Final = 3002

_ENCODER: Final = msgspec.json.Encoder()


class Outcome(Struct, frozen=True, kw_only=True):
    """What is answered; `data` is JSON, empty where OCPI foresees none."""

    data: bytes = b""
    http_status: int = 200
    ocpi_status: int = SUCCESS
    message: str | None = None
    headers: dict[str, str] = {}


class RequestError(Exception):
    """The answer is no; by the book HTTP stays 200 for what OCPI has a code for."""

    def __init__(
        self,
        ocpi_status: int,
        message: str,
        http_status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = Outcome(
            http_status=http_status,
            ocpi_status=ocpi_status,
            message=message,
            headers=headers or {},
        )


class _Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    data: Raw | UnsetType = UNSET
    status_code: int
    status_message: str | None = None
    timestamp: str


def write_envelope(outcome: Outcome, now: datetime) -> bytes:
    """Write the body of an answer."""
    return _ENCODER.encode(
        _Envelope(
            data=Raw(outcome.data) if outcome.data else UNSET,
            status_code=outcome.ocpi_status,
            status_message=outcome.message,
            timestamp=ocpi_datetime(now),
        )
    )


def write_date(now: datetime) -> str:
    """Write the moment for HTTP's `Date`."""
    return format_datetime(now, usegmt=True)


def encode(value: object) -> bytes:
    """Write data that is the same in every version."""
    return _ENCODER.encode(value)


def join_items(items: list[bytes]) -> bytes:
    """Make a list of objects that are written already."""
    return b"[" + b",".join(items) + b"]"

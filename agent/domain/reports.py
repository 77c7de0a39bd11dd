"""What is told upstream, and what came of telling it: the Sink port's values."""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003 - msgspec reads the annotations

from msgspec import Struct

from agent.domain.sessions import Session  # noqa: TC001 - msgspec reads it


class Report(Struct, frozen=True, kw_only=True):
    """One snapshot of a session on its way to one sink.

    `id` grows in the order of recording; `correlation_id` is fixed when the report is
    written, so that every attempt to deliver it can be recognised as the same.
    """

    id: int
    correlation_id: str
    session: Session
    attempts: int = 0


class Delivered(Struct, frozen=True):
    """The sink has it."""


class Retry(Struct, frozen=True):
    """Not now; `after` is the server's own wish, `pause` holds back the whole sink."""

    why: str
    after: timedelta | None = None
    pause: bool = False


class Refused(Struct, frozen=True):
    """Never, in the server's words; kept for a person to look at."""

    why: str


Delivery = Delivered | Retry | Refused

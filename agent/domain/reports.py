"""What is told upstream, and what came of telling it: the Sink port's values."""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003 - msgspec reads the annotations
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from agent.domain.messages import Change
from agent.domain.sessions import Session, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable


class Scope(StrEnum):
    """Whose sessions a sink is told of: those of its own tokens, all, or none."""

    OWN = "own"
    ALL = "all"
    NONE = "none"


class Subscriber(Struct, frozen=True, kw_only=True):
    """A sink, and what it wants to be told; `cdrs` adds a CDR to completed sessions."""

    name: str
    sessions: Scope = Scope.OWN
    cdrs: bool = False

    def concerns(self, session: Session) -> bool:
        """Whether it is told of this session at all."""
        own = session.upstream == self.name
        return self.sessions is Scope.ALL or (own and self.sessions is Scope.OWN)

    def wants_cdr(self, session: Session) -> bool:
        """Whether it is sent a CDR of this session: never without a price."""
        completed = session.status is SessionStatus.COMPLETED
        has_price = session.tariff is not None
        return self.cdrs and completed and has_price and self.concerns(session)


class Document(StrEnum):
    """What a report is: OCPI's Session, or its CDR."""

    SESSION = "session"
    CDR = "cdr"


_REPORTED = (Change.PENDING, Change.START, Change.UPDATE, Change.END)


def recipients(
    subscribers: Iterable[Subscriber], change: Change, session: Session
) -> list[tuple[str, Document]]:
    """Who is told what when a session has changed, in this order.

    The owner of the card is told even if he is no longer among the subscribers.
    """
    if change not in _REPORTED:
        return []
    known = {one.name: one for one in subscribers}
    known.setdefault(session.upstream, Subscriber(name=session.upstream))
    concerned = [one for one in known.values() if one.concerns(session)]
    told = [(one.name, Document.SESSION) for one in concerned]
    if change is Change.END:
        cdrs = [one.name for one in concerned if one.wants_cdr(session)]
        told += [(name, Document.CDR) for name in cdrs]
    return told


class Report(Struct, frozen=True, kw_only=True):
    """One snapshot of a session on its way to one sink.

    `id` grows in the order of recording; `correlation_id` is fixed when the report is
    written, so that every attempt to deliver it can be recognised as the same.
    """

    id: int
    sink: str = ""
    correlation_id: str
    session: Session
    document: Document = Document.SESSION
    attempts: int = 0


class Delivered(Struct, frozen=True):
    """The sink has it; `url` is where it keeps it, if it says so."""

    url: str | None = None


class Retry(Struct, frozen=True):
    """Not now; `after` is the server's own wish, `pause` holds back the whole sink."""

    why: str
    after: timedelta | None = None
    pause: bool = False


class Refused(Struct, frozen=True):
    """Never, in the server's words; kept for a person to look at."""

    why: str


Delivery = Delivered | Retry | Refused

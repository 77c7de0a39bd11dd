"""One request of a backend, as the modules see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.ocpi.server.answers import CLIENT_ERROR, INVALID, RequestError
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.ocpi.server.bodies import Body
    from agent.ocpi.server.ports import Access, Peer
    from agent.ocpi.wire import WireModel

_MAX_DIGITS = 9
_DATE_CHARS = 10  # Of YYYY-MM-DD and one more for the T


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who wants what; `version` is None until the path has named one.

    `query` holds the last value of every parameter.
    """

    peer: Peer
    access: Access
    method: str
    query: Mapping[str, str]
    body: Body
    version: str = ""

    @property
    def wire(self) -> WireModel:
        """The wire format of the version in the path."""
        return SUPPORTED[self.version]

    def require(self, *methods: str) -> None:
        """Raise RequestError for every other method."""
        if self.method not in methods:
            raise RequestError(
                CLIENT_ERROR,
                f"expected {' or '.join(methods)}",
                http_status=405,
                headers={"Allow": ", ".join(methods)},
            )

    def read_number(self, name: str, *, default: int, least: int) -> int:
        """Read a number from the query; raise RequestError."""
        text = self.query.get(name)
        if text is None:
            return default
        is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
        if not is_number or int(text) < least:
            raise RequestError(INVALID, f"{name}: expected a number from {least}")
        return int(text)

    def read_moment(self, name: str) -> datetime | None:
        """Read a moment from the query, None if it is absent; raise RequestError.

        Without a time zone it is UTC. A `+` that nobody has encoded arrives as space.
        """
        text = self.query.get(name, "").strip()
        if not text:
            return None
        date, time = text[: _DATE_CHARS + 1], text[_DATE_CHARS + 1 :]
        try:
            moment = datetime.fromisoformat(date + time.replace(" ", "+"))
            if moment.tzinfo is None:
                return moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError) as err:
            raise RequestError(
                INVALID, f"{name}: expected a moment such as 2026-01-31T12:00:00Z"
            ) from err

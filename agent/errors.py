"""What the agent raises; the class name is the retry policy.

Inside a layer these are exceptions; at a port they have become results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


class AgentError(Exception):
    """Base of all agent errors; never raised itself."""


class ConfigError(AgentError):
    """No start: the configuration is wrong; the message lists every mistake."""


class TransientUpstreamError(AgentError):
    """No answer; try again, after `retry_after` when the server named a time."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedUpstreamError(AgentError):
    """The server understood and said no; repeating the same would be refused again.

    `ocpi_status` is None when the answer had no OCPI envelope.
    """

    def __init__(
        self, message: str, http_status: int, ocpi_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.ocpi_status = ocpi_status


class CredentialsError(AgentError):
    """The server does not know our token: pause the whole connection, alarm once."""


class HeldBackError(AgentError):
    """A list too short to be believed: ask again at the next turn, not earlier."""


class HandshakeError(AgentError):
    """Registering cannot go on by itself: a person must do what the message says."""


class StoreBusyError(AgentError):
    """Another process holds the database; retry inside the deadline."""


class StoreFailedError(AgentError):
    """The database cannot be written (disk full, read-only): refuse starts."""


class StoreCorruptError(AgentError):
    """The database is damaged: nothing is granted from it."""


#: Whatever a database can answer instead of doing what it was asked.
STORE_ERRORS = (StoreBusyError, StoreFailedError, StoreCorruptError)

"""The credentials token and its `Authorization` header (OCPI 2.2.1 transport)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from enum import Enum

from agent.errors import ConfigError


class Encoding(Enum):
    """How a server expects the token in the header; the versions disagree."""

    BASE64 = "Base64"
    RAW = "as it is"

    @property
    def other(self) -> Encoding:
        """The one to try when this one is refused."""
        return Encoding.RAW if self is Encoding.BASE64 else Encoding.BASE64


class CredentialsToken:
    """The secret of one connection, not encoded; prints as dots.

    Surrounding whitespace is dropped: files and shells add newlines, and OCPI's own
    examples have one encoded into them. Raise ConfigError for what no header can hold.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value.strip()
        if not self._value:
            raise ConfigError("credentials token: expected a token, got nothing")
        if not all("!" <= char <= "~" for char in self._value):
            raise ConfigError(
                "credentials token: expected printable ASCII without spaces, "
                "got another character; copy the token again"
            )

    def __repr__(self) -> str:
        return "CredentialsToken(…)"

    __str__ = __repr__

    @property
    def value(self) -> str:
        """The secret itself, for storing it and for telling the other side."""
        return self._value

    def header(self, encoding: Encoding) -> str:
        """Write the header's value, which must never be logged."""
        return f"Token {self._written(encoding)}"

    def spellings(self) -> tuple[str, ...]:
        """All that must be removed from a text before a person sees it."""
        return tuple(self._written(encoding) for encoding in Encoding)

    def _written(self, encoding: Encoding) -> str:
        if encoding is Encoding.RAW:
            return self._value
        return b64encode(self._value.encode()).decode()

    def find_encoding_trap(self) -> str | None:
        """Warn about a token that was probably configured in its Base64 form."""
        try:
            decoded = b64decode(self._value, validate=True).decode("ascii").strip()
        except ValueError:
            return None
        if not decoded.isprintable():
            return None
        return (
            "the credentials token decodes to readable text, as if it were Base64 "
            "already; if the backend refuses it, configure the decoded form"
        )

"""Credentials tokens: which are valid for what, and how they are written."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reference.settings import Encoding
    from tests.reference.values import JsonObject


@dataclass(slots=True)
class Registration:
    """A station that is registered, or known from the start."""

    version: str
    versions_url: str
    their_token_for_us: str = field(repr=False)
    endpoints: dict[tuple[str, str], str]
    credentials: JsonObject = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Keys:
    """Every token of ours; `full` ones open everything, the others only set-up."""

    provisioned: str | None = field(default=None, repr=False)
    our_token_for_them: str | None = field(default=None, repr=False)
    invitations: set[str] = field(default_factory=set, repr=False)
    #: In a PUT or POST of ours that is not answered yet.
    pending: str | None = field(default=None, repr=False)
    registration: Registration | None = None

    @property
    def is_registered(self) -> bool:
        """Whether a handshake has been made and not been undone."""
        return self.our_token_for_them is not None

    def is_full(self, token: str) -> bool:
        """Whether it opens the functional modules."""
        return token in (self.provisioned, self.our_token_for_them)

    def is_known(self, token: str) -> bool:
        """Whether it opens versions, details and credentials."""
        return self.is_full(token) or token in self.invitations or token == self.pending


def make_token() -> str:
    """Make a credentials token that nobody can guess."""
    return secrets.token_urlsafe(24)


def write_authorization(token: str, version: str) -> str:
    """Write the header as this version has it."""
    encoded = base64.b64encode(token.encode()).decode()
    return f"Token {token if version == '2.1.1' else encoded}"


def read_authorization(header: str, encoding: Encoding, keys: Keys) -> str:
    """Return the token of ours in a header; raise ValueError with what is wrong."""
    scheme, space, value = header.partition(" ")
    if scheme != "Token" or not space or not value or " " in value:
        raise ValueError("expected `Token`, one space and the token")
    if encoding != "base64" and keys.is_known(value):
        return value
    decoded = _decode(value)
    if encoding == "raw":
        is_encoded = decoded is not None and keys.is_known(decoded)
        raise ValueError("encoded, where it is due raw" if is_encoded else "unknown")
    if decoded is None:
        raise ValueError("raw, where it is due in Base64")
    if keys.is_known(decoded):
        return decoded
    if keys.is_known(decoded.strip()):
        raise ValueError("encoded with a newline or spaces")
    raise ValueError("unknown")


def _decode(value: str) -> str | None:
    """Decode Base64 in its one right spelling, padding included."""
    try:
        content = base64.b64decode(value, validate=True)
        is_canonical = base64.b64encode(content).decode() == value
        return content.decode() if is_canonical else None
    except (binascii.Error, UnicodeDecodeError):
        return None

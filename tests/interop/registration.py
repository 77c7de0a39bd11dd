"""A party that has registered with an eMSP under test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.interop.shapes import is_211

if TYPE_CHECKING:
    from tests.interop.store import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the station gave in the handshake, as the server understood it.

    `dataclasses.replace` makes it lie: with another token, or with is_base64 turned.
    """

    version: str
    #: What the station now sends to the eMSP: TOKEN_C.
    token_for_station: str = field(repr=False)
    #: What the eMSP sends to the station: TOKEN_B.
    token_for_emsp: str = field(repr=False)
    #: The station's Credentials, its CiStrings in the server's case.
    credentials: JsonObject = field(repr=False)
    #: The station's endpoints exactly as its version details had them.
    endpoints: tuple[JsonObject, ...]
    #: How token_for_emsp is written into the header.
    is_base64: bool

    @classmethod
    def from_json(cls, kept: JsonObject) -> Self:
        """Build it from what the store keeps."""
        return cls(
            version=kept["version"],
            token_for_station=kept["token_for_station"],
            token_for_emsp=kept["credentials"]["token"],
            credentials=kept["credentials"],
            endpoints=tuple(kept["endpoints"]["endpoints"]),
            is_base64=not is_211(kept["version"]),
        )

    @property
    def party(self) -> tuple[str, str]:
        """The station's country_code and party_id."""
        role = self.credentials.get("roles", [self.credentials])[0]
        return role["country_code"], role["party_id"]

    def endpoint(self, module: str, role: str) -> str:
        """Return the URL of a module; OCPI 2.1.1 has no roles, there any will do."""
        for one in self.endpoints:
            if one["identifier"] == module and one.get("role", role) == role:
                return str(one["url"])
        offered = [(one["identifier"], one.get("role")) for one in self.endpoints]
        raise LookupError(f"expected {module} {role}, the station has {offered}")

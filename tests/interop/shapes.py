"""The eMSP's objects in the shape of each OCPI version; the store holds 2.2.1.

Needs the standard library only: both apps and the tests use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.interop.store import JsonObject

#: The eMSP's own party, in credentials and as the owner of its tokens.
COUNTRY_CODE: Final = "NL"
PARTY_ID: Final = "TNM"
#: Every TokenType of OCPI 2.1.1; tokens of other types do not exist there.
TOKEN_TYPES_211: Final = frozenset({"OTHER", "RFID"})
ADDED_BY_22: Final = frozenset(
    {
        "country_code",
        "party_id",
        "contract_id",
        "group_id",
        "default_profile_type",
        "energy_contract",
    }
)


def is_211(version: str) -> bool:
    """Tell OCPI 2.1.1 from the versions with roles, Base64 and CiStrings."""
    return version.startswith("2.1")


def token_in(version: str, token: JsonObject) -> JsonObject:
    """Return a Token of this version from one of OCPI 2.2.1."""
    if not is_211(version):
        return token
    kept = {name: token[name] for name in token if name not in ADDED_BY_22}
    return {"auth_id": token["contract_id"], **kept}


def authorization_in(version: str, info: JsonObject) -> JsonObject:
    """Return an AuthorizationInfo of this version from one of OCPI 2.2.1."""
    if not is_211(version):
        return info
    return {
        name: info[name]
        for name in info
        if name not in {"token", "authorization_reference"}
    }


def credentials_in(version: str, token: str, url: str) -> JsonObject:
    """Return the eMSP's Credentials of this version."""
    party = {
        "business_details": {"name": "Interop eMSP"},
        "party_id": PARTY_ID,
        "country_code": COUNTRY_CODE,
    }
    if is_211(version):
        return {"token": token, "url": url, **party}
    return {"token": token, "url": url, "roles": [{"role": "EMSP", **party}]}

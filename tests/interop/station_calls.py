"""What an eMSP under test asks of the station that has registered with it.

Each call goes out from the test's own process to the endpoints, and with the token,
that the station gave in the handshake. Nothing is checked and nothing is retried.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx

from tests.interop.shapes import COUNTRY_CODE, PARTY_ID, is_211, token_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.interop.registration import Registration
    from tests.interop.store import JsonObject

Party = tuple[str, str]
Query = dict[str, str]
EMSP: Final[Party] = (COUNTRY_CODE, PARTY_ID)
#: Before everything: the lists have to be asked for a beginning.
EARLIEST: Final = "2000-01-01T00:00:00Z"
TIMEOUT_S: Final = 10.0


def push_token(
    station: Registration, token: JsonObject, *, owner: Party = EMSP
) -> httpx.Response:
    """PUT an OCPI 2.2.1 Token in the station's version; `owner` stands in the URL."""
    url = _token_url(station, token["uid"], owner)
    body = token_in(station.version, token)
    return call(
        station, "PUT", url, query=_type_query(station, token["type"]), body=body
    )


def patch_token(
    station: Registration,
    uid: str,
    changes: Mapping[str, Any],
    *,
    kind: str = "RFID",
    owner: Party = EMSP,
) -> httpx.Response:
    """PATCH these fields, which are sent as they are, into a token of the station."""
    url, query = _token_url(station, uid, owner), _type_query(station, kind)
    return call(station, "PATCH", url, query=query, body=dict(changes))


def get_token(
    station: Registration, uid: str, *, kind: str = "RFID", owner: Party = EMSP
) -> httpx.Response:
    """GET a token as the station has it."""
    url, query = _token_url(station, uid, owner), _type_query(station, kind)
    return call(station, "GET", url, query=query)


def list_sessions(
    station: Registration, *, date_from: str | None = EARLIEST, **query: object
) -> httpx.Response:
    """GET one page of the station's sessions; date_to, offset, limit as keywords."""
    return _list(station, "sessions", date_from, query)


def list_cdrs(
    station: Registration, *, date_from: str | None = EARLIEST, **query: object
) -> httpx.Response:
    """GET one page of the station's CDRs; date_to, offset, limit as keywords."""
    return _list(station, "cdrs", date_from, query)


def call(
    station: Registration,
    method: str,
    url: str,
    *,
    query: Query | None = None,
    body: object = None,
) -> httpx.Response:
    """Send any request with the headers that the version asks for.

    A `query` replaces the one in the URL, so follow a Link without one. Redirects are
    not followed.
    """
    return httpx.request(
        method,
        url,
        params=query,
        json=body,
        headers=headers(station),
        timeout=TIMEOUT_S,
    )


def headers(station: Registration) -> dict[str, str]:
    """Return Authorization, and from OCPI 2.2 on message ids and routing."""
    token = station.token_for_emsp
    if station.is_base64:
        token = base64.b64encode(token.encode()).decode()
    sent = {"Authorization": f"Token {token}"}
    if is_211(station.version):
        return sent
    their_country, their_party = station.party
    return sent | {
        "X-Request-ID": str(uuid4()),
        "X-Correlation-ID": str(uuid4()),
        "OCPI-from-country-code": COUNTRY_CODE,
        "OCPI-from-party-id": PARTY_ID,
        "OCPI-to-country-code": their_country,
        "OCPI-to-party-id": their_party,
    }


def _list(
    station: Registration,
    module: str,
    date_from: str | None,
    query: Mapping[str, object],
) -> httpx.Response:
    asked = {"date_from": date_from, **query}
    sent = {name: str(value) for name, value in asked.items() if value is not None}
    # An empty query would remove what a station may have put into its own URL.
    return call(station, "GET", station.endpoint(module, "SENDER"), query=sent or None)


def _token_url(station: Registration, uid: str, owner: Party) -> str:
    base = station.endpoint("tokens", "RECEIVER").rstrip("/")
    return "/".join([base, *(quote(one, safe="") for one in (*owner, uid))])


def _type_query(station: Registration, kind: str) -> Query | None:
    # RFID is the default, and OCPI 2.1.1 knows no such parameter.
    return None if kind == "RFID" or is_211(station.version) else {"type": kind}

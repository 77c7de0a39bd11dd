"""Credentials: registration by handshake, rotation, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.checking import check
from tests.reference.discovery import Visit
from tests.reference.keys import Registration, make_token
from tests.reference.messages import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.caller import Caller
    from tests.reference.messages import Reply
    from tests.reference.state import Asked, State
    from tests.reference.tokens import Party
    from tests.reference.values import JsonObject


class CredentialsModule:
    """GET, POST, PUT and DELETE of the one credentials object."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def answer(self, asked: Asked) -> Reply:
        """Answer one request; POST and PUT call the station first."""
        if asked.rest:
            raise asked.wrong_url()
        keys = asked.state.keys
        is_theirs = asked.token == keys.our_token_for_them
        match asked.request.method:
            case "GET":
                return asked.succeed(
                    credentials(asked.state, asked.version, asked.token)
                )
            case "POST" if asked.token in keys.invitations and not keys.is_registered:
                return self._register(asked)
            case "PUT" if is_theirs:
                return self._register(asked)
            case "DELETE" if is_theirs:
                unregister(asked.state)
                return asked.succeed()
            case "POST" | "PUT" | "DELETE":
                word = "registered" if keys.is_registered else "not registered"
                raise RefusalError(2000, f"{asked.request.method}: {word}", 405)
        raise asked.wrong_method()

    def _register(self, asked: Asked) -> Reply:
        state, body = asked.state, asked.request.json()
        asked.refuse("Credentials", *check(asked.version, "Credentials", body))
        asked.refuse("Credentials", *_check_party(state, body, asked.version))
        token, url = body["token"], body["url"]
        visit = Visit(state, self._caller, token, asked.version)
        endpoints = visit.discover(url)
        keys = state.keys
        keys.invitations.discard(asked.token)
        keys.our_token_for_them = make_token()
        keys.registration = Registration(asked.version, url, token, endpoints, body)
        state.cpo = read_cpo(body)
        data = credentials(state, asked.version, keys.our_token_for_them)
        return asked.succeed(data)


def credentials(state: State, version: str, token: str) -> JsonObject:
    """Write our credentials object with this token in it."""
    settings = state.settings
    url = f"{state.origin}{settings.base}/versions"
    body: JsonObject = {"token": token, "url": url}
    details = {"name": "Reference Mobility", "website": "https://emsp.example"}
    if version == "2.1.1":
        country_code, party_id = settings.party
        named = {"country_code": country_code, "party_id": party_id}
        return body | {"business_details": details} | named
    roles = [("EMSP", settings.party)]
    if settings.hub is not None and version == "2.2.1":
        roles = [("HUB", settings.hub)]
    elif settings.hub is not None:
        body["hub_party_id"] = "".join(settings.hub)
    return body | {
        "roles": [
            {
                "role": role,
                "business_details": details,
                "country_code": country_code,
                "party_id": party_id,
            }
            for role, (country_code, party_id) in roles
        ]
    }


def read_cpo(body: JsonObject) -> Party | None:
    """Tell which CPO a station's credentials object is of."""
    if "roles" not in body:
        return body["country_code"], body["party_id"]
    roles = (one for one in body["roles"] if one["role"] == "CPO")
    cpo = next(roles, None)
    return None if cpo is None else (cpo["country_code"], cpo["party_id"])


def unregister(state: State) -> None:
    """Forget a station and every token that it had."""
    state.keys.our_token_for_them = None
    state.keys.registration = None


def _check_party(state: State, body: JsonObject, version: str) -> Iterator[str]:
    keys = state.keys
    if keys.is_known(body["token"]):
        yield "token: one of ours, where the station makes its own"
    cpo, wanted = read_cpo(body), state.settings.cpo
    if cpo is None:
        yield f"roles: expected a CPO ({version})"
    elif wanted is not None and cpo != wanted:
        yield f"country_code, party_id: expected {wanted}, got {cpo}"

"""Sessions, the receiver's side: PUT, PATCH and GET of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.reference.authorizations import check_authorization
from tests.reference.checking import check, check_patch
from tests.reference.history import check_next
from tests.reference.messages import RefusalError
from tests.reference.routing import check_receiver
from tests.reference.tokens import is_same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.messages import Reply, Request
    from tests.reference.state import Asked
    from tests.reference.values import JsonObject

_LONGEST_ID: Final = 36


@dataclass(frozen=True, slots=True)
class Told:
    """One accepted PUT or PATCH and the Session that it made."""

    session_id: str
    version: str
    method: str
    body: JsonObject
    request: Request


class SessionModule:
    """What was told of each Session, in order."""

    def __init__(self) -> None:
        self.history: list[Told] = []
        self._latest: dict[str, JsonObject] = {}
        self._forgotten: set[str] = set()

    @property
    def latest(self) -> dict[str, JsonObject]:
        """Each Session as it was told last, by its id."""
        return {body["id"]: body for body in self._latest.values()}

    def find(self, session_id: str) -> JsonObject | None:
        """Look one up; the case of an id does not count."""
        return self._latest.get(session_id.casefold())

    def forget(self) -> None:
        """Lose everything, as a backend does that is set up anew."""
        self._forgotten |= set(self._latest)
        self._latest.clear()

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        match asked.request.method, asked.rest:
            case "GET", [_, _, session_id]:
                _check_owner(asked)
                return asked.succeed(self._get(session_id))
            case "PUT", [_, _, session_id]:
                _check_owner(asked)
                return self._put(asked, session_id)
            case "PATCH", [_, _, session_id]:
                _check_owner(asked)
                return self._patch(asked, session_id)
            case _, [_, _, _]:
                raise asked.wrong_method()
        raise asked.wrong_url()

    def _get(self, session_id: str) -> JsonObject:
        session = self.find(session_id)
        if session is None:
            raise RefusalError(2000, "unknown session", 404)
        return session

    def _put(self, asked: Asked, session_id: str) -> Reply:
        body = asked.request.json()
        asked.refuse("Session", *check(asked.version, "Session", body))
        is_new = self.find(session_id) is None
        self._keep(asked, session_id, body)
        return asked.succeed(status=201 if is_new else 200)

    def _patch(self, asked: Asked, session_id: str) -> Reply:
        before = self.find(session_id)
        if before is None:
            if session_id.casefold() not in self._forgotten:
                asked.object_to("order", f"PATCH of {session_id} before any PUT")
            raise RefusalError(2000, "unknown session", 404)
        changes = asked.request.json()
        asked.refuse("Session", *check_patch(asked.version, "Session", changes))
        merged = before | changes
        if asked.version != "2.1.1" and "charging_periods" in before:
            added = changes.get("charging_periods", [])
            merged["charging_periods"] = [*before["charging_periods"], *added]
        asked.refuse("Session", *check(asked.version, "Session", merged))
        self._keep(asked, session_id, merged)
        return asked.succeed()

    def _keep(self, asked: Asked, session_id: str, body: JsonObject) -> None:
        asked.refuse("ids", *_check_ids(asked, session_id, body))
        before = self.find(session_id)
        # A version that changed in between has changed the names of fields too.
        is_comparable = before is not None and (
            ("auth_id" in before) == ("auth_id" in body)
        )
        if before is not None and is_comparable:
            asked.refuse("order", *check_next(asked.version, before, body))
        asked.refuse("authorization", *check_authorization(asked, body))
        check_receiver(asked, body)
        self._latest[session_id.casefold()] = body
        told = Told(
            body["id"], asked.version, asked.request.method, body, asked.request
        )
        self.history.append(told)


def _check_owner(asked: Asked) -> None:
    """Refuse sessions of a CPO that the station is not."""
    country_code, party_id, session_id = asked.rest
    owner = country_code, party_id
    if asked.state.cpo is None:
        asked.state.cpo = owner
    if not is_same(owner, asked.state.cpo):
        message = f"{owner} is not the CPO {asked.state.cpo}"
        asked.refuse("url", message, http_status=404)
    if not 0 < len(session_id) <= _LONGEST_ID:
        asked.refuse("url", f"session_id: expected 1 to {_LONGEST_ID} characters")
    if asked.request.query:
        asked.refuse("query", "no parameter is foreseen here")


def _check_ids(asked: Asked, session_id: str, body: JsonObject) -> Iterator[str]:
    """Compare exactly: the station made both the URL and the body."""
    if body["id"] != session_id:
        yield f"id: {body['id']!r} in the body, {session_id!r} in the URL"
    if asked.version == "2.1.1":
        return
    owner = [body["country_code"], body["party_id"]]
    if owner != asked.rest[:2]:
        yield f"country_code, party_id: {owner} in the body, not so in the URL"

"""Tokens, the sender's side: the list, and real-time authorization."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from tests.reference import fields_211, fields_221, fields_230
from tests.reference.checking import check
from tests.reference.headers import TO, read_party
from tests.reference.messages import RefusalError
from tests.reference.pages import Links, answer_page, find_page
from tests.reference.routing import check_trouble
from tests.reference.state import Answer, Given, key_of
from tests.reference.tokens import fold_party, is_same, owner, render
from tests.reference.values import JsonObject, write_json

if TYPE_CHECKING:
    from tests.reference.messages import Reply
    from tests.reference.state import Asked, State, Verdict

_TYPES: Final = {
    "2.1.1": fields_211.TOKEN_TYPE.values,
    "2.2.1": fields_221.TOKEN_TYPE.values,
    "2.3.0": fields_230.TOKEN_TYPE.values,
}
_LONGEST_UID: Final = 36
#: 2.1.1 calls the parameter by two names.
_TYPE_NAMES: Final = {"2.1.1": ("type", "token_type")}


class TokenModule:
    """GET of the list, POST of authorize."""

    def __init__(self) -> None:
        self.links = Links()
        self._references = count(1)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        match asked.request.method, asked.rest:
            case "GET", []:
                return self.list_page(asked, asked.request.query)
            case "POST", [uid, "authorize"]:
                return self._authorize(asked, uid)
            case _, [] | [_, "authorize"]:
                raise asked.wrong_method()
        raise asked.wrong_url()

    def open_link(self, asked: Asked) -> Reply:
        """Answer a page whose link was opaque."""
        _, query = find_page(self.links, asked.rest[0])
        if asked.request.query:
            asked.refuse("url", "a link to the next page was changed")
        return self.list_page(asked, query)

    def list_page(self, asked: Asked, query: dict[str, str]) -> Reply:
        """Answer one page, oldest first."""
        state = asked.state
        reply, page = answer_page(asked, list(state.tokens), self.links, query)
        for one in page:
            state.remember_told(one)
        rendered = [render(asked.version, one, state.settings.party) for one in page]
        reply.body = write_json(reply.json() | {"data": rendered})
        return reply

    def _authorize(self, asked: Asked, uid: str) -> Reply:
        state = asked.state
        token_type = self._read_type(asked)
        if not 0 < len(uid) <= _LONGEST_UID:
            asked.refuse("url", f"uid: expected 1 to {_LONGEST_UID} characters")
        location = _read_location(asked)
        known = state.find_token(uid, token_type)
        _check_route(asked, known)
        key = key_of(uid, token_type)
        if state.delivered.get(key) == "ALWAYS":
            asked.object_to("authorize", f"{uid} is ALWAYS: asking is not allowed")
        verdict = _find_verdict(state, uid) or _default(known)
        if verdict == "unknown" or (known is None and not verdict.token):
            return _unknown(asked)
        shown = {"uid": uid, "type": token_type} | (known or {}) | verdict.token
        info = self._build_info(asked, verdict, shown, location)
        state.remember_told(shown)
        state.given.setdefault(key, []).append(Given(info, asked.request))
        return asked.succeed(info)

    def _read_type(self, asked: Asked) -> str:
        names = _TYPE_NAMES.get(asked.version, ("type",))
        query = asked.request.query
        strange = query.keys() - set(names)
        asked.refuse("query", *(f"{name}: unknown parameter" for name in strange))
        token_type = next((query[name] for name in names if name in query), "RFID")
        if token_type not in _TYPES[asked.version]:
            asked.refuse("query", f"type: {token_type!r} is no TokenType")
        return token_type

    def _build_info(
        self,
        asked: Asked,
        verdict: Answer,
        shown: JsonObject,
        location: JsonObject | None,
    ) -> JsonObject:
        info: JsonObject = {"allowed": verdict.allowed}
        where = verdict.location or location
        if where is not None and verdict.allowed == "ALLOWED":
            info["location"] = where
        if verdict.info is not None:
            info["info"] = {"language": "en", "text": verdict.info}
        if asked.version == "2.1.1":
            return info
        info["token"] = render(asked.version, shown, asked.state.settings.party)
        reference = verdict.authorization_reference
        if reference is None and verdict.allowed == "ALLOWED":
            reference = f"reference-{next(self._references)}"
        if reference:
            info["authorization_reference"] = reference
        return info


def _read_location(asked: Asked) -> JsonObject | None:
    if not asked.request.body:
        if asked.state.settings.needs_location:
            raise RefusalError(2002, "expected LocationReferences")
        return None
    location: JsonObject = asked.request.json()
    problems = check(asked.version, "LocationReferences", location)
    asked.refuse("LocationReferences", *problems)
    return location


def _check_route(asked: Asked, known: JsonObject | None) -> None:
    """Let a hub find the eMSP, or say why it cannot."""
    state = asked.state
    if state.settings.hub is None or asked.version == "2.1.1":
        return
    receiver = read_party(asked.request, TO)
    if receiver is None:
        receiver = owner(known, state.settings.party) if known else None
    elif fold_party(receiver) not in state.parties():
        raise RefusalError(4001, "unknown receiver")
    elif known and not is_same(receiver, owner(known, state.settings.party)):
        asked.refuse("routing", f"OCPI-to: {receiver} does not own this token")
    if receiver is not None:
        check_trouble(state, receiver)


def _find_verdict(state: State, uid: str) -> Verdict | None:
    """Look up what a test wants said; the case of a uid does not count."""
    wanted = uid.casefold()
    found = (one for name, one in state.answers.items() if name.casefold() == wanted)
    return next(found, None)


def _default(known: JsonObject | None) -> Verdict:
    if known is None:
        return "unknown"
    return Answer() if known.get("valid", True) else Answer(allowed="BLOCKED")


def _unknown(asked: Asked) -> Reply:
    # OCPI 2004 came with 2.2.
    code = 2000 if asked.version == "2.1.1" else 2004
    shape = asked.state.settings.unknown_token
    if shape == "404":
        reply = asked.succeed()
        reply.status, reply.body = 404, b'{"detail": "not found"}'
        return reply
    raise RefusalError(code, "unknown token", 404 if shape == "404+2004" else 200)

"""CDRs, the receiver's side: POST once, and GET at the URL that was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.reference.authorizations import check_authorization
from tests.reference.checking import check
from tests.reference.consistency import start_field
from tests.reference.history import check_bill
from tests.reference.messages import RefusalError
from tests.reference.moments import read_moment
from tests.reference.routing import check_receiver
from tests.reference.tokens import is_same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.messages import Reply, Request
    from tests.reference.session_module import SessionModule
    from tests.reference.state import Asked
    from tests.reference.values import JsonObject


@dataclass(slots=True)
class Bill:
    """One accepted CDR; `requests` has every POST of it."""

    body: JsonObject
    requests: list[Request]


class CdrModule:
    """The CDRs, each by its id."""

    def __init__(self, sessions: SessionModule) -> None:
        self._sessions = sessions
        self._bills: dict[str, Bill] = {}

    @property
    def bills(self) -> list[Bill]:
        """Every CDR in the order of arrival."""
        return list(self._bills.values())

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        match asked.request.method, asked.rest:
            case "POST", []:
                return self._post(asked)
            case "GET", [name]:
                return self._get(asked, name)
            case _, [] | [_]:
                raise asked.wrong_method()
        raise asked.wrong_url()

    def _get(self, asked: Asked, name: str) -> Reply:
        bills = self.bills
        if not name.isdecimal() or not 0 < int(name) <= len(bills):
            raise RefusalError(2000, "unknown CDR", 404)
        return asked.succeed(bills[int(name) - 1].body)

    def _post(self, asked: Asked) -> Reply:
        if asked.request.query:
            asked.refuse("query", "no parameter is foreseen here")
        body = asked.request.json()
        asked.refuse("CDR", *check(asked.version, "CDR", body))
        known = self._bills.get(body["id"].casefold())
        if known is not None:
            return self._post_again(asked, known, body)
        asked.refuse("ids", *_check_owner(asked, body))
        asked.refuse("authorization", *check_authorization(asked, body))
        if "sessions" in asked.state.settings.modules:
            asked.refuse("order", *self._check_order(asked.version, body))
        check_receiver(asked, body)
        self._bills[body["id"].casefold()] = Bill(body, [asked.request])
        return self._located(asked, len(self._bills), status=201)

    def _post_again(self, asked: Asked, known: Bill, body: JsonObject) -> Reply:
        """Take only what the station cannot know to have arrived."""
        answered = any(one.delivery == "whole" for one in known.requests)
        known.requests.append(asked.request)
        if body != known.body:
            asked.refuse("order", f"CDR {body['id']} again, with other content")
        if answered:
            asked.refuse("order", f"CDR {body['id']} again, although it was answered")
        match asked.state.settings.duplicate_cdr:
            case "conflict":
                raise RefusalError(2001, "this CDR is known", 409)
            case "refuse":
                raise RefusalError(2001, "this CDR is known")
        return self._located(asked, self.bills.index(known) + 1, status=200)

    def _located(self, asked: Asked, number: int, status: int) -> Reply:
        reply = asked.succeed(status=status)
        path = asked.request.path.rstrip("/")
        reply.headers["Location"] = f"{asked.state.origin}{path}/{number}"
        return reply

    def _check_order(self, version: str, cdr: JsonObject) -> Iterator[str]:
        if cdr.get("credit"):
            yield from self._check_credit(cdr)
            return
        session = self._find_session(version, cdr)
        if session is None:
            yield "session_id: no such session was told"
            return
        if ("auth_id" in session) != ("auth_id" in cdr):
            return  # Told in another version, in which everything is named otherwise.
        for bill in self._bills.values():
            same = self._find_session(version, bill.body) is session
            if same and not bill.body.get("credit") and not self._is_credited(bill):
                yield f"session_id: already billed by {bill.body['id']}"
        yield from check_bill(version, session, cdr)

    def _check_credit(self, cdr: JsonObject) -> Iterator[str]:
        original = self._bills.get(cdr["credit_reference_id"].casefold())
        if original is None:
            yield "credit_reference_id: no such CDR was told"
        elif self._is_credited(original):
            yield "credit_reference_id: credited before"
        else:
            for name in ("session_id", "currency", "total_energy", "cdr_token"):
                if original.body.get(name) != cdr.get(name):
                    yield f"{name}: not that of the credited CDR"

    def _is_credited(self, bill: Bill) -> bool:
        name = bill.body["id"].casefold()
        references = (one.body.get("credit_reference_id", "") for one in self.bills)
        return name in {one.casefold() for one in references}

    def _find_session(self, version: str, cdr: JsonObject) -> JsonObject | None:
        """Find what a CDR is about; 2.1.1 has no id for that."""
        if version != "2.1.1":
            return self._sessions.find(cdr.get("session_id", ""))
        start, card = cdr[start_field(version, "CDR")], cdr["auth_id"]
        found = (
            session
            for session in self._sessions.latest.values()
            if session.get("auth_id") == card
            and read_moment(session[start_field(version)]) == read_moment(start)
        )
        return next(found, None)


def _check_owner(asked: Asked, body: JsonObject) -> Iterator[str]:
    if asked.version == "2.1.1" or asked.state.cpo is None:
        return
    owner = body["country_code"], body["party_id"]
    if not is_same(owner, asked.state.cpo):
        yield f"country_code, party_id: {owner} is not the CPO {asked.state.cpo}"

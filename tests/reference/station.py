"""The station as the eMSP sees it: what can be asked of it and pushed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tests.reference.caller import Call
from tests.reference.credentials_module import credentials, read_cpo, unregister
from tests.reference.discovery import Visit, find_endpoint
from tests.reference.keys import Registration, make_token
from tests.reference.messages import Problem
from tests.reference.tokens import owner, render

if TYPE_CHECKING:
    from tests.reference.caller import Called, Caller
    from tests.reference.state import State
    from tests.reference.values import JsonObject

_LONGEST_CRAWL = 1000


class Station:
    """Calls of the test's thread at the station that is registered."""

    def __init__(self, state: State, caller: Caller) -> None:
        self._state = state
        self._caller = caller

    @property
    def registration(self) -> Registration:
        """What is known of it; raise LookupError if nothing is."""
        found = self._state.keys.registration
        if found is None:
            raise LookupError("expected a station that is registered")
        return found

    # ---- set-up ---------------------------------------------------------------------

    def meet(self, versions_url: str, token: str, version: str) -> None:
        """Know a station from the start, without a handshake."""
        visit = Visit(self._state, self._caller, token, version)
        endpoints = visit.discover(versions_url)
        found = Registration(version, versions_url, token, endpoints)
        self._state.keys.registration = found

    def register(self, versions_url: str, token: str, version: str) -> Called:
        """Begin a handshake: the station gave its TOKEN_A and its versions URL."""
        self.meet(versions_url, token, version)
        return self._introduce("POST")

    def rotate(self) -> Called:
        """Give the station a new token, and take a new one from it."""
        return self._introduce("PUT")

    def unregister(self) -> Called:
        """End the registration from this side."""
        called = self._call("DELETE", self._url("credentials"), is_routed=False)
        if called.is_success:
            unregister(self._state)
        return called

    def get_credentials(self) -> Called:
        """Ask for the credentials object that is meant for us."""
        url = self._url("credentials")
        return self._call("GET", url, expects="Credentials", is_routed=False)

    def _introduce(self, method: str) -> Called:
        known, keys = self.registration, self._state.keys
        # The station fetches our versions with it before it answers.
        keys.pending = make_token()
        try:
            called = self._call(
                method,
                self._url("credentials"),
                expects="Credentials",
                body=credentials(self._state, known.version, keys.pending),
                is_routed=False,
            )
            if called.is_success:
                keys.our_token_for_them = keys.pending
                known.their_token_for_us = called.data["token"]
                known.credentials = called.data
                self._state.cpo = read_cpo(called.data)
        finally:
            keys.pending = None
        return called

    # ---- tokens ---------------------------------------------------------------------

    def push_token(self, token: JsonObject) -> Called:
        """PUT a Token."""
        self._state.remember_told(token)
        body = render(self.registration.version, token, self._state.settings.party)
        return self._call_of("PUT", token, body=body)

    def patch_token(self, token: JsonObject, changes: JsonObject) -> Called:
        """PATCH some fields of a Token; exactly `changes` is sent."""
        self._state.remember_told({**token, **changes})
        return self._call_of("PATCH", token, body=changes)

    def get_token(self, token: JsonObject) -> Called:
        """Ask for a Token as the station has it."""
        return self._call_of("GET", token, expects="Token")

    def _call_of(self, method: str, token: JsonObject, **more: Any) -> Called:  # noqa: ANN401 - as Call has them
        """Call in the name of the owner of a Token, at its URL."""
        party = owner(token, self._state.settings.party)
        base = self._url("tokens", "RECEIVER").rstrip("/")
        segments = (quote(one, safe="") for one in (*party, token["uid"]))
        is_named = token.get("type", "RFID") != "RFID"
        return self._call(
            method,
            "/".join((base, *segments)),
            query={"type": token["type"]} if is_named else {},
            sender=party,
            **more,
        )

    # ---- lists ----------------------------------------------------------------------

    def get_sessions(self, **query: str) -> list[JsonObject]:
        """Crawl the sessions; every page is checked."""
        return self._crawl("sessions", "Session[]", query)

    def get_cdrs(self, **query: str) -> list[JsonObject]:
        """Crawl the CDRs; every page is checked."""
        return self._crawl("cdrs", "CDR[]", query)

    def _crawl(
        self, module: str, expects: str, query: dict[str, str]
    ) -> list[JsonObject]:
        url = self._url(module, "SENDER")
        found: list[JsonObject] = []
        origin = urlsplit(url)[:2]
        is_part = "offset" in query
        total = None
        for _ in range(_LONGEST_CRAWL):
            called = self._call("GET", url, expects=expects, query=query)
            if not called.is_success:
                return found
            found.extend(called.data or [])
            total = self._read_count(url, called, "X-Total-Count")
            self._read_count(url, called, "X-Limit")
            url, query = self._read_link(called), {}
            if not url:
                break
            if urlsplit(url)[:2] != origin:
                self._object_to(url, "Link: leads to another origin")
                break
        if total is not None and total != len(found) and not is_part:
            self._object_to(module, f"X-Total-Count: {total}, but {len(found)} came")
        return found

    def _read_count(self, url: str, called: Called, name: str) -> int | None:
        text = called.headers.get(name, "")
        if text.isdecimal():
            return int(text)
        self._object_to(url, f"{name}: expected a number, got {text!r}")
        return None

    def _read_link(self, called: Called) -> str:
        link = str(called.headers.get("Link", ""))
        if not link:
            return ""
        url, _, rest = link.removeprefix("<").partition(">")
        if not link.startswith("<") or rest.replace(" ", "") != ';rel="next"':
            self._object_to(url, f"Link: {link!r} is not a link to the next page")
            return ""
        return url

    # ---- inside ---------------------------------------------------------------------

    def _object_to(self, where: str, message: str) -> None:
        self._state.problems.append(Problem(f"answer of {where}", "answer", message))

    def _url(self, identifier: str, role: str = "") -> str:
        known = self.registration
        url = find_endpoint(known.endpoints, known.version, identifier, role)
        if url is None:
            raise LookupError(f"expected {identifier} {role} among {known.endpoints}")
        return url

    def _call(self, method: str, url: str, **more: Any) -> Called:  # noqa: ANN401 - as Call has them
        known = self.registration
        call = Call(
            method=method,
            url=url,
            version=known.version,
            token=known.their_token_for_us,
            **more,
        )
        return self._caller.call(call)

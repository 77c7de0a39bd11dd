"""Requests to the station, whose answers are held to the specification."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx

from tests.reference.checking import check
from tests.reference.headers import FROM, MESSAGE_IDS, TO
from tests.reference.keys import write_authorization
from tests.reference.messages import JSON, Problem
from tests.reference.values import JsonObject, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.reference.state import State
    from tests.reference.tokens import Party

_TIMEOUT_S: Final = 10
_NO_CONTENT: Final = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; `expects` names the object in the answer, None if there is none."""

    method: str
    url: str
    version: str
    token: str
    expects: str | None = None
    query: Mapping[str, str] | None = None
    body: object = None
    is_routed: bool = True
    #: Who speaks, where several parties stand behind a hub.
    sender: Party | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """What the station answered."""

    http_status: int
    headers: httpx.Headers
    envelope: JsonObject

    @property
    def code(self) -> int:
        """The OCPI status; 0 without an envelope."""
        return int(self.envelope.get("status_code", 0))

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever the endpoint gives
        """What it gave; None if nothing."""
        return self.envelope.get("data")

    @property
    def is_success(self) -> bool:
        """Whether both HTTP and OCPI say so."""
        return self.http_status // 100 == 2 and 1000 <= self.code < 2000


class Caller:
    """Makes the calls of one backend; close() it."""

    def __init__(self, state: State) -> None:
        self._state = state
        settings = state.settings
        # Without a CA no certificate is good, which is also quicker than loading many.
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if settings.station_ca is not None:
            verify = ssl.create_default_context(cafile=settings.station_ca)
            if settings.client_certificate is not None:
                verify.load_cert_chain(*settings.client_certificate)
        self._http = httpx.Client(verify=verify, timeout=_TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, call: Call) -> Called:
        """Make a call and record what is wrong with its answer."""
        content = _NO_CONTENT if call.body is None else write_json(call.body)
        headers = self._headers(call)
        response = self._http.request(
            call.method,
            call.url,
            params=dict(call.query) if call.query else None,
            content=content,
            headers=headers,
        )
        called = Called(response.status_code, response.headers, _envelope(response))
        where = f"answer to {call.method} {call.url}"
        for message in _check_answer(call, headers, response, called):
            self._state.problems.append(Problem(where, "answer", message))
        return called

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"Authorization": write_authorization(call.token, call.version)}
        if call.body is not None:
            headers["Content-Type"] = JSON
        if call.version == "2.1.1":
            return headers
        headers |= {name: str(uuid4()) for name in MESSAGE_IDS}
        if call.is_routed:
            receiver = self._state.cpo or ("XX", "XXX")
            sender = call.sender or self._state.settings.party
            headers |= dict(zip(FROM, sender, strict=True))
            headers |= dict(zip(TO, receiver, strict=True))
        return headers


def _envelope(response: httpx.Response) -> JsonObject:
    try:
        value = read_json(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _check_answer(
    call: Call, sent: dict[str, str], response: httpx.Response, called: Called
) -> Iterator[str]:
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    if response.is_success or called.envelope:
        if media_type != JSON:
            yield f"Content-Type: expected {JSON}, got {media_type or 'none'}"
        yield from check(call.version, "Envelope", called.envelope)
    if not response.is_success:
        return
    yield from _check_echo(call, sent, response)
    if not called.is_success or call.expects is None:
        return
    if "data" not in called.envelope:
        yield "data: required"
        return
    for problem in check(call.version, call.expects, called.data):
        yield f"data: {problem}"


def _check_echo(
    call: Call, sent: dict[str, str], response: httpx.Response
) -> Iterator[str]:
    if call.version == "2.1.1":
        return
    for name in MESSAGE_IDS:
        if response.headers.get(name) != sent[name]:
            yield f"{name}: expected that of the request"
    for name, other in zip((*FROM, *TO), (*TO, *FROM), strict=True):
        found, wanted = response.headers.get(name), sent.get(other)
        if not call.is_routed and found is not None:
            yield f"{name}: not allowed here"
        elif call.is_routed and (found or "").casefold() != (wanted or "").casefold():
            yield f"{name}: expected {wanted}, got {found}"

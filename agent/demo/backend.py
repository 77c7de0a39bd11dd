"""A sample OCPI 2.2.1 backend: the eMSP's side of tokens and sessions.

It serves versions, version details, tokens (SENDER, with real-time authorization) and
sessions (RECEIVER) to one CPO, and takes nothing that breaks a rule.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from agent.demo import objects
from agent.demo.memory import ALLOWED, UNKNOWN, Objection
from agent.demo.objects import (
    ObjectError,
    merge_session,
    parse_moment,
    read_session,
)
from agent.domain.instant import ocpi_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.requests import Request

    from agent.demo.memory import Memory
    from agent.demo.objects import Session, Token

VERSION: Final = "2.2.1"
#: At most so many tokens in a page; small, so that the demo has several.
PAGE_LIMIT: Final = 3

_SUCCESS: Final = 1000
_CLIENT_ERROR: Final = 2000
_INVALID: Final = 2001
_NOT_ENOUGH: Final = 2002
_UNKNOWN_LOCATION: Final = 2003
_UNKNOWN_TOKEN: Final = 2004

_JSON: Final = "application/json"
_MESSAGE_IDS: Final = ("X-Request-ID", "X-Correlation-ID")


class _RequestError(Exception):
    """The answer is no; by the book, HTTP stays 200 for what OCPI has a code for."""

    def __init__(self, ocpi_status: int, message: str, http_status: int = 200) -> None:
        super().__init__(message)
        self.ocpi_status = ocpi_status
        self.http_status = http_status


def make_app(memory: Memory, credentials_token: str) -> Starlette:
    """Build the backend; its party of the other side is whoever has the token."""
    backend = _Backend(memory)

    def route(path: str, handler: _Handler, *methods: str) -> Route:
        endpoint = _ocpi(handler, memory, credentials_token)
        return Route(path, endpoint, methods=methods, name=handler.__name__)

    base = f"/ocpi/emsp/{VERSION}"
    session = f"{base}/sessions/{{country_code}}/{{party_id}}/{{session_id}}"
    return Starlette(
        routes=[
            route("/ocpi/versions", backend.versions, "GET"),
            route(base, backend.details, "GET"),
            route(f"{base}/tokens", backend.tokens, "GET"),
            route(f"{base}/tokens/{{uid}}/authorize", backend.authorize, "POST"),
            route(session, backend.show_session, "GET"),
            route(session, backend.put_session, "PUT"),
            route(session, backend.patch_session, "PATCH"),
        ]
    )


class _Backend:
    """One method per endpoint."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def versions(self, request: Request) -> Response:
        url = str(request.url_for("details"))
        return _answer([{"version": VERSION, "url": url}])

    async def details(self, request: Request) -> Response:
        base = str(request.url_for("details"))
        endpoints = [
            {"identifier": "tokens", "role": "SENDER", "url": f"{base}/tokens"},
            {"identifier": "sessions", "role": "RECEIVER", "url": f"{base}/sessions"},
        ]
        return _answer({"version": VERSION, "endpoints": endpoints})

    async def tokens(self, request: Request) -> Response:
        """One page, oldest first; `Link` leads to the next one, filters included."""
        offset = _read_number(request, "offset", default=0, least=0)
        limit = _read_number(request, "limit", default=PAGE_LIMIT, least=1)
        limit = min(limit, PAGE_LIMIT)
        listed = list(_between(request, self._memory.tokens))
        headers = {"X-Total-Count": str(len(listed)), "X-Limit": str(PAGE_LIMIT)}
        if offset + limit < len(listed):
            following = request.url.include_query_params(
                offset=offset + limit, limit=limit
            )
            headers["Link"] = f'<{following}>; rel="next"'
        return _answer(listed[offset : offset + limit], headers=headers)

    async def authorize(self, request: Request) -> Response:
        """The real-time word on a card; unknown is HTTP 404 and OCPI 2004 at once."""
        token_type = request.query_params.get("type", "RFID")
        if token_type not in get_args(objects.TokenType):
            raise _RequestError(_INVALID, "type: expected a TokenType")
        location = await self._read_location(request)
        question, token = self._memory.answer(request.path_params["uid"], token_type)
        if question.answer == UNKNOWN:
            raise _RequestError(_UNKNOWN_TOKEN, "unknown token", http_status=404)
        info: dict[str, Any] = {"allowed": question.answer, "token": token}
        if question.answer == ALLOWED:
            info["location"] = location
            info["authorization_reference"] = question.authorization_reference
        else:
            text = f"The backend says: {question.answer}"
            info["info"] = {"language": "en", "text": text}
        return _answer(info)

    async def show_session(self, request: Request) -> Response:
        session = self._memory.latest(request.path_params["session_id"])
        if session is None:
            raise _RequestError(_CLIENT_ERROR, "unknown session", http_status=404)
        return _answer(session)

    async def put_session(self, request: Request) -> Response:
        """Replace the whole session; HTTP 201 if it is new."""
        before = self._memory.latest(request.path_params["session_id"])
        self._keep(request, read_session(await _read_body(request), before))
        return _answer(http_status=200 if before else 201)

    async def patch_session(self, request: Request) -> Response:
        before = self._memory.latest(request.path_params["session_id"])
        if before is None:
            raise _RequestError(_CLIENT_ERROR, "unknown session", http_status=404)
        merged = merge_session(before, await _read_body(request))
        self._keep(request, read_session(merged, before))
        return _answer()

    def _keep(self, request: Request, session: Session) -> None:
        wanted = request.path_params
        ids = (session.country_code, session.party_id, session.id)
        if ids != (wanted["country_code"], wanted["party_id"], wanted["session_id"]):
            raise ObjectError("country_code, party_id, id: expected those of the URL")
        self._memory.keep(session)

    async def _read_location(self, request: Request) -> objects.LocationReferences:
        if not await request.body():
            raise _RequestError(_NOT_ENOUGH, "expected LocationReferences")
        try:
            location = msgspec.json.decode(
                await _read_body(request), type=objects.LocationReferences
            )
        except msgspec.ValidationError as err:
            raise ObjectError(str(err)) from err
        if location.location_id.casefold() not in self._memory.locations:
            raise _RequestError(_UNKNOWN_LOCATION, "unknown location")
        return location


# ---- around every request -----------------------------------------------------------

_Handler = Callable[["Request"], Awaitable[Response]]


def _ocpi(handler: _Handler, memory: Memory, credentials_token: str) -> _Handler:
    """Let in who knows the token, and answer every problem in an envelope."""

    async def endpoint(request: Request) -> Response:
        try:
            _authenticate(request, credentials_token)
            _check_message_ids(request)
            response = await handler(request)
        except _RequestError as err:
            response = _answer(
                http_status=err.http_status,
                status_code=err.ocpi_status,
                status_message=str(err),
            )
        except ObjectError as err:
            what = f"{request.method} {handler.__name__}"
            memory.object_to(Objection(what, str(err)))
            response = _answer(status_code=_INVALID, status_message=str(err))
        for name in _MESSAGE_IDS:
            if name in request.headers:
                response.headers[name] = request.headers[name]
        return response

    return endpoint


def _authenticate(request: Request, credentials_token: str) -> None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    try:
        given = b64decode(value, validate=True)
    except ValueError:
        given = b""
    known = hmac.compare_digest(given, credentials_token.encode())
    if scheme != "Token" or not known:
        raise _RequestError(_CLIENT_ERROR, "unknown credentials", http_status=401)


def _check_message_ids(request: Request) -> None:
    for name in _MESSAGE_IDS:
        if not request.headers.get(name):
            raise ObjectError(f"{name}: required in every request")


async def _read_body(request: Request) -> bytes:
    """Take the body of a request, which must be JSON and say so."""
    if request.headers.get("Content-Type") != _JSON:
        raise ObjectError(f"Content-Type: expected {_JSON}")
    body = await request.body()
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as err:
        raise _RequestError(_CLIENT_ERROR, "expected JSON", http_status=400) from err
    return body


def _answer(
    data: object = None,
    *,
    http_status: int = 200,
    headers: dict[str, str] | None = None,
    **status: object,
) -> Response:
    envelope = {"status_code": _SUCCESS, **status}
    if data is not None:
        envelope["data"] = data
    envelope["timestamp"] = ocpi_datetime(datetime.now(UTC))
    body = msgspec.json.encode(envelope)
    return Response(body, http_status, headers, media_type=_JSON)


def _read_number(request: Request, name: str, *, default: int, least: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise ObjectError(f"{name}: expected a number from {least}")
    return int(text)


def _between(request: Request, tokens: Iterable[Token]) -> Iterator[Token]:
    """Tokens whose `last_updated` is from `date_from` on and before `date_to`."""
    date_from, date_to = (
        parse_moment(name, text) if (text := request.query_params.get(name)) else None
        for name in ("date_from", "date_to")
    )
    for token in tokens:
        updated = parse_moment("last_updated", token.last_updated)
        if (date_from is None or date_from <= updated) and (
            date_to is None or updated < date_to
        ):
            yield token

"""Every request, from its head to its answer: an envelope, whatever happens."""

from __future__ import annotations

import logging
import re
import traceback
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from agent.errors import STORE_ERRORS
from agent.ocpi.server.answers import (
    CLIENT_ERROR,
    SERVER_ERROR,
    UNSUPPORTED_VERSION,
    Outcome,
    RequestError,
    write_date,
    write_envelope,
)
from agent.ocpi.server.bodies import Body
from agent.ocpi.server.doorkeeper import Doorkeeper
from agent.ocpi.server.listing import Lists
from agent.ocpi.server.options import KIB
from agent.ocpi.server.ports import Access
from agent.ocpi.server.registering import CDRS, SESSIONS, TOKENS, Registering
from agent.ocpi.server.tokens import PushedTokens
from agent.ocpi.server.visits import Visit
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

    from agent.clock import Clock
    from agent.ocpi.server.options import Limits, ServerOptions
    from agent.ocpi.server.ports import Peer, SessionBook, TokenBook

_LOGGER = logging.getLogger(__name__)

_JSON: Final = "application/json"
_MESSAGE_IDS: Final = ("X-Request-ID", "X-Correlation-ID")
_SANE_ID: Final = re.compile(r"[!-~]{1,64}")
_SANE_PARTY: Final = re.compile(r"[0-9A-Za-z]{2,3}")
_PARTY_PARTS: Final = ("country-code", "party-id")
_FUNCTIONAL: Final = (TOKENS, SESSIONS, CDRS)
_BUSY_S: Final = "10"


class Services(Struct, frozen=True, kw_only=True):
    """Whom the server serves, and with what."""

    peers: Sequence[Peer]
    tokens: TokenBook
    sessions: SessionBook
    clock: Clock


class Application:
    """The OCPI server as an ASGI application."""

    def __init__(
        self, options: ServerOptions, services: Services, limits: Limits
    ) -> None:
        self._limits = limits
        self._clock = services.clock
        self._max_bytes = options.max_body_kib * KIB
        self._base = read_segments(urlsplit(options.public_url).path)
        self._doorkeeper = Doorkeeper(
            services.peers,
            services.clock,
            per_minute=options.max_requests_per_minute,
            strangers_per_minute=limits.strangers_per_minute,
        )
        self._registering = Registering(options.public_url)
        self._tokens = PushedTokens(services.tokens)
        self._lists = Lists(services.sessions, options.public_url)
        self._is_store_failing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body = Body(request, self._max_bytes, self._limits)
        segments = self._find_path(scope["raw_path"].decode("ascii"))
        outcome = await self._answer(request, body, segments)
        headers = self._headers(request.headers, segments) | outcome.headers
        if not await body.finish():
            headers["Connection"] = "close"
        content = write_envelope(outcome, self._clock.now().wall)
        response = Response(
            content, outcome.http_status, headers=headers, media_type=_JSON
        )
        await response(scope, receive, send)

    async def _answer(
        self, request: Request, body: Body, segments: list[str] | None
    ) -> Outcome:
        try:
            peer, access = self._doorkeeper.admit(
                request.headers.getlist("authorization")
            )
            visit = Visit(
                peer=peer,
                access=access,
                method=request.method,
                query=dict(request.query_params),
                body=body,
            )
            outcome = await self._route(visit, segments)
        except RequestError as err:
            return err.outcome
        except ClientDisconnect:
            return Outcome(http_status=400, ocpi_status=CLIENT_ERROR)
        except STORE_ERRORS as err:
            if not self._is_store_failing:
                _LOGGER.warning("a %s cannot be served: %s", request.method, err)
            self._is_store_failing = True
            return _failed(503, "the station cannot store this now; try again")
        except Exception as err:  # noqa: BLE001 - whatever it is, the next request goes on
            _log_bug(request.method, err)
            return _failed(500, "unexpected error")
        else:
            self._is_store_failing = False
            return outcome

    async def _route(self, visit: Visit, segments: list[str] | None) -> Outcome:
        match segments:
            case ["versions"]:
                return self._registering.versions(visit)
            case [version, *path] if version in SUPPORTED:
                return await self._route_version(_enter(visit, version), path)
            case _:
                raise _nothing_here()

    async def _route_version(self, visit: Visit, path: list[str]) -> Outcome:
        if not path:
            return self._registering.details(visit)
        if visit.access is not Access.FULL:
            raise RequestError(
                CLIENT_ERROR, "not before the registration is done", http_status=401
            )
        match path:
            case ["credentials"]:
                return await self._registering.credentials(visit)
            case ["tokens", country_code, party_id, uid]:
                return await self._tokens.serve(visit, (country_code, party_id, uid))
            case ["sessions"]:
                return await self._lists.sessions(visit)
            case ["cdrs"]:
                return await self._lists.cdrs(visit)
            case _:
                raise _nothing_here()

    def _find_path(self, raw: str) -> list[str] | None:
        """Take apart what follows the public URL's path; None if it is elsewhere."""
        segments = read_segments(raw)
        depth = len(self._base)
        return segments[depth:] if segments[:depth] == self._base else None

    def _headers(self, asked: Headers, segments: list[str] | None) -> dict[str, str]:
        """Repeat the message's ids, and turn its direction around where it has one."""
        headers = {"Date": write_date(self._clock.now().wall)}
        for name in _MESSAGE_IDS:
            if _SANE_ID.fullmatch(value := asked.get(name, "")):
                headers[name] = value
        match segments:
            case [version, module, *_] if (
                version in SUPPORTED
                and SUPPORTED[version].NAMES_PARTIES
                and module in _FUNCTIONAL
            ):
                for to, back in (("from", "to"), ("to", "from")):
                    for part in _PARTY_PARTS:
                        value = asked.get(f"OCPI-{to}-{part}", "")
                        if _SANE_PARTY.fullmatch(value):
                            headers[f"OCPI-{back}-{part}"] = value
        return headers


def read_segments(path: str) -> list[str]:
    """Take a path apart; slashes too many are no segments."""
    return [unquote(segment) for segment in path.split("/") if segment]


def _enter(visit: Visit, version: str) -> Visit:
    if version not in visit.peer.versions:
        raise RequestError(
            UNSUPPORTED_VERSION, f"OCPI {version} is not served here", http_status=404
        )
    return Visit(
        peer=visit.peer,
        access=visit.access,
        method=visit.method,
        query=visit.query,
        body=visit.body,
        version=version,
    )


def _nothing_here() -> RequestError:
    return RequestError(CLIENT_ERROR, "there is nothing at this URL", http_status=404)


def _failed(http_status: int, message: str) -> Outcome:
    """Fail so that also those notice who look at HTTP only: nothing was stored."""
    return Outcome(
        http_status=http_status,
        ocpi_status=SERVER_ERROR,
        message=message,
        headers={"Retry-After": _BUSY_S},
    )


def _log_bug(method: str, err: Exception) -> None:
    """Tell where it happened, but not with which words: a card may be in them."""
    where = "".join(traceback.format_tb(err.__traceback__))
    _LOGGER.error("a %s ended in %s\n%s", method, type(err).__name__, where)

"""From the versions URL to the endpoints we use (OCPI 2.2.1 version_information)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from agent.errors import RefusedUpstreamError, TransientUpstreamError
from agent.ocpi.authorization import Encoding
from agent.ocpi.envelope import UNREADABLE, open_envelope, read_items, unwrap_single
from agent.ocpi.transport import Call
from agent.ocpi.urls import resolve_url
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from agent.ocpi.probing import ProbingClient
    from agent.ocpi.transport import Response


_LOGGER = logging.getLogger(__name__)

DOUBT: Final = "is versions_url right?"


class Endpoints(Struct, frozen=True, kw_only=True):
    """Where a backend serves what we need, in the version that was chosen.

    `tokens` is None for a backend that owns no cards, `sessions` and `cdrs` for one
    that fetches them itself; `encoding` is how it read our token when it told us.
    """

    version: str
    tokens: str | None = None
    sessions: str | None = None
    cdrs: str | None = None
    credentials: str | None = None
    encoding: Encoding = Encoding.BASE64


class Wanted(Struct, frozen=True, kw_only=True):
    """What we look for: `versions`, best first, and whether there must be tokens.

    `unusable` says of a version that we speak what our configuration lacks for it.
    """

    versions: tuple[str, ...]
    tokens: bool = True
    unusable: dict[str, str] = {}


class _Version(Struct, frozen=True):
    version: str
    url: str


class _Endpoint(Struct, frozen=True):
    identifier: str
    url: str
    role: str | None = None

    @property
    def name(self) -> str:
        return f"{self.identifier} {self.role or 'without role'}"


class _Details(Struct, frozen=True):
    endpoints: Raw


_VERSION: Final = msgspec.json.Decoder(_Version)
_DETAILS: Final = msgspec.json.Decoder(_Details)
_ENDPOINT: Final = msgspec.json.Decoder(_Endpoint)


async def discover(
    client: ProbingClient, versions_url: str, wanted: Wanted
) -> Endpoints:
    """Fetch versions and details.

    Raise RefusedUpstreamError when the backend lacks what we need: only its operator
    or ours can change that.
    """
    first = SUPPORTED[wanted.versions[0]].ENCODING
    call = Call(method="GET", url=versions_url, doubt=DOUBT)
    version, url = choose_version(await client.ask(call, "versions", first), wanted)
    call = Call(method="GET", url=url)
    scope = f"{version} details"
    details = await client.ask(call, scope, SUPPORTED[version].ENCODING)
    return read_endpoints(details, version, needs_tokens=wanted.tokens)


def choose_version(response: Response, wanted: Wanted) -> tuple[str, str]:
    """Pick the first wanted version that is offered, and the URL of its details."""
    offered = read_items(open_envelope(response), _VERSION)
    if offered is None:
        raise TransientUpstreamError(
            f"{response.call.name}: expected a list of versions, got something else; "
            f"{DOUBT}"
        )
    for version in wanted.versions:
        for offer in offered:
            if offer.version == version:
                return version, _trusted_url(response, f"version {version}", offer.url)
    names = response.quote(", ".join(offer.version for offer in offered))
    advice = "ask the backend for its other versions URL, if it has one"
    for offer in offered:
        if (lack := wanted.unusable.get(offer.version)) is not None:
            advice = f"{offer.version} needs {lack}"
    raise _refuse(
        response,
        f"expected version {' or '.join(wanted.versions)}, got "
        f"{names or 'no version'}; {advice}",
    )


def read_endpoints(
    response: Response, version: str, *, needs_tokens: bool = True
) -> Endpoints:
    """Find the endpoints in a version's details; modules we do not use are skipped."""
    offered = _read_offered(response)
    has_roles = SUPPORTED[version].NAMES_PARTIES

    def find(identifier: str, role: str) -> str | None:
        found = [
            offer.url
            for offer in offered
            if offer.identifier.casefold() == identifier
            and (not has_roles or not role or (offer.role or "").upper() == role)
        ]
        if len(found) > 1 and not has_roles:
            found = _prefer_emsp(response, identifier, found)
        name = f"{identifier} {role}".strip()
        return _trusted_url(response, name, found[0]) if found else None

    tokens = find("tokens", "SENDER")
    if tokens is None and needs_tokens:
        names = response.quote(", ".join(offer.name for offer in offered))
        raise _refuse(
            response,
            f"expected an endpoint tokens{' SENDER' if has_roles else ''}, got "
            f"{names or 'no endpoints'}; "
            "ask the backend for the versions URL of its eMSP role",
        )
    return Endpoints(
        version=version,
        tokens=tokens,
        sessions=find("sessions", "RECEIVER"),
        cdrs=find("cdrs", "RECEIVER"),
        # Its role means nothing, whatever servers write there.
        credentials=find("credentials", ""),
        encoding=response.encoding,
    )


def _prefer_emsp(response: Response, identifier: str, urls: list[str]) -> list[str]:
    """Choose among several of one name: OCPI 2.1.1 does not tell the sides apart."""
    paths = {url: _path_of(response, url) for url in urls}
    chosen = sorted(urls, key=lambda url: "emsp" not in paths[url].casefold())
    _LOGGER.warning(
        "%s: lists %s %d times; using the one at %s",
        response.call.name,
        identifier,
        len(urls),
        response.quote(paths[chosen[0]]),
    )
    return chosen


def _path_of(response: Response, reference: str) -> str:
    """Read the path alone: the host of an eMSP may be called so in every URL."""
    url = resolve_url(response.url, reference)
    return url.path if url else ""


def _read_offered(response: Response) -> list[_Endpoint]:
    details = unwrap_single(open_envelope(response))
    try:
        endpoints = _DETAILS.decode(details or b"")
    except UNREADABLE as err:
        raise TransientUpstreamError(
            f"{response.call.name}: expected version details, got something else"
        ) from err
    offered = read_items(endpoints.endpoints, _ENDPOINT)
    return [] if offered is None else offered


def _trusted_url(response: Response, name: str, reference: str) -> str:
    """Resolve a published URL; our token must not leave https once it is there."""
    url = resolve_url(response.url, reference)
    if url is None:
        raise _refuse(response, f"the URL of {name} cannot be read")
    if url.scheme == "http" and response.url.startswith("https:"):
        raise _refuse(
            response, f"the URL of {name} is http, expected https as in the request"
        )
    return str(url)


def _refuse(response: Response, problem: str) -> RefusedUpstreamError:
    return RefusedUpstreamError(f"{response.call.name}: {problem}", response.status)

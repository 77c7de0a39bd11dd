"""Where a redirect leads, and whether we may go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from agent.errors import TransientUpstreamError
from agent.ocpi.urls import is_same_origin, resolve_url, show_origin

if TYPE_CHECKING:
    from agent.ocpi.transport import Response

# For browsers 301 and 302 turn a POST into a GET, for historical reasons. A server that
# sends them about an API means the same request at another place.
_AMBIGUOUS: Final = (301, 302)
REDIRECTS: Final = (*_AMBIGUOUS, 307, 308)
_UNAUTHORIZED: Final = (401, 403)


def find_target(response: Response) -> httpx.URL:
    """Read where a redirect leads; never give the token to another server."""
    name = response.call.name
    location = response.headers.get("location", "")
    target = resolve_url(response.url, location)
    if target is None or not location:
        raise TransientUpstreamError(f"{name}: redirected to an unreadable Location")
    if not is_same_origin(target, httpx.URL(response.url)):
        raise TransientUpstreamError(
            f"{name}: redirected to {show_origin(target)}, another server, which must "
            "not see our token; configure its URL if it is the right one"
        )
    return target


def may_be_a_login(response: Response, target: httpx.URL) -> bool:
    """Whether this is how people are sent to a page, and not just about a slash."""
    path = httpx.URL(response.url).path
    return response.status in _AMBIGUOUS and path.rstrip("/") != target.path.rstrip("/")


def check_arrival(response: Response) -> None:
    """Raise TransientUpstreamError if what answers at the target is no API.

    A page for people has no such card either, and that is no answer about a card.
    """
    kind = response.headers.get("content-type", "")
    is_about_token = response.status in _UNAUTHORIZED and "html" not in kind.lower()
    if response.status >= 400 and not is_about_token:  # noqa: PLR2004 - an error
        raise TransientUpstreamError(
            f"{response.call.name}: redirected to another path that answered HTTP "
            f"{response.status}; is it a page to log in? Configure the URL of the API"
        )

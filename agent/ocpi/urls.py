"""URLs as servers publish them: with or without a slash, absolute or not."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import httpx

_MAX_PORT: Final = 65_535


def join_url(base: str, *segments: str) -> str:
    """Append path segments, percent-encoded, with exactly one slash before each."""
    parts = urlsplit(base)
    tail = "/".join(quote(segment, safe="") for segment in segments)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{tail}").geturl()


def resolve_url(base: str, reference: str) -> httpx.URL | None:
    """Read a reference found at `base`; None unless it leads to a web server."""
    try:
        url = httpx.URL(urljoin(base, reference))
    except (httpx.InvalidURL, ValueError):
        return None
    is_web = url.scheme in {"http", "https"} and url.host
    return url if is_web and (url.port or 0) <= _MAX_PORT else None


def is_same_origin(left: httpx.URL, right: httpx.URL) -> bool:
    """Whether both are served by one server: scheme, host and port."""
    return (left.scheme, left.host, left.port) == (
        right.scheme,
        right.host,
        right.port,
    )

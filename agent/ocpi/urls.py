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
        target = urljoin(base, reference)
        urlsplit(target)  # Checks what joining with nothing does not.
        url = httpx.URL(target)
    except (httpx.InvalidURL, ValueError):
        return None
    # Not `url.host`: it fails for names that only look like international ones.
    is_web = url.scheme in {"http", "https"} and url.raw_host
    return url if is_web and (url.port is None or 0 < url.port <= _MAX_PORT) else None


def is_same_origin(left: httpx.URL, right: httpx.URL) -> bool:
    """Whether both are served by one server: scheme, host and port."""
    return _origin(left) == _origin(right)


def show_origin(url: httpx.URL) -> str:
    """Name the server for a message, without user, path and query."""
    host = url.raw_host.decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    port = "" if url.port is None else f":{url.port}"
    return f"{url.scheme}://{shown}{port}"


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port

"""URLs as servers publish them."""

from __future__ import annotations

import httpx
import pytest

from agent.ocpi.urls import is_same_origin, join_url, resolve_url


@pytest.mark.parametrize(
    ("base", "segments", "joined"),
    [
        ("https://e.example/tokens", ("04AB", "authorize"), "/tokens/04AB/authorize"),
        ("https://e.example/tokens/", ("04AB", "authorize"), "/tokens/04AB/authorize"),
        ("https://e.example/", ("a",), "/a"),
        ("https://e.example", ("a",), "/a"),
        ("https://e.example/t", ("a/b ?c#d",), "/t/a%2Fb%20%3Fc%23d"),
        ("https://e.example/t", ("04:A1",), "/t/04%3AA1"),
        ("https://e.example/t?key=1", ("å",), "/t/%C3%A5?key=1"),
    ],
)
def test_join(base: str, segments: tuple[str, ...], joined: str) -> None:
    """One slash before each segment, and no segment can become two."""
    url = join_url(base, *segments)
    assert url == f"https://e.example{joined}"
    # What goes over the wire is the same: httpx does not decode it again.
    assert httpx.URL(url).raw_path.decode() == joined


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("https://other.example/x/", "https://other.example/x/"),
        ("/x", "https://e.example/x"),
        ("?offset=2", "https://e.example/a/b?offset=2"),
        ("ftp://e.example/x", None),
        ("https:///x", "https://e.example/x"),
        ("https://[::1", None),
        ("http://e.example:99999999/x", None),
        ("javascript:alert(1)", None),
    ],
)
def test_resolve(reference: str, url: str | None) -> None:
    """Relative references are completed, and garbage is recognised."""
    resolved = resolve_url("https://e.example/a/b", reference)
    assert (None if resolved is None else str(resolved)) == url


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://e.example/elsewhere", True),
        ("https://E.example:443/", True),
        ("http://e.example/", False),
        ("https://e.example:8443/", False),
        ("https://e.example.evil.example/", False),
        ("https://e.example@evil.example/", False),
    ],
)
def test_origin(other: str, *, same: bool) -> None:
    """Scheme, host and port make an origin."""
    assert is_same_origin(httpx.URL("https://e.example/"), httpx.URL(other)) is same

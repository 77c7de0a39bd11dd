"""URLs as servers publish them."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ocpi.urls import is_same_origin, join_url, resolve_url, show_origin


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
        ("http://e.example:0/x", None),
        ("javascript:alert(1)", None),
        ("https://xn--a-\x80/", None),
        ("https://xn--zzzz99999/x", "https://xn--zzzz99999/x"),
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
        ("https://user@e.example/", True),
        ("https://xn--zzzz99999/", False),
        ("http://e.example/", False),
        ("https://e.example:8443/", False),
        ("https://e.example.evil.example/", False),
        ("https://e.example@evil.example/", False),
    ],
)
def test_origin(other: str, *, same: bool) -> None:
    """Scheme, host and port make an origin."""
    assert is_same_origin(httpx.URL("https://e.example/"), httpx.URL(other)) is same


@given(
    st.text(max_size=40)
    | st.tuples(
        st.sampled_from(["https://", "http://xn--", "//", "https://[", "?", ""]),
        st.text(max_size=20),
    ).map("".join)
)
def test_any_reference(reference: str) -> None:
    """Whatever a server writes is a web address or nothing, never a surprise."""
    url = resolve_url("https://e.example/a/b", reference)
    if url is not None:
        assert show_origin(url).startswith(("https://", "http://"))
        assert is_same_origin(url, url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@e.example/secret?key=1", "https://e.example"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
        ("https://müller.example/", "https://xn--mller-kva.example"),
    ],
)
def test_shown(url: str, shown: str) -> None:
    """Messages name the server and nothing that may be private."""
    assert show_origin(httpx.URL(url)) == shown

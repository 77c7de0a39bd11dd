"""What an answer means."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from agent.errors import (
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.envelope import (
    Judgement,
    judge,
    open_envelope,
    read_envelope,
    read_items,
    read_retry_after,
    split_items,
    suggests_other_encoding,
    unwrap_single,
)
from agent.ocpi.transport import Call
from tests.agent.ocpi.examples import JSON
from tests.agent.ocpi.peer import SECRET, respond

if TYPE_CHECKING:
    from agent.errors import AgentError

S, T, R, C = (
    Judgement.SUCCESS,
    Judgement.TRANSIENT,
    Judgement.REFUSED,
    Judgement.CREDENTIALS,
)
CODES: list[tuple[int, int | None, Judgement]] = [
    # HTTP, OCPI, meaning
    (200, 1000, S),
    (201, 1000, S),
    (200, 1999, S),
    (200, None, T),
    (200, 200, T),
    (200, 0, T),
    (200, -1, T),
    (200, 5000, T),
    (200, 2000, R),
    (200, 2001, R),
    (200, 2002, R),
    (200, 2003, R),
    (200, 2004, R),
    (200, 2999, R),
    (200, 3000, T),
    (200, 3001, T),
    (200, 3002, R),
    (200, 3003, R),
    (200, 3999, T),
    (200, 4000, T),
    (200, 4001, R),
    (200, 4002, T),
    (200, 4003, T),
    (302, None, T),
    (307, 1000, T),
    (400, None, R),
    (400, 1000, R),
    (401, None, C),
    (401, 1000, C),
    (403, 2001, C),
    (404, None, R),
    (404, 2004, R),
    (404, 3000, R),
    (404, 4003, T),
    (405, None, R),
    (408, None, T),
    (422, None, R),
    (429, 2000, T),
    (500, 2004, T),
    (500, None, T),
    (501, None, T),
    (503, None, T),
]
DEEP = b"[" * 100_000
BROKEN = [
    b"",
    b"<html>Welcome to the airport</html>",
    b'{"status_code": 1000, "data": [',
    b"\xff\xfe",
    b"[]",
    b"null",
    b'{"data": []}',
    b'{"status_code": "1000"}',
    b'{"status_code": 1e999}',
    b'{"status_code": 1000, "data": ' + DEEP,
    b'{"status_code": 1000, "x": ' + DEEP + b"]" * 100_000 + b"}",
]


@pytest.mark.parametrize(("http", "ocpi", "meaning"), CODES)
def test_codes(http: int, ocpi: int | None, meaning: Judgement) -> None:
    """Each pair of HTTP and OCPI status has one meaning."""
    assert judge(http, ocpi) is meaning


@given(st.integers(200, 599), st.none() | st.integers(-10, 10_000))
def test_success_is_nothing_less(http: int, ocpi: int | None) -> None:
    """Only 2xx together with 1xxx is success."""
    is_success = 200 <= http < 300 and ocpi is not None and 1000 <= ocpi < 2000
    assert (judge(http, ocpi) is Judgement.SUCCESS) == is_success


@pytest.mark.parametrize("body", BROKEN)
def test_unintelligible_success(body: bytes) -> None:
    """HTTP 200 with anything but an envelope is no answer."""
    with pytest.raises(TransientUpstreamError):
        open_envelope(respond(body))


def test_data() -> None:
    """The data comes undecoded; absent and null are the same."""
    assert open_envelope(respond({"status_code": 1000, "data": [1]})) == Raw(b"[1]")
    assert open_envelope(respond({"status_code": 1000, "data": None})) is None
    assert open_envelope(respond({"status_code": 1000})) is None
    odd = {"status_code": 1000, "status_message": 7, "extra": {}, "timestamp": []}
    assert open_envelope(respond(odd)) is None


def test_refusal_carries_both_codes_and_the_words() -> None:
    """A person can read what was asked, what came and why."""
    body = {"status_code": 2001, "status_message": "kwh is missing"}
    with pytest.raises(RefusedUpstreamError) as caught:
        open_envelope(respond(body, 400))
    assert (caught.value.http_status, caught.value.ocpi_status) == (400, 2001)
    assert str(caught.value) == (
        'GET /ocpi/emsp/2.2.1/tokens: answered HTTP 400 and OCPI 2001: "kwh is missing"'
    )


def test_words_without_envelope() -> None:
    """Framework errors are quoted; pages for browsers and stray data are not."""
    json_type = {"content-type": "application/json; charset=utf-8"}
    with pytest.raises(RefusedUpstreamError, match="Object not found") as caught:
        open_envelope(respond({"detail": "Object not found."}, 404, json_type))
    assert caught.value.ocpi_status is None
    html = respond(b"<html>nginx</html>", 502, {"content-type": "text/html"})
    with pytest.raises(TransientUpstreamError, match=r"HTTP 502$"):
        open_envelope(html)
    stray = respond([{"contract_id": "NL-TNM-CXYZZY"}], 200, json_type)
    with pytest.raises(
        TransientUpstreamError,
        match=r"HTTP 200 with application/json, expected an OCPI envelope$",
    ):
        open_envelope(stray)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, CredentialsError),
        (422, RefusedUpstreamError),
        (500, TransientUpstreamError),
    ],
)
def test_errors_name_nobody(status: int, error: type[AgentError]) -> None:
    """Card number, contract and token are cut from what the server says."""
    call = Call(
        method="POST",
        url="https://emsp.example/tokens/04A1B2C3D4E5F6/authorize",
        shown="tokens/…/authorize",
        private=("04A1B2C3D4E5F6", "NL-TNM-CXYZZY"),
    )
    words = f"uid 04a1b2c3d4e5f6 of nl-tnm-cxyzzy refused for Token {SECRET}"
    response = respond({"detail": words}, status, call=call)
    with pytest.raises(error) as caught:
        open_envelope(response)
    shown = f"{caught.value} {response} {call}".casefold()
    assert "tokens/…/authorize" in shown
    for secret in ("04a1b2c3d4e5f6", "cxyzzy", SECRET):
        assert secret not in shown


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "9" * 400}, 86_400),
        (
            {
                "retry-after": "Fri, 02 Jan 1970 00:02:00 GMT",
                "date": "Fri, 02 Jan 1970 00:00:00 GMT",
            },
            120,
        ),
        (
            {
                "retry-after": "Fri, 02 Jan 1970 00:00:00 GMT",
                "date": "Fri, 02 Jan 1970 00:02:00 GMT",
            },
            0,
        ),
        ({"retry-after": "Fri, 02 Jan 1970 00:02:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: int | None) -> None:
    """Seconds, or a date on the server's own clock: ours may say 1970."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert read_retry_after(httpx.Headers(headers)) == expected


def test_retry_after_reaches_the_caller() -> None:
    """A wish that comes with 429 travels with the error."""
    with pytest.raises(TransientUpstreamError) as caught:
        open_envelope(respond(b"", 429, {"retry-after": "7"}))
    assert caught.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("body", "status", "suggests"),
    [
        (b"", 401, True),
        (b'{"detail": "Not authenticated"}', 403, True),
        (b'{"status_code": 3000, "data": []}', 200, True),
        (b'{"status_code": 2001}', 200, True),
        (b'{"status_code": 2000, "data": null}', 200, True),
        (b'{"status_code": 3000, "data": [1]}', 200, False),
        (b'{"status_code": 2004, "data": []}', 200, False),
        (b'{"status_code": 3000, "data": []}', 500, False),
        (b'{"status_code": 1000, "data": []}', 200, False),
        (b"<html>", 200, False),
        (b"", 503, False),
    ],
)
def test_encoding_signals(body: bytes, status: int, *, suggests: bool) -> None:
    """Broken bodies and server failures say nothing about our header."""
    assert suggests_other_encoding(respond(body, status)) is suggests


def test_lists() -> None:
    """Absent is empty, good items are kept, and an object is no list."""

    class Item(Struct):
        a: int

    decoder = msgspec.json.Decoder(Item)
    mixed = Raw(b'[{"a": 1}, {"a": "x"}, null, {"a": 2, "b": 3}]')
    assert read_items(mixed, decoder) == [Item(1), Item(2)]
    assert read_items(None, decoder) == []
    assert read_items(Raw(b'{"a": 1}'), decoder) is None
    assert split_items(Raw(DEEP)) is None


@pytest.mark.parametrize(
    ("data", "single"),
    [
        (b'{"a": 1}', b'{"a": 1}'),
        (b'[{"a": 1}]', b'{"a": 1}'),
        (b"[]", None),
        (b"[1, 2]", None),
    ],
)
def test_single_objects(data: bytes, single: bytes | None) -> None:
    """A list of one stands for its object; two are nobody's answer."""
    assert unwrap_single(Raw(data)) == (None if single is None else Raw(single))
    assert unwrap_single(None) is None


ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "status_code": JSON | st.integers(0, 5000),
        "data": JSON,
        "status_message": JSON,
    },
)


@given(
    st.binary() | ENVELOPES.map(lambda frame: json.dumps(frame).encode()),
    st.sampled_from([200, 201, 204, 302, 400, 401, 404, 422, 429, 500, 503]),
    st.dictionaries(
        st.sampled_from(["retry-after", "date", "content-type"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    ),
)
def test_any_answer_is_understood_or_named(
    body: bytes, status: int, headers: dict[str, str]
) -> None:
    """No answer raises anything but our own errors."""
    response = respond(body, status, headers)
    suggests_other_encoding(response)
    read_envelope(body)
    try:
        data = open_envelope(response)
    except (TransientUpstreamError, RefusedUpstreamError, CredentialsError):
        return
    unwrap_single(data)

"""Backends whose tokens are broken or hostile, and any mixture of all there is.

Whatever comes: what can be read is taken, little memory, a short log, and no list goes
out of force without a better one.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import HeldBackError
from agent.ocpi import page_requests
from agent.ocpi.sync import Synchronizer
from agent.store.token_reader import TokenReader
from tests.agent.ocpi.examples import JSON, token_json
from tests.agent.ocpi.hostile import (
    IN_FORCE,
    MIB,
    UPSTREAM_ERRORS,
    AtOnce,
    check_log,
    check_refused,
    contents,
    numbered,
    offset_of,
    synchronize,
)
from tests.agent.ocpi.peer import HOME, TOKENS, VERSIONS, Peer, connect, envelope
from tests.agent.ocpi.raw_server import RawServer, Reply
from tests.fakes.cards import uid_of
from tests.fakes.lists import KEYS, add_page, open_list, put_in_force, token
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from agent.store.whitelist import Whitelist


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(page_requests, "Backoff", lambda *_: AtOnce())


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open a list that has some tokens in force."""
    with closing(open_list(tmp_path)) as opened:
        put_in_force(opened, [token(card) for card in IN_FORCE])
        yield opened


# ---- tokens -----------------------------------------------------------------------


def test_content_type_is_not_what_counts(whitelist: Whitelist) -> None:
    """JSON that is called something else is read."""
    reply = [numbered(1), numbered(2)]
    for kind in ("text/plain", "text/html; charset=utf-16", "application/xml", "?"):
        server = RawServer(lambda _, kind=kind: Reply.of(reply, content_type=kind))  # type: ignore[misc] # inferred loosely
        assert synchronize(whitelist, server).received == 2


def broken_tokens() -> list[object]:
    """List 10 000 items that are no tokens, in ever different ways."""
    wrong: list[object] = [1, -1.5, "token", None, True, [], {}, [{}], {"uid": None}]
    fields = ("country_code", "party_id", "uid", "contract_id", "valid", "last_updated")
    wrong += [numbered(1, **{name: ...}) for name in fields]
    wrong += [numbered(1, **{name: [7]}) for name in fields]
    wrong += [numbered(1, **{name: "x" * 1000}) for name in fields]
    return (wrong * 10_000)[:10_000]


@pytest.mark.parametrize("good", [0, 2])
def test_10_000_broken_tokens(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture, good: int
) -> None:
    """The log names a few; the tokens that are good are taken if there are any."""
    items = [*broken_tokens(), *(numbered(number) for number in range(good))]

    def respond(_: dict[str, str]) -> Reply:
        return Reply.of(items)

    if not good:
        check_refused(whitelist, respond, HeldBackError, "0 readable", caplog)
        return
    with caplog.at_level(logging.INFO):
        result = synchronize(whitelist, RawServer(respond))
    assert (result.received, result.skipped) == (10_002, 10_000)
    assert whitelist.count_of("cpo") == good
    assert "skipped 9995 more" in caplog.text
    check_log(caplog)


LONG: Final = "y" * MIB


@pytest.mark.parametrize(
    ("field", "is_read"),
    [
        ("country_code", False),
        ("party_id", False),
        ("uid", False),
        ("contract_id", False),
        ("issuer", False),
        ("last_updated", False),
        ("valid", False),
        # A token can do without these.
        ("visual_number", True),
        ("group_id", True),
        ("language", True),
        # Of these any value may come one day, and each has a meaning: none for us.
        ("type", True),
        ("whitelist", True),
        ("default_profile_type", True),
        ("something_new", True),
    ],
)
def test_a_text_of_a_megabyte(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    field: str,
    is_read: bool,  # noqa: FBT001 - a table's column
) -> None:
    """It is neither stored nor repeated in the log."""
    items = [numbered(1), numbered(2), numbered(3, **{field: LONG})]

    with caplog.at_level(logging.INFO):
        result = synchronize(whitelist, RawServer(lambda _: Reply.of(items)))

    assert result.skipped == (0 if is_read else 1)
    assert whitelist.file.stat().st_size < MIB
    check_log(caplog)


def test_one_token_a_thousand_times(whitelist: Whitelist) -> None:
    """The newest counts, wherever it stands; the others are not found any more."""
    items = [
        numbered(1, issuer=f"I{day}", last_updated=f"2026-01-{day:02d}T00:00:00Z")
        for day in (*range(1, 20), 31, *range(20, 31))
    ]
    server = RawServer(lambda _: Reply.of([*items * 40, numbered(2)]))

    synchronize(whitelist, server)

    with closing(TokenReader(whitelist.file, KEYS, ("cpo",))) as reader:
        (found,) = reader.find(uid_of("A").parse("04000000000001"))
    assert found.issuer == "I31"
    assert found.last_updated == datetime(2026, 1, 31, tzinfo=UTC)


def test_every_token_with_words_of_its_own(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """What is usually said a few times is kept on the disk when it is not."""
    size, of_page = 20_000, 5_000

    def respond(query: dict[str, str]) -> Reply:
        first = offset_of(query)
        items = [
            numbered(
                number,
                issuer=f"Issuer {number} {'of nobody else' * 3}",
                party_id=f"{number % 46_656:03X}"[-3:],
            )
            for number in range(first, min(first + of_page, size))
        ]
        return Reply.of(items, f"X-Total-Count: {size}")

    with caplog.at_level(logging.INFO):
        synchronize(whitelist, RawServer(respond))

    assert whitelist.count_of("cpo") == size
    codec = whitelist._list.codec
    assert len(codec._words) <= 10_000
    assert len(codec._parties) <= 10_000
    check_log(caplog)


# ---- anything ---------------------------------------------------------------------

TOKENS_OR_NOT: Final = st.one_of(
    JSON,
    st.builds(
        lambda number, changes: numbered(number, **changes),
        st.integers(0, 9),
        st.dictionaries(
            st.sampled_from(sorted(token_json())), JSON | st.just(...), max_size=2
        ),
    ),
    st.builds(numbered, st.integers(0, 9)),
)
DATES: Final = st.sampled_from(
    ["", "x", "Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 -0000"]
)
NUMBERS: Final = st.integers(-2, 12).map(str) | st.sampled_from(["", "x", "9" * 30])
HREFS: Final = st.sampled_from(
    ["", "?offset=0&limit=0", "?offset=1", "?page=2", "?page=3", "//evil.example/", "["]
)
ANSWERS: Final = st.tuples(
    st.sampled_from([200] * 8 + [201, 400, 401, 404, 422, 429, 500, 504]),
    st.sampled_from([1000] * 9 + [2001, 3000]),
    st.lists(TOKENS_OR_NOT, max_size=4) | JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "x-total-count": NUMBERS,
            "x-limit": NUMBERS,
            "link": HREFS.map("<{}>; rel=next".format) | HREFS,
            "date": DATES,
            "retry-after": NUMBERS,
        },
    ),
)
Script = list[tuple[int, int, object, dict[str, str]]]


async def _run_script(whitelist: Whitelist, script: Script, *, full: bool) -> None:
    answers = iter(script)

    def reply(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "emsp.example"
        status, code, data, headers = next(answers, (500, 3000, [], {}))
        return envelope(data, code, http=status, headers=headers)

    peer = Peer()
    peer.routes["GET", TOKENS] = reply
    connection = connect(peer, name="cpo")
    try:
        synchronizer = Synchronizer("cpo", connection, whitelist)
        await synchronizer.run(full=full, on_progress=lambda _: None)
    finally:
        await connection.close()


@settings(max_examples=50)
@given(st.lists(ANSWERS, max_size=8))
def test_any_list(script: Script) -> None:
    """Only our own errors come of it, and with them nothing changes."""
    with tempfile.TemporaryDirectory() as folder, closing(open_list(Path(folder))) as w:
        put_in_force(w, [token(card) for card in IN_FORCE])
        before = contents(w)
        try:
            run_virtual(_run_script(w, script, full=True))
        except (*UPSTREAM_ERRORS, HeldBackError):
            assert contents(w) == before
        else:
            assert contents(w)["state"] != before["state"]


@settings(max_examples=50)
@given(st.lists(ANSWERS, max_size=4))
def test_any_changes(script: Script) -> None:
    """Only our own errors; the cursor never moves then, and no token is lost."""
    with tempfile.TemporaryDirectory() as folder, closing(open_list(Path(folder))) as w:
        staging = w.stage("cpo", f"{HOME}{VERSIONS} 2.2.1")
        add_page(staging, IN_FORCE)
        w.swap("cpo")
        before = contents(w)
        try:
            run_virtual(_run_script(w, script, full=False))
        except UPSTREAM_ERRORS:
            assert contents(w)["state"] == before["state"]
        assert contents(w)["tokens"] == before["tokens"]

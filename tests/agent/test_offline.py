"""What backends say, or fail to say, and what of it is kept in the whitelist."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    Verdict,
    WhitelistType,
)
from tests.fakes.asking import LONG_S, WITHIN_S, Bench, Heard
from tests.fakes.cards import uid_of
from tests.fakes.lists import files_of, open_list, put_in_force, token
from tests.fakes.peers import NEVER_S, FakePeer, Turn, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.store.whitelist import Whitelist

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = [(whitelist, valid) for whitelist in WhitelistType for valid in (True, False)]
ROWS = {
    card: token(card, whitelist=whitelist, valid=valid)
    for card, (whitelist, valid) in zip("ABCDEFGH", KINDS, strict=True)
}
#: Everything a backend may do instead of answering, and when.
SILENCES: list[tuple[float, Reply | Exception]] = [
    (NEVER_S, answer(Verdict.BLOCKED, token("A", valid=False, last_updated=MARCH))),
    (0.0, NoAnswer("connection refused", silent=True)),
    (0.0, NoAnswer("HTTP 500")),
    (0.0, NoAnswer("not JSON")),
    (1.0, Misconfigured("HTTP 401")),
    (1.0, ValueError("a bug of ours")),
]


class LearningBench(Bench):
    """An authorizer that learns into a real whitelist."""

    def __init__(self, whitelist: Whitelist, *peers: FakePeer) -> None:
        super().__init__(*peers)
        self.whitelist = whitelist

    async def _learn(self, token: Token) -> None:
        self.whitelist.learn(token)


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open a list with card L in it, so that it is not empty."""
    with closing(open_list(tmp_path, ["cpo"])) as whitelist:
        put_in_force(whitelist, [token("L")])
        yield whitelist


def _peer(reply: Reply | Exception, after_s: float = 0.0) -> FakePeer:
    return FakePeer("cpo", [Turn(after_s, reply)])


def test_60_the_next_driver_does_not_wait_for_a_dead_upstream() -> None:
    """The first waits for the deadline; whoever comes then hears at once."""
    bench = Bench(_peer(answer(Verdict.ALLOWED), after_s=NEVER_S))
    bench.peers[0].speaks_from_s = LONG_S

    async def scene() -> list[Heard]:
        first = await bench.ask(token("A"), late_s=0)
        return [first, *[await bench.ask(token("B"), card="B") for _ in range(3)]]

    first, *others = bench.play(scene)

    assert first.at == WITHIN_S
    assert [heard.at for heard in others] == [WITHIN_S] * 3
    assert all(isinstance(heard.reply, NoAnswer) for heard in (first, *others))


def test_60_a_driver_who_comes_when_it_is_back_is_answered() -> None:
    """The dead upstream is probed behind everybody's back."""
    peer = FakePeer(
        "cpo",
        [Turn(NEVER_S, answer(Verdict.ALLOWED)), Turn(0.1, answer(Verdict.ALLOWED))],
        speaks_from_s=10,
    )
    bench = Bench(peer)

    async def scene() -> Heard:
        await bench.ask(token("A"), late_s=0)
        return await bench.ask(token("B"), card="B", at=LONG_S)

    assert bench.play(scene).reply == answer(Verdict.ALLOWED)
    assert bench.told[-1] == "cpo up"


@pytest.mark.parametrize("verdict", [Verdict.ALLOWED, Verdict.BLOCKED])
def test_61_a_late_answer_still_updates_the_whitelist(
    whitelist: Whitelist, verdict: Verdict
) -> None:
    """The driver did not wait for it, and the next one profits."""
    row = token("A")
    told = token("A", valid=verdict is Verdict.ALLOWED, last_updated=MARCH)
    whitelist.upsert([row])
    bench = LearningBench(whitelist, _peer(answer(verdict, told), after_s=4))

    bench.ask_once(row)

    assert whitelist.find(uid_of("A")) == [told]


@pytest.mark.parametrize(
    ("after_s", "reply"), SILENCES, ids=lambda value: type(value).__name__
)
def test_62_what_is_not_an_answer_never_overwrites_a_stored_row(
    tmp_path: Path, whitelist: Whitelist, after_s: float, reply: Reply | Exception
) -> None:
    """Whatever the row is, not a byte of the list changes."""
    whitelist.upsert(list(ROWS.values()))
    before = _bytes_of(tmp_path)
    for card, row in ROWS.items():
        bench = LearningBench(whitelist, _peer(reply, after_s))

        heard = bench.play(lambda: bench.ask(row, card=card))  # noqa: B023 - at once

        assert not isinstance(heard.reply, Answer)
        assert whitelist.find(uid_of(card)) == [row]
    assert _bytes_of(tmp_path) == before


def _bytes_of(folder: Path) -> dict[str, bytes]:
    """Read what would survive; who has a list open just now does not."""
    files = files_of(folder).items()
    return {name: content for name, content in files if not name.endswith("-shm")}


@pytest.mark.parametrize("verdict", Verdict)
def test_62_an_answer_without_a_token_changes_no_row_either(
    whitelist: Whitelist, verdict: Verdict
) -> None:
    """It is about this moment and this place."""
    row = token("A")
    whitelist.upsert([row])

    LearningBench(whitelist, _peer(answer(verdict))).ask_once(row)

    assert whitelist.find(uid_of("A")) == [row]


@pytest.mark.parametrize(
    ("after_s", "reply"), SILENCES, ids=lambda value: type(value).__name__
)
def test_64_an_unknown_card_is_not_stored_when_nobody_answers(
    whitelist: Whitelist, after_s: float, reply: Reply | Exception
) -> None:
    """Whatever policy lets it do, the list does not know it."""
    LearningBench(whitelist, _peer(reply, after_s)).ask_once(None)

    assert whitelist.find(uid_of("A")) == []
    assert whitelist.count() == 1


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        (None, []),
        (token("A", valid=False), [token("A", valid=False)]),
        (token("A", whitelist=WhitelistType.NEVER), []),
    ],
    ids=["unknown", "blocked", "not to be cached"],
)
def test_64_an_unknown_card_that_is_refused_later_is_never_stored_as_allowed(
    whitelist: Whitelist, told: Token | None, stored: list[Token]
) -> None:
    """Only what its eMSP says of the token is kept, and only if it may be."""
    verdict = Verdict.BLOCKED if told else Verdict.UNKNOWN
    bench = LearningBench(whitelist, _peer(answer(verdict, told)))

    async def scene() -> Heard:
        return await bench.ask(None, background=True)

    bench.play(scene)

    assert whitelist.find(uid_of("A")) == stored

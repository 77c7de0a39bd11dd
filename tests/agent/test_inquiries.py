"""One request per card at a time, owned by nobody who waits for it."""

from __future__ import annotations

import asyncio
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

import pytest

from agent.backoff import JITTER
from agent.domain.tokens import Misconfigured, NoAnswer, Reply, Verdict
from agent.inquiries import FAIR_SHARE, UNDER_WAY_AT_MOST
from tests.fakes.asking import LATE_S, LONG_S, WITHIN_S, Bench, Heard
from tests.fakes.cards import name_of
from tests.fakes.lists import token
from tests.fakes.peers import NEVER_S, FakePeer, Turn, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable

ALLOWED = answer(Verdict.ALLOWED, token("A"))
BLOCKED = answer(Verdict.BLOCKED)
DOWN = "cpo down: no answer about a card within 2 s"
UP = "cpo up"


def cpo(*turns: tuple[float, Reply | Exception], speaks_from_s: float = 0) -> FakePeer:
    """Make a backend that takes these turns."""
    return FakePeer("cpo", [Turn(*turn) for turn in turns], speaks_from_s)


def play(bench: Bench, *askers: Awaitable[Heard]) -> list[Heard]:
    """Let askers ask, and time pass until everything is over."""

    async def scene() -> list[Heard]:
        heard = await asyncio.gather(*askers)
        await asyncio.sleep(LONG_S)
        return heard

    return bench.play(scene)


# ---- sharing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [(False, False), (False, True), (True, False), (True, True)]
)
@pytest.mark.parametrize("late_s", [0.0, LATE_S])
def test_equal_questions_share_a_request(
    *, first: bool, second: bool, late_s: float
) -> None:
    """A tap and a verification of the same card cost the backend one answer."""
    peer = cpo((1.5, ALLOWED))
    bench = Bench(peer)

    heard = play(
        bench,
        bench.ask(background=first, late_s=late_s),
        bench.ask(background=second, late_s=late_s, at=1),
    )

    assert heard == [Heard(ALLOWED, 1.5)] * 2
    assert len(peer.asked) == 1
    assert bench.learned == [token("A")]


@pytest.mark.parametrize("late_s", [0.0, LATE_S])
def test_who_joins_has_all_of_the_own_time(late_s: float) -> None:
    """The shared request lives long enough for the one who came last."""
    peer = cpo((3.5, ALLOWED))
    bench = Bench(peer)

    _, heard = play(
        bench, bench.ask(background=True, late_s=late_s), bench.ask(at=1.9, late_s=0)
    )

    assert heard == Heard(ALLOWED, 3.5)
    assert len(peer.asked) == 1


def test_cards_do_not_wait_for_each_other() -> None:
    """One request at a time is for one card."""
    peer = cpo((1, ALLOWED))
    bench = Bench(peer)

    heard = play(bench, bench.ask(card="A"), bench.ask(card="B"))

    assert [one.at for one in heard] == [1, 1]
    assert len(peer.asked) == 2


# ---- taking turns ----------------------------------------------------------------


@pytest.mark.parametrize("difference", ["token", "evse_uids"])
def test_another_question_about_the_card_waits_for_its_turn(difference: str) -> None:
    """Two drivers' questions about one card never overlap."""
    peer = cpo((1, ALLOWED), (0.5, BLOCKED))
    bench = Bench(peer)
    other = (
        bench.ask(at=0.2, evse_uids=["E9"])
        if difference == "evse_uids"
        else bench.ask(token("A"), at=0.2)
    )

    heard = play(bench, bench.ask(), other)

    assert heard == [Heard(ALLOWED, 1), Heard(BLOCKED, 1.5)]


def test_the_turn_comes_out_of_the_own_time() -> None:
    """Who waits in vain is told so at the own deadline, and nobody else is asked."""
    peer = cpo((NEVER_S, ALLOWED))
    bench = Bench(peer)

    _, heard = play(
        bench, bench.ask(within_s=4), bench.ask(at=1, evse_uids=["E9"], within_s=1)
    )

    assert heard == Heard(NoAnswer("no time was left to ask cpo"), 2)
    assert len(peer.asked) == 1


def test_turns_are_taken_in_order() -> None:
    """First come, first served."""
    peer = cpo((0.4, BLOCKED))
    bench = Bench(peer)
    questions = [
        bench.ask(at=n / 100, evse_uids=[f"E{n}"], within_s=9) for n in range(5)
    ]

    heard = play(bench, *questions)

    assert [one.at for one in heard] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])


def test_a_verification_gives_way_to_a_driver_with_another_question() -> None:
    """What nobody waits for holds up nobody; the driver's answer tells the same."""
    peer = cpo((NEVER_S, ALLOWED), (0.5, BLOCKED))
    bench = Bench(peer)

    before, heard = play(
        bench, bench.ask(background=True), bench.ask(at=0.9, evse_uids=["E9"])
    )

    assert heard == Heard(BLOCKED, 1.4)
    assert before == Heard(
        NoAnswer("given up for another question, or at the end"), 0.9
    )


def test_nobody_joins_a_request_that_is_being_given_up() -> None:
    """Who comes at that very moment waits for the turn instead."""
    peer = cpo((NEVER_S, ALLOWED), (0.5, BLOCKED))
    bench = Bench(peer)

    _, second, third = play(
        bench,
        bench.ask(background=True),
        bench.ask(at=0.9, evse_uids=["E9"]),
        bench.ask(at=0.9),
    )

    assert [second, third] == [Heard(BLOCKED, 1.4), Heard(BLOCKED, 1.9)]


def test_a_verification_waits_for_a_driver() -> None:
    """Nobody's request ends for the sake of one that can wait."""
    peer = cpo((1, ALLOWED), (0.5, BLOCKED))
    bench = Bench(peer)

    heard = play(bench, bench.ask(), bench.ask(evse_uids=["E9"], background=True))

    assert heard == [Heard(ALLOWED, 1), Heard(BLOCKED, 1.5)]


def test_verifications_wait_for_each_other() -> None:
    """None of them is worth another one's answer."""
    peer = cpo((1, ALLOWED), (0.5, BLOCKED))
    bench = Bench(peer)

    heard = play(
        bench,
        bench.ask(background=True),
        bench.ask(evse_uids=["E9"], background=True),
    )

    assert heard == [Heard(ALLOWED, 1), Heard(BLOCKED, 1.5)]


def test_after_an_outage_the_card_is_asked_about_anew() -> None:
    """A driver is not made to wait for a request that the outage has swallowed."""
    peer = cpo((NEVER_S, ALLOWED), (0.5, BLOCKED))
    bench = Bench(peer)

    swallowed, heard = play(bench, bench.ask(), bench.ask(at=5))

    assert bench.told == [DOWN, UP]
    assert heard == Heard(BLOCKED, 5.5)
    assert swallowed.at == 5
    assert isinstance(swallowed.reply, NoAnswer)


def test_a_request_that_another_driver_waits_for_is_shared_even_late() -> None:
    """It cannot be given up, so its answer is the first that can come."""
    peer = cpo((3.7, ALLOWED))
    bench = Bench(peer)

    heard = play(bench, bench.ask(), bench.ask(at=1.9), bench.ask(at=3.5))

    assert bench.told == [DOWN, UP]
    assert heard == [Heard(ALLOWED, 3.7)] * 3
    assert len(peer.asked) == 1


def test_a_verification_is_content_with_a_late_request() -> None:
    """It needs what is learned, not when."""
    peer = cpo((6, ALLOWED))
    bench = Bench(peer)

    heard = play(bench, bench.ask(), bench.ask(at=5, background=True))

    assert heard == [Heard(ALLOWED, 6), Heard(ALLOWED, 6)]
    assert len(peer.asked) == 1


def test_requests_are_bounded() -> None:
    """The one that fewest drivers wait for, and the oldest of these, makes room."""
    peer = cpo((NEVER_S, ALLOWED))
    bench = Bench(peer)
    cards = (ascii_uppercase + ascii_lowercase)[: UNDER_WAY_AT_MOST + 1]

    async def scene() -> list[str]:
        async with asyncio.TaskGroup() as group:
            for card in cards[:-1]:
                group.create_task(bench.ask(card=card, background=card in "FG"))
            group.create_task(bench.ask(card=cards[-1], at=1))
            await asyncio.sleep(1.5)
            return [name_of(uid) for uid in peer.under_way]

    assert set(bench.play(scene)) == set(cards) - {"F"}


# ---- who has gone ----------------------------------------------------------------


def test_one_of_two_askers_goes() -> None:
    """The other one's request is not touched by that."""
    peer = cpo((1.5, ALLOWED))
    bench = Bench(peer)

    async def scene() -> Heard:
        stays = asyncio.create_task(bench.ask(at=0.2))
        goes = asyncio.create_task(bench.ask())
        await asyncio.sleep(1)
        goes.cancel()
        return await stays

    assert bench.play(scene) == Heard(ALLOWED, 1.5)
    assert len(peer.asked) == 1


def test_all_askers_go() -> None:
    """The request goes on in its own time, and is learned from."""
    peer = cpo((6, ALLOWED))
    bench = Bench(peer)

    async def scene() -> None:
        askers = [asyncio.create_task(bench.ask(at=n / 10)) for n in range(3)]
        await asyncio.sleep(1)
        for asker in askers:
            asker.cancel()
        await asyncio.sleep(LONG_S)

    bench.play(scene)

    assert bench.learned == [token("A")]
    assert len(peer.asked) == 1


def test_who_goes_leaves_no_mark() -> None:
    """A card whose asker has gone at any moment can be asked about again."""
    peer = cpo((1, BLOCKED))
    bench = Bench(peer)

    async def scene() -> list[Heard]:
        heard = []
        for moment in (0.0, 0.5, 1.0, 1.5):
            began_at = asyncio.get_running_loop().time()
            asker = asyncio.create_task(bench.ask(evse_uids=["E9"]))
            queued = asyncio.create_task(bench.ask(at=began_at + 0.1))
            await asyncio.sleep(moment)
            asker.cancel()
            queued.cancel()
            after = await bench.ask(evse_uids=["E8"])
            heard.append(after._replace(at=after.at - began_at - moment))
        return heard

    for heard in bench.play(scene):
        assert heard.reply == BLOCKED
        # What nobody waits for any more gave way.
        assert heard.at == pytest.approx(1)


# ---- silence ---------------------------------------------------------------------

FAILURE = NoAnswer("HTTP 500")
REFUSED = NoAnswer("connection refused", silent=True)
JUDGEMENTS: list[tuple[float, Reply | Exception, bool]] = [
    # after what time, the peer's reply, whether the upstream counts as dead
    (1, ALLOWED, False),
    (1, BLOCKED, False),
    (1, answer(Verdict.UNKNOWN), False),
    (1, Misconfigured("HTTP 401"), False),
    (1, FAILURE, False),
    (1, ZeroDivisionError("a bug of ours"), False),
    (0, REFUSED, True),
    (1, REFUSED, True),
    (3, ALLOWED, True),
    (3, FAILURE, True),
    (3, REFUSED, True),
    (NEVER_S, ALLOWED, True),
]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(("after_s", "reply", "dead"), JUDGEMENTS)
def test_silence_and_nothing_else_is_remembered(
    after_s: float, reply: Reply | Exception, *, dead: bool, background: bool
) -> None:
    """After silence nobody waits (case 60); whoever answers, however badly, lives."""
    peer = cpo((after_s, reply), (0, ALLOWED), speaks_from_s=NEVER_S)
    bench = Bench(peer)

    _, heard = play(bench, bench.ask(background=background), bench.ask(card="B", at=8))

    assert heard.at == 8
    if dead:
        opened = "02" if after_s > WITHIN_S else f"0{after_s}"
        trouble = f"cpo does not answer since 2026-03-01T12:00:{opened}Z, being probed"
        assert heard.reply == NoAnswer(trouble, silent=True)
        assert len(peer.asked) == 1
        why = DOWN if after_s > WITHIN_S else "cpo down: connection refused"
        assert bench.told == [why]
    else:
        assert heard.reply == ALLOWED
        assert (bench.told, peer.probed_at) == ([], [])


def test_a_bug_in_a_peer_is_told_and_costs_no_more_than_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The traceback is logged; driver and station go on."""
    bench = Bench(cpo((1, ZeroDivisionError("a bug of ours"))))

    heard = play(bench, bench.ask(), bench.ask())

    assert heard == [Heard(NoAnswer("internal error"), 1)] * 2
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_drivers_who_wait_already_go_on_waiting() -> None:
    """Only who comes after the opening is turned away; an answer still may come."""
    peer = cpo((NEVER_S, ALLOWED), (1.5, ALLOWED), speaks_from_s=NEVER_S)
    bench = Bench(peer)

    _, heard = play(bench, bench.ask(), bench.ask(card="B", at=1))

    assert bench.told[0] == DOWN
    assert heard == Heard(ALLOWED, 2.5)


def test_a_late_answer_does_not_prove_life_but_a_probe_does() -> None:
    """A slow backend is learned from, and makes nobody wait."""
    peer = cpo((3, ALLOWED), (0.1, BLOCKED), speaks_from_s=4)
    bench = Bench(peer)

    first, second, third = play(
        bench, bench.ask(), bench.ask(card="B", at=3.5), bench.ask(card="B", at=20)
    )

    assert first == Heard(ALLOWED, 3)
    assert bench.learned == [token("A")]
    assert (second.at, type(second.reply)) == (3.5, NoAnswer)
    assert third == Heard(BLOCKED, 20.1)
    assert bench.told == [DOWN, UP]


def test_a_question_from_before_does_not_declare_it_dead_again() -> None:
    """What the outage has swallowed is no news once a probe has been heard."""
    peer = cpo((NEVER_S, ALLOWED))
    bench = Bench(peer)

    play(bench, bench.ask(), bench.ask(card="B", at=1.99))

    assert bench.told == [DOWN, UP]


@pytest.mark.parametrize(
    ("turns", "rests_s"),
    [
        ([(3.0, ALLOWED)], [1, 2, 4, 8]),
        ([(NEVER_S, ALLOWED), (1.5, ALLOWED)] * 3, [1, 1, 1]),
    ],
    ids=["always late", "well in between"],
)
def test_a_backend_that_is_late_again_and_again_is_probed_ever_more_rarely(
    turns: list[tuple[float, Reply]], rests_s: list[float]
) -> None:
    """Probes it hears do not make up for drivers who waited; answers in time do."""
    peer = cpo(*turns)
    bench = Bench(peer)

    play(bench, *[bench.ask(at=n * LONG_S) for n in range(max(len(turns), 4))])

    outages = bench.outages(peer)
    for (down, up), rest_s in zip(outages, rests_s, strict=True):
        assert rest_s <= up - down <= rest_s * (1 + JITTER)


def test_verifications_are_skipped_while_it_is_dead() -> None:
    """They can wait until it is up again."""
    peer = cpo((0, REFUSED), speaks_from_s=NEVER_S)
    bench = Bench(peer)

    play(bench, bench.ask(), bench.ask(card="B", at=1, background=True))

    assert len(peer.asked) == 1


def test_an_upstream_that_was_given_no_time_is_not_blamed() -> None:
    """When we were slow ourselves, half the deadline is the least to judge by."""
    fair_s = WITHIN_S * FAIR_SHARE
    peer = cpo((fair_s - 0.1, ALLOWED), (fair_s + 0.1, ALLOWED), speaks_from_s=NEVER_S)
    bench = Bench(peer)

    play(bench, bench.ask(within_s=0.01))
    assert bench.told == []

    bench = Bench(peer)
    play(bench, bench.ask(within_s=0.01))
    assert bench.told == ["cpo down: no answer about a card within 1 s"]


@pytest.mark.parametrize("within_s", [0.0, -3.0])
def test_without_time_nobody_is_asked(within_s: float) -> None:
    """A deadline that has passed already costs neither side anything."""
    peer = cpo((0, ALLOWED))
    bench = Bench(peer)

    (heard,) = play(bench, bench.ask(within_s=within_s))

    assert heard == Heard(NoAnswer("no time was left to ask cpo"), 0)
    assert (peer.asked, bench.told) == ([], [])

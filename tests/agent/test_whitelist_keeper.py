"""Keeping the whitelist usable: learning goes in, damage is replaced."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreFailedError,
)
from agent.health import Health
from agent.store.whitelist import Whitelist
from agent.whitelist_keeper import WhitelistKeeper
from tests.fakes.clock import FakeClock
from tests.fakes.lists import token
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from agent.domain.tokens import Token


class FailingList(Whitelist):
    """Notes what is done to it; each call raises the next of its failures."""

    def __init__(self, **failures: list[Exception]) -> None:
        self.failures = failures
        self.calls: list[str] = []
        self.number = 1
        self.confirmed: datetime | None = None

    def verify(self) -> None:
        """Read every page."""
        self._note("verify")

    @property
    def file(self) -> Path:
        """Name the list in force."""
        return Path(f"whitelist-{self.number}.db")

    def rebuild(self, damaged: Path) -> None:
        """Begin an empty list."""
        self._note("rebuild")
        if damaged == self.file:
            self.number += 1

    def confirmed_at(self, upstream: str) -> datetime | None:
        """Say when the list was last synchronised."""
        self._note(f"confirmed_at {upstream}")
        return self.confirmed

    def learn(self, token: Token) -> None:
        """Take a token."""
        self._note(f"learn {token.contract_id}")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if failures := self.failures.get(call.split(" ", maxsplit=1)[0]):
            raise failures.pop(0)


class Bench:
    """A keeper of such a list."""

    def __init__(self, **failures: list[Exception]) -> None:
        self.list = FailingList(**failures)
        self.health = Health(FakeClock())
        self.fetches = 0

    def fetch_again(self) -> None:
        """Count the calls."""
        self.fetches += 1

    def keep(self, damages: int = 0, learned: int = 0) -> None:
        """Run while taps report damage and answers bring tokens."""

        async def main() -> None:
            keeper = WhitelistKeeper(
                self.list, self.health, self.fetch_again, clock=FakeClock()
            )
            async with running(keeper.run()):
                await asyncio.sleep(1)
                for _ in range(damages):
                    keeper.on_damage()
                    await asyncio.sleep(1)
                for _ in range(learned):
                    await keeper.learn(token("A"))
                await asyncio.sleep(1)

        run_virtual(main())


def test_a_sound_list_is_looked_at_once() -> None:
    """It is good, and nothing is done to it."""
    bench = Bench()

    bench.keep()

    assert bench.list.calls == ["verify"]
    assert bench.health.is_good("whitelist")


def test_damage_that_opening_did_not_find_is_replaced() -> None:
    """An empty list takes its place and is filled again."""
    bench = Bench(verify=[StoreCorruptError("damaged")])

    bench.keep()

    assert bench.list.calls == ["verify", "rebuild"]
    assert bench.fetches == 1


def test_damage_that_a_tap_finds_is_replaced() -> None:
    """At any time, and each time."""
    bench = Bench()

    bench.keep(damages=2)

    assert bench.list.calls == ["verify", "rebuild", "rebuild"]
    assert bench.fetches == 2


def test_a_list_that_cannot_be_replaced_is_tried_at_the_next_tap() -> None:
    """Nothing is fetched into a damaged list."""
    bench = Bench(rebuild=[StoreFailedError("full")])

    bench.keep(damages=1)
    assert bench.fetches == 0
    assert not bench.health.is_good("whitelist")

    bench.keep(damages=1)
    assert bench.fetches == 1


@pytest.mark.parametrize(
    "error",
    [StoreFailedError("I/O error"), StoreBusyError("in use")],
    ids=lambda error: type(error).__name__,
)
def test_a_list_that_could_not_be_looked_at_is_kept(error: Exception) -> None:
    """Not being able to read is no proof of damage, and no reason to stop."""
    bench = Bench(verify=[error])

    bench.keep(learned=1)

    assert bench.list.calls == ["verify", "learn SE-EMS-C0000A"]
    assert bench.fetches == 0


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (StoreFailedError("full"), ["learn", "learn"]),
        (StoreBusyError("in use"), ["learn", "learn"]),
        (StoreCorruptError("damaged"), ["learn", "learn", "rebuild"]),
    ],
    ids=["failed", "busy", "corrupt"],
)
def test_learning_that_fails_ends_nothing(error: Exception, calls: list[str]) -> None:
    """The next token is learned all the same; damage is replaced."""
    bench = Bench(learn=[error])

    bench.keep(learned=2)

    done = [call.split(" ", maxsplit=1)[0] for call in bench.list.calls]
    assert sorted(done) == sorted(["verify", *calls])


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(), True),
        (timedelta(days=30), True),
        (timedelta(days=30, seconds=1), False),
        (None, False),
        (timedelta(days=-1), True),
    ],
)
def test_a_list_is_trusted_as_long_as_it_was_confirmed_lately(
    age: timedelta | None,
    fresh: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The age counts from its last synchronisation; one that never was is not fresh."""
    bench = Bench()
    clock = FakeClock()
    bench.list.confirmed = None if age is None else clock.wall - age
    keeper = WhitelistKeeper(
        bench.list,
        bench.health,
        bench.fetch_again,
        clock=clock,
        max_age=timedelta(days=30),
    )
    assert keeper.is_fresh(token("A")) is fresh


def test_without_a_limit_no_list_is_too_old() -> None:
    """And nobody looks how old it is."""
    bench = Bench()
    keeper = WhitelistKeeper(
        bench.list, bench.health, bench.fetch_again, clock=FakeClock()
    )
    assert keeper.is_fresh(token("A"))
    assert bench.list.calls == []

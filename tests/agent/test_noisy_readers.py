"""Readers that make noise: it costs neither the log nor the station anything."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from agent.domain.messages import CardLifted, CardTapped, CardUnread, Input
from agent.reader_noise import (
    CALM_S,
    MOST_CHANGES,
    MOST_USELESS,
    NOISE_S,
    RESTLESS,
)
from drivers.errors import UnsupportedDeviceError
from drivers.readers import base
from tests.agent.test_card_readers import Bench
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.findings import Finding

MINUTE_S = 60.0
UNREAD = base.CardUnreadable("expected hex digits only", 1.0)
TOO_SHORT = base.CardArrived(b"\x1a\x2b\x3c", base.Technology.ISO14443, 1.0)
PHONE = base.CardArrived(b"\x08\xa1\xb2\xc3", base.Technology.ISO14443, 1.0)
CARD = base.CardArrived(b"\x04\xa1\xb2\xc3\xd4\xe5\xf6", base.Technology.ISO14443, 1.0)


class Beat(base.Reader):
    """Sends one event so many times a second for some time, and then a good card."""

    def __init__(self, event: base.ReaderEvent, every_s: float, for_s: float) -> None:
        self._event = event
        self._every_s = every_s
        self._for_s = for_s
        self.pause_s = 0.0

    async def events(self) -> AsyncGenerator[base.ReaderEvent]:
        """Yield them."""
        for _ in range(round(self._for_s / self._every_s)):
            yield self._event
            yield base.CardLeft(1.0)
            await asyncio.sleep(self._every_s)
        await asyncio.sleep(self.pause_s)
        yield CARD
        yield self._event
        await asyncio.Event().wait()

    def check(self) -> list[Finding]:
        """Find nothing."""
        return []


def play(reader: Beat) -> list[Input]:
    """Let it be read to its end; leave out that cards were lifted."""

    async def main() -> list[Input]:
        bench = Bench()
        bench.port.driver = reader
        async with running(bench.port.run()):
            await asyncio.sleep(10 * MINUTE_S)
        return [one for one in bench.inputs if not isinstance(one, CardLifted)]

    return run_virtual(main())


@pytest.mark.parametrize("event", [UNREAD, TOO_SHORT])
def test_a_hundred_useless_cards_a_second_are_told_of_once(
    event: base.ReaderEvent, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute of it is so many taps and lines as an obstinate person makes."""
    caplog.set_level(logging.DEBUG)

    inputs = play(Beat(event, 0.01, MINUTE_S))

    assert len(inputs) == MOST_USELESS + 1
    assert isinstance(inputs[-1], CardTapped)
    lines = [
        record.message for record in caplog.records if "reader front" in record.message
    ]
    assert len(lines) == MOST_USELESS + 1
    assert "left out from now on" in lines[-1]


def test_a_phone_that_is_left_on_a_reader_is_told_of_for_a_while() -> None:
    """Its random number is another one with each look of some readers."""
    assert len(play(Beat(PHONE, 0.25, MINUTE_S))) == MOST_USELESS + 1


def test_a_good_card_is_read_in_all_that_noise() -> None:
    """Only what is of no use is left out."""
    [*_, last] = play(Beat(UNREAD, 0.01, MINUTE_S))

    assert isinstance(last, CardTapped)
    assert last.uid.value == CARD.uid.hex().upper()


def test_noise_that_is_over_is_forgotten() -> None:
    """After a pause an unreadable card is told of again."""
    reader = Beat(UNREAD, 0.01, MINUTE_S)
    reader.pause_s = NOISE_S

    assert isinstance(play(reader)[-1], CardUnread)


def test_a_person_who_tries_on_and_on_is_heard_each_time() -> None:
    """A try every two seconds is no noise."""
    reader = Beat(UNREAD, 2.0, MINUTE_S)

    assert len(play(reader)) == MINUTE_S / 2 + 2


class Flapping(base.Reader):
    """Comes and goes fifty times a second for a minute, and then stays."""

    async def events(self) -> AsyncGenerator[base.ReaderEvent]:
        """Yield that."""
        for _ in range(round(MINUTE_S * 50)):
            yield base.ReaderUp("a reader")
            await asyncio.sleep(0.01)
            yield base.ReaderDown("nothing is attached")
            await asyncio.sleep(0.01)
        yield base.ReaderUp("a reader")
        yield CARD
        await asyncio.Event().wait()

    def check(self) -> list[Finding]:
        """Find nothing."""
        return []


def test_a_reader_that_comes_and_goes_is_told_of_as_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bad plug costs a few lines; its cards count, and its rest is told as well."""
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        bench = Bench()
        bench.port.driver = Flapping()
        async with running(bench.port.run()):
            await asyncio.sleep(MINUTE_S / 2)
            [restless] = bench.health.conditions()
            await asyncio.sleep(MINUTE_S / 2 + CALM_S)
            *_, restful = bench.health.conditions()
        assert (restless.ok, restless.detail) == (False, RESTLESS)
        assert (restful.ok, restful.detail) == (True, "a reader")
        assert [type(one) for one in bench.inputs] == [CardTapped]

    run_virtual(main())
    lines = [one for one in caplog.messages if "reader front" in one]
    assert len(lines) == MOST_CHANGES + 1
    assert lines[-1] == "reader front: up (a reader)"


def test_a_driver_that_gives_up_while_it_flaps_says_why() -> None:
    """The last word is the reason, and not the flapping."""

    class Hopeless(Flapping):
        """Ends in the middle."""

        async def events(self) -> AsyncGenerator[base.ReaderEvent]:
            for _ in range(MOST_CHANGES):
                yield base.ReaderUp("a reader")
                yield base.ReaderDown("nothing is attached")
            raise UnsupportedDeviceError("this never works")

    async def main() -> None:
        bench = Bench()
        bench.port.driver = Hopeless()
        async with running(bench.port.run()):
            await asyncio.sleep(1)
        [condition] = bench.health.conditions()
        assert condition.detail == "this never works"

    run_virtual(main())


def test_nothing_is_told_of_a_reader_that_is_no_more() -> None:
    """A reload forgets it; no timer brings it back."""

    async def main() -> None:
        bench = Bench()
        bench.port.driver = Flapping()
        async with running(bench.port.run()):
            await asyncio.sleep(MINUTE_S / 2)
        bench.health.forget(["front"])
        await asyncio.sleep(MINUTE_S)
        assert bench.health.conditions() == []

    run_virtual(main())

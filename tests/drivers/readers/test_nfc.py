"""The NFC reader's thread and its loop, with an adapter that follows a script."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.readers import nfc
from drivers.readers.base import CardArrived, CardLeft, ReaderUp, Technology
from drivers.readers.nfc_field import Sighting
from drivers.readers.nfc_worker import MAX_FAULTS
from tests.drivers.pipes import run
from tests.drivers.readers.nfc_adapter import (
    CARD,
    GLITCH,
    OTHER,
    UP,
    ScriptedAdapter,
    end_of_reader_threads,
    failure,
    make_reader,
    reader_threads,
    taken,
    until,
)

if TYPE_CHECKING:
    from drivers.readers.base import ReaderEvent


def test_a_card_comes_and_goes() -> None:
    """The reader is up, a card arrives once, and leaves; closing ends the thread."""
    adapter = ScriptedAdapter(None, None, CARD, CARD)

    async def main() -> None:
        assert await taken(make_reader(adapter), 3) == [
            UP,
            CardArrived(CARD.uid, Technology.ISO14443, 1002.0),
            CardLeft(1005.0),
        ]

    run(main())
    assert (adapter.opened, adapter.closed) == (1, 1)
    assert end_of_reader_threads()


def test_a_card_that_lies_there() -> None:
    """What the first look finds was there before."""

    async def main() -> None:
        adapter = ScriptedAdapter(CARD, OTHER)
        _, found, _, came = await taken(make_reader(adapter), 4)
        assert isinstance(found, CardArrived)
        assert isinstance(came, CardArrived)
        assert (found.lying, came.lying) == (True, False)

    run(main())


def test_glitches_are_looked_over() -> None:
    """Faults in a row, one fewer than too many, lose neither card nor reader."""

    async def main() -> None:
        glitches = [GLITCH] * (MAX_FAULTS - 1)
        adapter = ScriptedAdapter(CARD, *glitches, CARD, *glitches, OTHER)
        events = await taken(make_reader(adapter), 4)
        kinds = [type(event) for event in events]
        assert kinds == [ReaderUp, CardArrived, CardLeft, CardArrived]
        assert adapter.opened == 1

    run(main())


def test_an_adapter_that_fails() -> None:
    """After too many faults it is closed, the thread ends, and the last one is told."""

    async def main() -> None:
        adapter = ScriptedAdapter(*[GLITCH] * MAX_FAULTS)
        assert await failure(make_reader(adapter)) is GLITCH
        assert (adapter.looks, adapter.closed) == (MAX_FAULTS, 1)
        assert end_of_reader_threads()

    run(main())


def test_an_adapter_that_is_gone() -> None:
    """One look is enough to know it; opened again, its card is still the same one."""

    async def main() -> None:
        gone = DeviceGoneError("unplugged")
        adapter = ScriptedAdapter(CARD, gone, CARD, None, None)
        reader = make_reader(adapter)
        assert await failure(reader) is gone
        assert (adapter.looks, adapter.closed) == (2, 1)
        up, left = await taken(reader, 2)
        assert (up, type(left)) == (UP, CardLeft)

    run(main())


def test_a_bug_in_the_thread_is_not_swallowed() -> None:
    """What nobody has expected reaches the supervisor as it is."""

    async def main() -> None:
        bug = KeyError("a bug")
        adapter = ScriptedAdapter(bug)
        assert await failure(make_reader(adapter)) is bug
        assert adapter.closed == 1

    run(main())


def test_a_thread_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without room for one has room later; nobody waits for that thread."""
    adapter = ScriptedAdapter()
    reader = make_reader(adapter)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", refuse)
            error = await failure(reader)
        assert isinstance(error, TransientDeviceError)
        assert "thread" in str(error)
        assert reader.alive_at() is None
        assert await taken(reader, 1) == [UP]

    run(main())


def test_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed, left behind, never doubled, and what it finds late is dropped."""
    monkeypatch.setattr(nfc, "CLOSE_S", 0.01)
    release = threading.Event()
    adapter = ScriptedAdapter(None, release)
    reader = make_reader(adapter)

    async def main() -> None:
        events = reader.events()
        assert await anext(events) == UP
        until(lambda: adapter.looks == 2)
        stuck_since = reader.alive_at()
        assert stuck_since is not None
        # Not before: a look takes a second by the adapter's clock.
        with monkeypatch.context() as impatient:
            impatient.setattr(nfc, "HANG_S", 0.05)
            with pytest.raises(TransientDeviceError, match="hangs"):
                await anext(events)
            with pytest.raises(TransientDeviceError, match="hangs"):
                await anext(reader.events())
        assert reader.alive_at() == stuck_since
        assert (adapter.opened, adapter.closed) == (1, 0)
        adapter.steps.extend([CARD, CARD])
        release.set()
        assert end_of_reader_threads()
        assert adapter.closed == 1
        assert reader.alive_at() is None
        assert await taken(reader, 2) == [
            UP,
            CardArrived(CARD.uid, Technology.ISO14443, 1003.0),
        ]

    run(main())


def test_a_hang_does_not_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled reader ends although its thread does not."""
    monkeypatch.setattr(nfc, "CLOSE_S", 0.01)
    release = threading.Event()
    adapter = ScriptedAdapter(release)
    reader = make_reader(adapter)

    async def main() -> None:
        task = asyncio.create_task(failure(reader))
        await asyncio.to_thread(until, lambda: bool(adapter.looks))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert reader_threads()

    run(main())
    # The loop is closed: what the thread still says must not hurt it.
    release.set()
    assert end_of_reader_threads()
    assert adapter.closed == 1


def test_a_hang_at_the_end_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that cannot be closed is one that hangs."""
    monkeypatch.setattr(nfc, "CLOSE_S", 0.01)
    adapter = ScriptedAdapter()
    adapter.may_close.clear()
    reader = make_reader(adapter)

    async def main() -> None:
        await taken(reader, 1)
        since = reader.alive_at()
        assert since is not None
        adapter.now += 100
        assert reader.alive_at() == since

    run(main())
    adapter.may_close.set()
    assert end_of_reader_threads()
    assert reader.alive_at() is None


def test_a_pause_is_a_sign_of_life() -> None:
    """A reader that looks once an hour does not hang meanwhile."""
    adapter = ScriptedAdapter()
    reader = make_reader(adapter, poll_every=timedelta(hours=1))

    async def main() -> None:
        assert reader.alive_at() is None
        async with aclosing(reader.events()) as events:
            await anext(events)
            until(lambda: adapter.looks == 1)
            adapter.now += 1800
            until(lambda: reader.alive_at() == adapter.now)

    run(main())


def test_events_that_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded: when it is full, the reader fails instead of growing."""
    monkeypatch.setattr(nfc, "QUEUE_SIZE", 3)
    adapter = ScriptedAdapter(*(Sighting(bytes([n, 1, 2, 3])) for n in range(10)))
    reader = make_reader(adapter)

    told: list[ReaderEvent] = []

    async def main() -> None:
        # Whatever the loop does while it is held up here, it cannot take.
        async for event in reader.events():
            told.append(event)
            until(lambda: not adapter.steps)

    with pytest.raises(TransientDeviceError, match="not taken"):
        run(main())
    cards = [event for event in told if isinstance(event, CardArrived)]
    assert [card.uid[0] for card in cards] == list(range(len(cards)))
    assert len(cards) < 10

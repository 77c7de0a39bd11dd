"""Eight slots of the real pcscd at the same time, with signals shown on all of them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from drivers.readers.base import ReaderDown, ReaderUp
from drivers.readers.pcsc import PcscConfig, PcscReader
from tests.stack.eight import (
    eight_slots,
    lay_on,
    nothing_left_behind,
    places,
    signals_everywhere,
    stories,
    take_away,
)
from tests.stack.pcsc_bench import EVENT_S, following
from tests.stack.virtual_card import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack

ROUNDS: Final = 12  # pcscd looks at its readers about twice a second
SHORT: Final = timedelta(seconds=0.5)


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    """Run pcscd with eight slots."""
    with eight_slots(tmp_path) as running:
        yield running


def test_eight_cards_at_once_are_eight_taps(pcscd: Pcscd) -> None:
    """Round after round, each card is told of once, at its slot, and leaves once."""
    table = places(pcscd)

    async def scenario() -> None:
        async with (
            aclosing(PcscReader(PcscConfig()).events()) as events,
            signals_everywhere(),
        ):
            assert isinstance(await following(events), ReaderUp)
            for number in range(ROUNDS):
                cards = {place.slot.reader: place.card(number) for place in table}
                await lay_on(cards.values())
                assert await stories(events, 8) == {
                    slot: [card.uid] for slot, card in cards.items()
                }
                for card in cards.values():
                    assert await asyncio.to_thread(card.told.wait, EVENT_S)
                await take_away(cards.values())
                assert await stories(events, 8) == {slot: ["left"] for slot in cards}

    with nothing_left_behind():
        asyncio.run(scenario())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_pcscd_ends_under_eight_cards(pcscd: Pcscd, end: str) -> None:
    """The same card is no tap, another one is, and one that is gone has left."""
    table = places(pcscd)
    same, changed, gone = table[:3], table[3:6], table[6:]

    async def scenario() -> None:
        async with (
            aclosing(PcscReader(PcscConfig()).events()) as events,
            signals_everywhere(),
        ):
            assert isinstance(await following(events), ReaderUp)
            cards = [place.card(1) for place in table]
            await lay_on(cards)
            await stories(events, 8)
            getattr(pcscd, end)()
            assert isinstance(await following(events), ReaderDown)
            await take_away(cards)
            pcscd.start()
            cards = [place.card(1) for place in same]
            cards += [place.card(2) for place in changed]
            await lay_on(cards)
            assert isinstance(await following(events), ReaderUp)
            assert await stories(events, 2 * len(changed) + len(gone)) == {
                place.slot.reader: ["left", place.card(2).uid] for place in changed
            } | {place.slot.reader: ["left"] for place in gone}
            await take_away(cards)
            assert await stories(events, 6) == {
                place.slot.reader: ["left"] for place in same + changed
            }

    with nothing_left_behind():
        asyncio.run(scenario())


def test_mute_cards_hold_up_nobody_else(pcscd: Pcscd) -> None:
    """Beside cards that never answer the others are read, and so is what follows."""
    table = places(pcscd)
    mute, others = table[:2], table[2:]

    async def scenario() -> None:
        config = PcscConfig(card_timeout=SHORT)
        async with aclosing(PcscReader(config).events()) as events:
            assert isinstance(await following(events), ReaderUp)
            silent = [place.card(1, Fault.MUTE) for place in mute]
            await lay_on(silent)
            for place in mute:
                told = await stories(events, 1)
                assert set(told) <= {place.slot.reader for place in mute}
                assert "does not answer" in str(told.popitem())
            for number in range(2):
                cards = [place.card(number) for place in others]
                await lay_on(cards)
                assert await stories(events, len(others)) == {
                    place.slot.reader: [place.card(number).uid] for place in others
                }
                await take_away(cards)
                await stories(events, len(others))
            await take_away(silent)
            assert await stories(events, len(mute)) == {
                place.slot.reader: ["left"] for place in mute
            }
            cards = [place.card(3) for place in mute]
            await lay_on(cards)
            assert await stories(events, len(mute)) == {
                place.slot.reader: [place.card(3).uid] for place in mute
            }
            await take_away(cards)

    with nothing_left_behind():
        asyncio.run(scenario())

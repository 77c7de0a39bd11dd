"""People with cars and cards, who do what people do."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.simulation.cards import RIGHTS, Card, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.readers import CardReader
    from tests.simulation.sockets import Socket
    from tests.simulation.world import World

#: How many people come in an hour of the day, as a share of the mean.
_DAY: Final = (
    *(0.2, 0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.4, 1.7, 1.5, 1.4, 1.4),
    *(1.5, 1.4, 1.3, 1.4, 1.6, 1.9, 1.8, 1.4, 1.0, 0.7, 0.5, 0.3),
)
_HOUR_S: Final = 3600.0
#: Cars that come and want to charge; most taps come in pairs.
ARRIVALS_PER_HOUR: Final = 12.8
_POWERS_W: Final = (1400, 3700, 7400, 11_000, 11_000, 22_000)
_GIVES_UP_AFTER_S: Final = 20.0


class Crowd:
    """Everybody who comes to the station until it is closed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance("drivers")
        self._by_kind = {
            kind: [card for card in world.cards if card.kind is kind] for kind in RIGHTS
        }
        self._weights = [rights.weight for rights in RIGHTS.values()]
        self._in_use: Counter[Card] = Counter()
        self.closed = False

    async def come(self) -> None:
        """Let people come by day and by night; return when all have gone."""
        async with asyncio.TaskGroup() as group:
            while not self.closed:
                hour = int(self._world.now() / _HOUR_S) % 24
                rate = ARRIVALS_PER_HOUR * _DAY[hour]
                pause_s = self._chance.expovariate(rate / _HOUR_S)
                await asyncio.sleep(min(pause_s, _HOUR_S))
                if pause_s < _HOUR_S and not self.closed:
                    group.create_task(self._visit())

    # ---- one visit ------------------------------------------------------------------

    async def _visit(self) -> None:
        card = self._pick_card()
        if card is None:
            return
        self._in_use[card] += 1
        try:
            await _Visit(self._world, self, card).run()
        finally:
            self._in_use[card] -= 1

    def _pick_card(self) -> Card | None:
        """Choose somebody; some have come with the same card twice."""
        (kind,) = self._chance.choices(list(RIGHTS), self._weights)
        twice = self._chance.random() < 0.04
        free = [
            card for card in self._by_kind[kind] if twice == (self._in_use[card] > 0)
        ]
        return self._chance.choice(free) if free else None

    def colleague_of(self, card: Card) -> Card | None:
        """Find somebody else of the same fleet."""
        group = (card.group_id or "").casefold()
        fleet = [one for one in self._by_kind[Kind.FLEET] if one is not card]
        others = [one for one in fleet if (one.group_id or "").casefold() == group]
        return self._chance.choice(others) if others else None


class _Visit:
    """One person with one card, from coming to leaving."""

    def __init__(self, world: World, crowd: Crowd, card: Card) -> None:
        self._world = world
        self._crowd = crowd
        self._card = card
        self._chance = world.chance(f"visit {world.count('visits')}")

    async def run(self) -> None:
        socket = self._find_socket()
        if socket is None or self._card.kind is Kind.MASTER:
            # Full, or staff who switch everything off.
            if self._chance.random() < 0.3:
                await self._tap(self._chance.choice(list(self._world.readers.values())))
            return
        reader = self._chance.choice(self._world.readers_of(socket))
        if not await self._begin(socket, reader):
            return
        await self._stay(socket, reader)
        socket.unplug()
        if socket.is_watched and self._chance.random() < 0.03:
            # Something was wrong, or forgotten.
            await self._linger(1, 8)
            self._plug(socket)
            await self._linger(0.5, 10)
            await self._tap(reader)
            await self._stay(socket, reader)
            socket.unplug()

    async def _stay(self, socket: Socket, reader: CardReader) -> None:
        if await self._gets_energy(socket, reader):
            await self._charge(socket)
            await self._end(socket, reader)

    def _find_socket(self) -> Socket | None:
        free = [one for one in self._world.sockets.values() if one.is_free]
        return self._chance.choice(free) if free else None

    async def _begin(self, socket: Socket, reader: CardReader) -> bool:
        """Plug in and tap, or the other way round; say whether the car is there."""
        plug_first = self._chance.random() < 0.6
        if plug_first:
            self._plug(socket)
            forgetful = self._chance.random() < 0.04
            await self._linger(*((280, 400) if forgetful else (2, 40)))
            await self._tap(reader)
            return True
        socket.reserved = True
        try:
            await self._tap(reader)
            if self._chance.random() < 0.05:
                return False  # Curious, or in the wrong place.
            slow = self._chance.random() < 0.08
            await self._linger(*((50, 75) if slow else (2, 40)))
        finally:
            socket.reserved = False
        if not socket.is_free:
            return False
        self._plug(socket)
        return True

    def _plug(self, socket: Socket) -> None:
        socket.plug()
        socket.draw(self._chance.choice((0, *_POWERS_W)))

    async def _gets_energy(self, socket: Socket, reader: CardReader) -> bool:
        for patience in range(3):
            if await self._world.until(lambda: socket.can_flow, _GIVES_UP_AFTER_S):
                return True
            if patience < 2 and self._chance.random() < 0.6:
                await self._linger(1, 15)
                await self._tap(reader)
        return socket.can_flow

    async def _charge(self, socket: Socket) -> None:
        """Draw, pause, draw less and less, for minutes or hours."""
        stay_s = min(self._chance.lognormvariate(7.15, 0.8), 8 * _HOUR_S)
        leaves_at = self._world.now() + stay_s
        watts = self._chance.choice(_POWERS_W)
        while (left_s := leaves_at - self._world.now()) > 0:
            socket.draw(watts)
            phase_s = self._chance.uniform(60, 3000)
            await asyncio.sleep(min(phase_s, left_s))
            pauses = self._chance.random() < 0.2
            watts = 0 if pauses else int(watts * self._chance.uniform(0.5, 1.0)) or 3700
            if not socket.can_flow and self._chance.random() < 0.5:
                return  # It was switched off, and the driver has an app.

    async def _end(self, socket: Socket, reader: CardReader) -> None:
        way = self._chance.random()
        if way < 0.35:
            return  # Just leaves.
        card = self._card
        if way < 0.42 and (colleague := self._crowd.colleague_of(card)):
            card = colleague
        for _ in range(3):
            await self._tap(reader, card)
            if await self._world.until(lambda: not socket.can_flow, 10.0):
                break
            await self._linger(1, 10)
        long = self._chance.random() < 0.08
        await self._linger(*((300, 3000) if long else (2, 60)))

    # ---- gestures -------------------------------------------------------------------

    async def _tap(self, reader: CardReader, card: Card | None = None) -> None:
        """Hold the card to the reader, some of them too long or twice."""
        card = card or self._card
        lies = self._chance.random() < 0.01
        range_s = (60, 600) if lies else (0.3, 1.5)
        await reader.hold(card, self._chance.uniform(*range_s))
        if self._chance.random() < 0.05:
            await self._linger(0.1, 4)
            await reader.hold(card, 0.5)

    async def _linger(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self._chance.uniform(least_s, most_s))


async def walk_through_numbers(reader: CardReader, cards: Sequence[Card]) -> None:
    """Let somebody try one card after the other."""
    for card in cards:
        await reader.hold(card, 0.3)
        await asyncio.sleep(1.0)

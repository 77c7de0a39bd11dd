"""Card readers at work: a driver's events become taps, with the whitelist's word."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, assert_never

from agent.domain.messages import CardLifted, CardTapped, CardUnread, Input
from agent.domain.transforms import NOTHING, UidTransform
from agent.domain.uid import Technology, Uid, UidProblem, aliases_of, find_problem
from agent.errors import STORE_ERRORS, StoreCorruptError
from agent.reader_noise import Standing, UselessCards
from agent.supervisor import supervise
from drivers.readers import base as reader_events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from agent.clock import Clock
    from agent.domain.tokens import Token
    from agent.domain.uid import Alias
    from agent.health import Health
    from drivers.readers.base import Reader, ReaderEvent

_LOGGER = logging.getLogger(__name__)

INJECTED_SLOT = "injected"
LOOK_UP = "look-up of cards"


class CardDesk:
    """Turns a card number into a tap with its whitelist row.

    `find` reads the whitelist, for a number that is not in it also under its
    `aliases`; `is_fresh` says whether a row is young enough to be trusted; `on_damage`
    hears that the list cannot be read.
    """

    def __init__(  # noqa: PLR0913 - what a tap is made of
        self,
        *,
        find: Callable[[Uid], list[Token]],
        is_fresh: Callable[[Token], bool] = lambda _: True,
        aliases: Collection[Alias] = (),
        on_damage: Callable[[], None],
        fingerprint: Callable[[Uid], str],
        new_id: Callable[[], str],
        clock: Clock,
        health: Health,
    ) -> None:
        self._find = find
        self._is_fresh = is_fresh
        self._aliases = aliases
        self._on_damage = on_damage
        self._fingerprint = fingerprint
        self._new_id = new_id
        self._clock = clock
        self._health = health

    def tap(
        self,
        reader: str,
        slot: str,
        uid: Uid,
        technology: Technology,
        *,
        lying: bool = False,
    ) -> CardTapped:
        """Look a card up and describe its tap."""
        at = self._clock.now()
        token: Token | None = None
        fresh = True
        lookup_failed = False
        try:
            token = self._look_up(uid)
            fresh = token is None or self._is_fresh(token)
        except STORE_ERRORS as err:
            lookup_failed = True
            self._health.bad(LOOK_UP, str(err))
            if isinstance(err, StoreCorruptError):
                self._on_damage()
        else:
            self._health.good(LOOK_UP)
        return CardTapped(
            tap_id=self._new_id(),
            reader=reader,
            slot=slot,
            uid=uid,
            technology=technology,
            token=token,
            at=at,
            fresh=fresh,
            lying=lying,
            lookup_failed=lookup_failed,
        )

    def unread(self, reader: str) -> CardUnread:
        """Describe the tap of a card that gave no number."""
        return CardUnread(tap_id=self._new_id(), reader=reader)

    def _look_up(self, uid: Uid) -> Token | None:
        """Find the row that counts; the card's own number comes before its aliases."""
        for number in (uid, *aliases_of(uid, self._aliases)):
            if tokens := self._find(number):
                if len(tokens) > 1:
                    self._warn_of_conflict(uid, tokens)
                return tokens[0]
        return None

    def _warn_of_conflict(self, uid: Uid, tokens: list[Token]) -> None:
        _LOGGER.warning(
            "card %s is listed by %s; the first one counts",
            self._fingerprint(uid),
            " and ".join(
                f"{token.country_code}*{token.party_id} ({token.upstream})"
                for token in tokens
            ),
        )


class SeenCard(NamedTuple):
    """A card as the reader gives it, and what its transform makes of that.

    `raw` is empty if it gave no number, `uid` None if that is no card's; then `problem`
    says why.
    """

    reader: str
    raw: bytes
    read_as: Technology
    uid: Uid | None
    technology: Technology
    problem: str = ""


class ReaderPort:
    """One reader: keeps its driver open and posts what it sees.

    `transform` undoes what the reader does to card numbers.
    """

    def __init__(  # noqa: PLR0913 - what it is made of, and whom it tells
        self,
        name: str,
        driver: Reader,
        desk: CardDesk,
        post: Callable[[Input], None],
        health: Health,
        *,
        transform: UidTransform = NOTHING,
    ) -> None:
        self.name = name
        self.driver = driver
        self._transform = transform
        self._desk = desk
        self._post = post
        self._part = f"reader {name}"
        self._standing = Standing(self._part, health)
        self._watchers: list[Callable[[SeenCard], None]] = []
        self._useless = UselessCards(name)

    async def run(self) -> None:
        """Read cards until cancelled."""
        standing = self._standing
        try:
            await supervise(
                self._part, self.driver.events, self._on_event, standing.down
            )
            standing.settle()
        finally:
            standing.close()

    @contextmanager
    def watched_by(self, hear: Callable[[SeenCard], None]) -> Iterator[None]:
        """Let somebody hear of every card, number included; for the installer."""
        self._watchers.append(hear)
        try:
            yield
        finally:
            self._watchers.remove(hear)

    def look_up(self, uid: Uid) -> CardTapped:
        """Describe what a tap of this card would be, without tapping it."""
        return self._desk.tap(self.name, INJECTED_SLOT, uid, _guess(uid))

    def inject(self, uid: Uid) -> CardTapped:
        """Tap a card that nobody holds: same checks, and lifted at once."""
        tapped = self._desk.tap(self.name, INJECTED_SLOT, uid, _guess(uid))
        self._post(tapped)
        self._post(CardLifted(self.name, INJECTED_SLOT))
        return tapped

    def _on_arrived(self, event: reader_events.CardArrived) -> None:
        read_as = Technology(event.technology.value)
        technology = self._transform.technology_of(read_as)
        seen = SeenCard(self.name, event.uid, read_as, None, technology)
        try:
            uid = Uid.from_bytes(self._transform.apply(event.uid))
        except ValueError as err:
            self._on_unreadable(seen._replace(problem=str(err)))
            return
        problem = find_problem(uid, technology)
        if problem and self._useless.is_noise():
            return
        self._tell(seen._replace(uid=uid))
        if problem is UidProblem.WRONG_LENGTH:
            _LOGGER.warning(
                "reader %s: no %s card has a number of %d bytes; how to read it says: "
                "rfid-agent readers identify",
                *(self.name, technology.value, len(event.uid)),
            )
        self._post(
            self._desk.tap(self.name, event.slot, uid, technology, lying=event.lying)
        )

    def _on_unreadable(self, seen: SeenCard) -> None:
        if self._useless.is_noise():
            return
        _LOGGER.warning("reader %s: unreadable card: %s", self.name, seen.problem)
        self._tell(seen)
        self._post(self._desk.unread(self.name))

    def _tell(self, seen: SeenCard) -> None:
        for hear in list(self._watchers):
            hear(seen)

    def _on_event(self, event: ReaderEvent) -> None:
        match event:
            case reader_events.CardArrived():
                self._on_arrived(event)
            case reader_events.CardUnreadable(reason):
                kind = Technology.ISO14443  # What most cards are
                self._on_unreadable(SeenCard(self.name, b"", kind, None, kind, reason))
            case reader_events.CardLeft():
                self._post(CardLifted(self.name, event.slot))
            case reader_events.ReaderUp(device):
                self._standing.up(device)
            case reader_events.ReaderDown(reason):
                self._standing.down(reason)
            case _:
                assert_never(event)


def _guess(uid: Uid) -> Technology:
    """Take a typed number for the kind of card that has its length."""
    lengths = {10: Technology.EM4100, 16: Technology.ISO15693}
    return lengths.get(len(uid.value), Technology.ISO14443)

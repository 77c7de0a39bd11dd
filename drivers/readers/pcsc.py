"""Card readers of the PC/SC world, through pcscd."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from drivers.errors import DriverError
from drivers.findings import Finding
from drivers.readers.base import Reader, ReaderEvent
from drivers.readers.pcsc_listing import explain_missing, list_readers
from drivers.readers.pcsc_names import matches
from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

__all__ = ["PcscConfig", "PcscReader", "list_readers"]


@dataclass(frozen=True, slots=True)
class PcscConfig:
    """`match`: a reader's name, or a pattern (`*`, `?`, `[abc]`) for one or more.

    No pattern means a slot for a security module (SAM), only its whole name does.
    `card_timeout`: how long a card may take to answer, or another program to let it go.
    """

    match: str = "*"
    card_timeout: timedelta = timedelta(seconds=2)

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody: each tap would be two."""
        return [f"PC/SC reader {self.match!r}"]


class PcscReader(Reader):
    """All PC/SC readers that match; an event's `slot` is the PC/SC reader's name.

    While pcscd or the readers are away it keeps looking for them, and raises only
    what waiting does not cure. When to expect a CardLeft after that: see pcsc_slot.
    """

    Config = PcscConfig

    def __init__(
        self, config: PcscConfig, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._monotonic = monotonic
        self._session: Session | None = None

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield events; a card that lies there at the start counts as arriving."""
        scard = await asyncio.to_thread(Scard.load)
        config = self._config
        session = self._session = Session(
            scard, config.match, config.card_timeout, self._monotonic
        )
        try:
            while True:
                yield await session.next_event()
        finally:
            self._session = None
            await session.close()

    def check(self) -> Iterable[Finding]:
        """Ask pcscd which readers are attached, and whether one of them is meant."""
        pattern = self._config.match
        try:
            attached = list_readers()
        except DriverError as err:
            return [Finding("pcscd", str(err))]
        matching = [name for name in attached if matches(name, pattern)]
        if matching:
            return [Finding(name) for name in matching]
        problem = explain_missing(pattern, attached)
        return [Finding("pcscd"), Finding("PC/SC reader", problem)]

    def alive_at(self) -> float | None:
        """Monotonic seconds of the watcher's last round; one takes at most 5 s."""
        return self._session.watcher.heartbeat if self._session else None

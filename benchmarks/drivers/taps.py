"""A reader with its desk: cards become taps, each with what the whitelist says."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.card_readers import CardDesk, ReaderPort
from agent.clock import SystemClock
from agent.health import Health
from benchmarks.drivers.openers import make
from benchmarks.lists import open_whitelist
from drivers.readers.base import Reader, ReaderUp
from drivers.readers.serial import SerialReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from benchmarks.drivers.openers import Tell
    from drivers.readers.base import ReaderEvent


class _Announced(Reader):
    """A reader that also tells when it is up, of which no tap is made."""

    def __init__(self, reader: Reader, tell: Tell) -> None:
        self._reader = reader
        self._tell = tell

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield what the reader does."""
        async for event in self._reader.events():
            if isinstance(event, ReaderUp):
                self._tell(event)
            yield event


async def taps(tell: Tell, *, folder: str, **options: Any) -> None:  # noqa: ANN401 - any key
    """Run a serial reader as the daemon does, with the list in a folder."""
    ids = count()
    clock = SystemClock()
    health = Health(clock)
    with closing(open_whitelist(Path(folder))) as whitelist:
        desk = CardDesk(
            find=whitelist.find,
            on_damage=lambda: None,
            fingerprint=str,
            new_id=lambda: f"tap-{next(ids)}",
            clock=clock,
            health=health,
        )
        reader = _Announced(make(SerialReader, options), tell)
        await ReaderPort("front", reader, desk, tell, health).run()

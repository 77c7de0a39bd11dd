"""The LEDs and the buzzer of ACS readers, through pcscd."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.errors import DriverError
from drivers.findings import Finding
from drivers.indicators.acs_commands import Led, Light, Model
from drivers.indicators.acs_link import Link, Way
from drivers.indicators.acs_permission import find_refusal
from drivers.indicators.acs_player import Player
from drivers.indicators.acs_scard import EscapingScard
from drivers.indicators.acs_thread import Lamp, in_daemon_thread
from drivers.indicators.base import Indicator
from drivers.indicators.patterns import Patterns
from drivers.readers.pcsc_listing import explain_missing, list_readers
from drivers.readers.pcsc_names import matches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from drivers.indicators.acs_link import Shown
    from drivers.indicators.base import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class AcsIndicatorConfig(Patterns):
    """`match`: as the pcsc reader's; all readers that match show the same.

    `way`: by APDU through the card that lies there, or by escape, which works without
    a card but has to be allowed; "auto" takes what works, escape first. `card_beep`:
    whether the reader beeps by itself at each card; left out, it keeps its habit.
    """

    model: Model
    match: str = "ACS *"
    way: Way = Way.AUTO
    card_beep: bool | None = None

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody: two would overrule each other."""
        return [f"LEDs of {self.match!r}"]


class AcsIndicator(Indicator):
    """Shows each signal's pattern; the agent blinks, never the reader itself.

    What cannot be shown now is left out: nothing waits for a reader that is busy.
    """

    Config = AcsIndicatorConfig

    def __init__(
        self,
        config: AcsIndicatorConfig,
        *,
        load: Callable[[], EscapingScard] = EscapingScard.load,
        call: Callable[[Callable[[], Shown]], Awaitable[Shown]] = in_daemon_thread,
    ) -> None:
        self._config = config
        link = Link(
            config.match,
            config.model,
            config.way,
            card_beep=config.card_beep,
            load=load,
        )
        self._lamp = Lamp(link.put, call)

    def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Show the signal's pattern."""
        return Player(self._lamp, self._config.of(signal)).play()

    async def close(self) -> None:
        """Leave all dark and silent, as far as that is possible."""
        with suppress(DriverError):
            await self._lamp.put(Light(Led.NONE))

    def check(self) -> Iterable[Finding]:
        """Look which readers are attached, and whether escapes are allowed."""
        pattern = self._config.match
        try:
            attached = list_readers()
        except DriverError as err:
            yield Finding("pcscd", str(err))
            return
        meant = [name for name in attached if matches(name, pattern)]
        yield from map(Finding, meant)
        if not meant:
            yield Finding("LEDs and buzzer", explain_missing(pattern, attached))
        if self._config.way is not Way.APDU:
            yield Finding("escape commands", find_refusal())

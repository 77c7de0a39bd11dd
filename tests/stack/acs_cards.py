"""A virtual card whose reader has LEDs and a buzzer, and indicators for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.indicators.patterns import Colour, Pattern
from tests.drivers.indicators.acs_readers import Acr122u
from tests.drivers.indicators.showing import Screen
from tests.stack import virtual_card
from tests.stack.virtual_card import Fault, VirtualCard

if TYPE_CHECKING:
    from drivers.indicators.acs_link import Way

MATCH: Final = "Virtual PCD * 00"
#: A beep holds up its signal; these change as fast as they are shown.
SILENT: Final = AcsIndicatorConfig(
    model=Model.ACR122U,
    reading=Pattern(colours=(Colour.WHITE,)),
    accepted=Pattern(colours=(Colour.GREEN,)),
    refused=Pattern(colours=(Colour.RED,)),
    locked=Pattern(colours=(Colour.YELLOW,)),
)
DEFAULTS: Final = AcsIndicatorConfig(model=Model.ACR122U)


@dataclass
class ListenedAcr122u(Acr122u):
    """An ACR122U that tells when it has beeped twice."""

    second_beep: threading.Event = field(default_factory=threading.Event)

    def answer(self, command: bytes) -> bytes:
        """Listen to the beeps."""
        answer = super().answer(command)
        if len(self.beeps) > 1:
            self.second_beep.set()
        return answer


class CardOnAcr122u(VirtualCard):
    """A card whose reader has LEDs; they stay when the card leaves."""

    def __init__(
        self,
        uid: bytes,
        reader: Acr122u,
        *,
        port: int = virtual_card.PORT,
        fault: Fault = Fault.NONE,
    ) -> None:
        super().__init__(uid, port=port, fault=fault)
        self.reader = reader
        self.told = threading.Event()  # Something came through this card

    def _answer(self, message: bytes) -> bytes | None:
        if message.startswith((b"\xff\x00\x40", b"\xff\x00\x52")):
            self.told.set()
            return self.reader.answer(message)
        return super()._answer(message)


def indicator(
    way: Way, config: AcsIndicatorConfig = DEFAULTS, match: str = MATCH
) -> Screen:
    """Build an indicator for the first virtual reader, or those that match."""
    return Screen(AcsIndicator(replace(config, way=way, match=match)))

"""pyscard's functions over readers that are only objects, and an indicator on them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.indicators.acs_link import Way
from drivers.indicators.acs_scard import EscapingScard
from drivers.indicators.patterns import Colour, Pattern
from drivers.readers.pcsc_codes import Code
from tests.drivers.indicators.acs_readers import Acr122u
from tests.drivers.indicators.showing import Screen
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from types import ModuleType

    from drivers.indicators.base import Signal
    from tests.drivers.indicators.acs_readers import AcsReader

READER = "ACS ACR122U PICC Interface 00 00"
STEADY = Pattern(colours=(Colour.GREEN,))

CTL = 0x42000000
GET_FEATURES = CTL + 3400
#: Where these drivers take escapes, by their sources.
LIBCCID, LIBACSCCID = CTL + 1, CTL + 3500


@dataclass
class Plugged:
    """A reader at its pcscd; a code makes the call fail."""

    device: AcsReader
    card: bool = False
    #: The code under which its driver takes escapes; None: not allowed.
    escapes_at: int | None = LIBCCID
    features: int = Code.SCARD_S_SUCCESS
    escape: int = Code.SCARD_S_SUCCESS
    connect: int = Code.SCARD_S_SUCCESS
    #: Answers that come instead of the device's own.
    answers: list[bytes] = field(default_factory=list)
    #: How each command came.
    ways: list[str] = field(default_factory=list)

    def take(self, way: str, command: list[int]) -> list[int]:
        """Answer a command."""
        self.ways.append(way)
        if self.answers:
            return list(self.answers.pop(0))
        return list(self.device.answer(bytes(command)))

    def list_features(self) -> list[int]:
        """List what the driver can do, as tag, length and control code."""
        if self.features:
            return []
        tlv = bytes.fromhex("12 04 42 33 00 12")  # FEATURE_GET_TLV_PROPERTIES
        if self.escapes_at is not None:
            tlv += bytes([0x13, 4]) + self.escapes_at.to_bytes(4, "big")
        return list(tlv)


class FakePyscard:
    """As much of smartcard.scard as the driver uses, with the same results."""

    SCARD_SCOPE_SYSTEM = 2
    SCARD_SHARE_EXCLUSIVE, SCARD_SHARE_SHARED, SCARD_SHARE_DIRECT = 1, 2, 3
    SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1 = 1, 2
    SCARD_PCI_T0, SCARD_PCI_T1 = 1, 2
    SCARD_LEAVE_CARD = 0

    def __init__(self, readers: dict[str, Plugged]) -> None:
        self.readers = readers
        self.establish = int(Code.SCARD_S_SUCCESS)
        self.tries = 0
        self.open_contexts = 0
        self.open_handles: dict[int, tuple[Plugged, int]] = {}
        self._next_handle = 0

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]:  # noqa: N802 - pyscard's
        """Count what is open."""
        assert scope == self.SCARD_SCOPE_SYSTEM
        self.tries += 1
        if not self.establish:
            self.open_contexts += 1
        return _signed(self.establish), 1

    def SCardReleaseContext(self, context: int) -> int:  # noqa: N802 - pyscard's
        """Count what is open."""
        del context
        self.open_contexts -= 1
        return 0

    def SCardListReaders(  # noqa: N802 - pyscard's
        self, context: int, groups: list[str]
    ) -> tuple[int, list[str]]:
        """Name those plugged in."""
        del context, groups
        return 0, list(self.readers)

    def SCardConnect(  # noqa: N802 - pyscard's
        self, context: int, name: str, share: int, protocols: int
    ) -> tuple[int, int, int]:
        """Want a card, unless the reader itself is meant."""
        del context
        reader = self.readers[name]
        if reader.connect:
            return _signed(reader.connect), 0, 0
        if share == self.SCARD_SHARE_SHARED and not reader.card:
            return _signed(Code.SCARD_E_NO_SMARTCARD), 0, 0
        assert share != self.SCARD_SHARE_EXCLUSIVE
        assert bool(protocols) == (share == self.SCARD_SHARE_SHARED)
        self._next_handle += 1
        self.open_handles[self._next_handle] = reader, share
        return 0, self._next_handle, self.SCARD_PROTOCOL_T1

    def SCardDisconnect(self, handle: int, disposition: int) -> int:  # noqa: N802 - pyscard's
        """Close it."""
        assert disposition == self.SCARD_LEAVE_CARD
        del self.open_handles[handle]
        return 0

    def SCardStatus(self, handle: int) -> tuple[int, str, int, int, list[int]]:  # noqa: N802 - pyscard's
        """Give an answer to reset."""
        del handle
        return 0, "", 0, self.SCARD_PROTOCOL_T1, [0x3B, 0x00]

    def SCardTransmit(  # noqa: N802 - pyscard's
        self, handle: int, pci: int, apdu: list[int]
    ) -> tuple[int, list[int]]:
        """Send through the card."""
        reader, share = self.open_handles[handle]
        assert (share, pci) == (self.SCARD_SHARE_SHARED, self.SCARD_PCI_T1)
        return 0, reader.take("apdu", apdu)

    def SCardControl(  # noqa: N802 - pyscard's
        self, handle: int, code: int, command: list[int]
    ) -> tuple[int, list[int]]:
        """Send past the card."""
        reader, share = self.open_handles[handle]
        assert share == self.SCARD_SHARE_DIRECT
        if code == GET_FEATURES:
            return _signed(reader.features), reader.list_features()
        if code != reader.escapes_at:
            return _signed(Code.SCARD_E_UNSUPPORTED_FEATURE), []
        if reader.escape:
            return _signed(reader.escape), []
        return 0, reader.take("escape", command)

    def SCARD_CTL_CODE(self, code: int) -> int:  # noqa: N802 - pyscard's
        """Compute as pcsclite.h does on Linux."""
        return CTL + code


def _signed(code: int) -> int:
    """Give a code as pyscard did in some releases."""
    return code - (1 << 32) if code > 0x7FFFFFFF else code


def indicator_on(
    pyscard: FakePyscard,
    *,
    model: str = "acr122u",
    way: str = "auto",
    **options: Any,  # noqa: ANN401 - any option
) -> Screen:
    """Build one that works in threads which the virtual loop waits for."""
    scard = EscapingScard(cast("ModuleType", pyscard))
    config = AcsIndicatorConfig(model=Model(model), way=Way(way), **options)
    return Screen(AcsIndicator(config, load=lambda: scard, call=asyncio.to_thread))


def plugged(**options: Any) -> tuple[FakePyscard, Plugged]:  # noqa: ANN401 - any option
    """Plug in one reader, an ACR122U unless told otherwise."""
    reader = Plugged(options.pop("device", None) or Acr122u(), **options)
    return FakePyscard({READER: reader}), reader


def watch(indicator: Screen, signal: Signal, seconds: float = 0.0) -> None:
    """Show one signal, for so many seconds."""

    async def main() -> None:
        await indicator.show(signal)
        await asyncio.sleep(seconds)

    run_virtual(main())

"""PC/SC calls with types; the one module that touches pyscard.

A thread needs a context of its own, and after a failed call a new one.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NewType

from drivers.errors import UnsupportedDeviceError
from drivers.readers.pcsc_codes import Code, error_for
from drivers.readers.pcsc_states import count_of
from drivers.readers.pcsc_turns import EXCHANGE_S, OPENING_S, TURNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

Context = NewType("Context", int)

PCSC_LIBRARY: Final = "libpcsclite.so.1"
CODE_MASK: Final = 0xFFFFFFFF  # pyscard has returned negative codes, too


@dataclass(frozen=True, slots=True)
class Card:
    """A connected card; `atr` is its answer to reset.

    `count`: how many insertions and removals pcscd had counted at its reader.
    """

    atr: bytes
    count: int
    _library: ModuleType
    _handle: int
    _protocol: int

    def transmit(self, apdu: bytes) -> bytes:
        """Exchange one APDU; no bytes at all mean that the card was torn away."""
        pci = (
            self._library.SCARD_PCI_T1
            if self._protocol == self._library.SCARD_PROTOCOL_T1
            else self._library.SCARD_PCI_T0
        )
        with TURNS.take(EXCHANGE_S):
            code, answer = self._library.SCardTransmit(self._handle, pci, list(apdu))
        _check("SCardTransmit", code)
        return bytes(answer)


@dataclass(frozen=True, slots=True)
class Scard:
    """The calls this driver makes; each raises AccessDeniedError or ScardError."""

    _library: ModuleType

    @classmethod
    def load(cls) -> Scard:
        """Load pyscard; UnsupportedDeviceError says what is missing. Blocks shortly."""
        try:
            # pyscard imports without the library and then calls pcscd stopped.
            ctypes.CDLL(PCSC_LIBRARY)
        except OSError as err:
            raise UnsupportedDeviceError(
                f"cannot load {PCSC_LIBRARY}: install the package libpcsclite1"
            ) from err
        try:
            # A station without a PC/SC reader never pays for this import.
            from smartcard import scard  # noqa: PLC0415 - see above
        except ImportError as err:
            raise UnsupportedDeviceError(
                f"cannot import pyscard: install the Python package pyscard ({err})"
            ) from err
        return cls(scard)

    def establish(self) -> Context:
        """Connect to pcscd."""
        code, context = self._library.SCardEstablishContext(
            self._library.SCARD_SCOPE_SYSTEM
        )
        _check("SCardEstablishContext", code, opening=True)
        return Context(context)

    def release(self, context: Context) -> None:
        """Give a context back, usable or not."""
        with TURNS.take(OPENING_S):
            self._library.SCardReleaseContext(context)

    @contextmanager
    def context(self) -> Iterator[Context]:
        """Hold a context."""
        context = self.establish()
        try:
            yield context
        finally:
            self.release(context)

    def list_readers(self, context: Context) -> list[str]:
        """Name the readers attached now."""
        code, names = self._library.SCardListReaders(context, [])
        if code & CODE_MASK == Code.SCARD_E_NO_READERS_AVAILABLE:
            return []
        _check("SCardListReaders", code)
        return list(names)

    def wait(
        self, context: Context, timeout_s: float, known: Iterable[tuple[str, int]]
    ) -> dict[str, int]:
        """Wait until a state word differs from the `known`; empty after the timeout.

        Never pass no reader at all: pcscd answers that at once.
        """
        code, states = self._library.SCardGetStatusChange(
            context, round(timeout_s * 1000), list(known)
        )
        if code & CODE_MASK == Code.SCARD_E_TIMEOUT:
            return {}
        _check("SCardGetStatusChange", code)
        return {name: state for name, state, _atr in states}

    def cancel(self, context: Context) -> None:
        """End a wait of another thread; without effect when it is not waiting."""
        self._library.SCardCancel(context)

    @contextmanager
    def card(self, context: Context, reader: str) -> Iterator[Card]:
        """Share the card on `reader`, and leave it as it is."""
        lib = self._library
        protocols = lib.SCARD_PROTOCOL_T0 | lib.SCARD_PROTOCOL_T1
        with self._connected(context, reader, lib.SCARD_SHARE_SHARED, protocols) as (
            handle,
            protocol,
        ):
            with TURNS.take(EXCHANGE_S):
                code, _reader, state, _protocol, atr = lib.SCardStatus(handle)
            _check("SCardStatus", code)
            yield Card(bytes(atr), count_of(state), lib, handle, protocol)

    @contextmanager
    def _connected(
        self, context: Context, reader: str, share: int, protocols: int
    ) -> Iterator[tuple[int, int]]:
        """Hold a handle; gives the protocol that was agreed on, too."""
        lib = self._library
        with TURNS.take(OPENING_S):
            code, handle, protocol = lib.SCardConnect(context, reader, share, protocols)
        _check("SCardConnect", code, opening=True)
        try:
            yield handle, protocol
        finally:
            with TURNS.take(OPENING_S):
                lib.SCardDisconnect(handle, lib.SCARD_LEAVE_CARD)


def _check(call: str, code: int, *, opening: bool = False) -> None:
    if failure := code & CODE_MASK:
        raise error_for(call, failure, opening=opening)

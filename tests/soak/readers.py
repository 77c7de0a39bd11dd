"""Readers of a station in a soak: cards come and go, and so do the readers."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from drivers.readers.formats import em4100
from tests.drivers.indicators.acs_readers import Acr122u
from tests.drivers.readers.modules import Sl032Emulator, Twn4Emulator
from tests.drivers.serial_bench import Deaf
from tests.fakes.ports import ReservedPort
from tests.soak.ptys import PtyDevice
from tests.stack.acs_cards import CardOnAcr122u
from tests.stack.nfc_pty import Pn532OnPty

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.stack.pcscd import VirtualSlot

#: Enough for the readers that are asked to see a card, and to miss it afterwards.
QUICK: Final = {"poll_every": "100ms", "held_for": "300ms"}


class SoakReader(ABC):
    """One reader; `lose` and `mend` are harmless when nothing changes by them."""

    #: 125 kHz cards have five bytes.
    is_low_frequency = False

    def __init__(self, name: str, evses: Iterable[str]) -> None:
        self.name = name
        self.evses = list(evses)
        self.is_there = True

    def table(self) -> dict[str, Any]:
        """Build its [[reader]]."""
        return {"name": self.name, "evses": self.evses} | self._keys()

    @abstractmethod
    def _keys(self) -> dict[str, Any]:
        """Say which driver it has, and how."""

    @abstractmethod
    def lay(self, uid: str) -> None:
        """Lay a card on it, if it is there."""

    def lift(self) -> None:  # noqa: B027 - what was sent by itself needs no lifting
        """Take the card away."""

    def lose(self) -> None:
        """Pull it out."""
        self.is_there = False

    def mend(self) -> None:
        """Put it back."""
        self.is_there = True

    def close(self) -> None:
        """Take it away for good."""
        self.lift()
        self.lose()


class LineReader(SoakReader):
    """An RDM6300 on a serial line: it says by itself what it sees."""

    is_low_frequency = True

    def __init__(self, name: str, evses: Iterable[str], folder: Path) -> None:
        super().__init__(name, evses)
        self._pty = PtyDevice(folder / f"tty-{name}", Deaf())
        self._pty.plug()

    def _keys(self) -> dict[str, Any]:
        port = str(self._pty.link)
        held = QUICK["held_for"]
        return {"driver": "serial", "format": "rdm6300", "port": port, "held_for": held}

    def lay(self, uid: str) -> None:
        """Send one report."""
        self._pty.send(em4100.build(bytes.fromhex(uid), em4100.ETX))

    def lose(self) -> None:
        """Pull the adapter out."""
        super().lose()
        self._pty.unplug()

    def mend(self) -> None:
        """Put it back."""
        super().mend()
        self._pty.plug()


class ModuleReader(SoakReader):
    """A TWN4 or an SL032, which is asked, and shows its own lights."""

    def __init__(
        self, name: str, evses: Iterable[str], folder: Path, kind: str
    ) -> None:
        super().__init__(name, evses)
        self._kind = kind
        self._device = Twn4Emulator() if kind == "twn4" else Sl032Emulator()
        self._pty = PtyDevice(folder / f"tty-{name}", self._device)
        self._pty.plug()

    def _keys(self) -> dict[str, Any]:
        lights = {"indicator": {"driver": "module"}}
        serial = {"driver": "serial", "format": self._kind, "port": str(self._pty.link)}
        return serial | QUICK | lights

    def lay(self, uid: str) -> None:
        """Let it find a card."""
        self._device.card = bytes.fromhex(uid)

    def lift(self) -> None:
        """Let it find none; and forget what nobody looks at."""
        self._device.card = b""
        self._device.asked.clear()
        if isinstance(self._device, Twn4Emulator):
            self._device.beeps.clear()

    def lose(self) -> None:
        """Pull it out."""
        super().lose()
        self._pty.unplug()

    def mend(self) -> None:
        """Put it back."""
        super().mend()
        self._pty.plug()


class SocketReader(SoakReader):
    """A reader of lines of text behind a serial server, whose connections break."""

    def __init__(self, name: str, evses: Iterable[str]) -> None:
        super().__init__(name, evses)
        self._port = ReservedPort()
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self.mend()

    def _keys(self) -> dict[str, Any]:
        port = f"socket://127.0.0.1:{self._port.number}"
        held = QUICK["held_for"]
        return {"driver": "serial", "format": "ascii", "port": port, "held_for": held}

    def lay(self, uid: str) -> None:
        """Send a line to whoever is connected."""
        if self._listener is None:
            return
        with suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
        for connection in list(self._connections):
            try:
                connection.sendall(f"{uid}\r\n".encode())
            except OSError:
                connection.close()
                self._connections.remove(connection)

    def lose(self) -> None:
        """Hang up, and listen no more."""
        super().lose()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def mend(self) -> None:
        """Listen at the same port."""
        super().mend()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port.number))
            self._listener.setblocking(False)

    def close(self) -> None:
        """Give the port back, too."""
        super().close()
        self._port.close()


class NfcReader(SoakReader):
    """A PN532 behind a USB serial adapter."""

    def __init__(self, name: str, evses: Iterable[str], folder: Path) -> None:
        super().__init__(name, evses)
        self._pn532 = Pn532OnPty(folder / f"tty-{name}")
        self._pn532.plug()

    def _keys(self) -> dict[str, Any]:
        return {"driver": "nfc", "device": str(self._pn532.link)} | QUICK

    def lay(self, uid: str) -> None:
        """Lay a card on it."""
        self._pn532.lay(bytes.fromhex(uid))

    def lift(self) -> None:
        """Take it away."""
        self._pn532.lift()

    def lose(self) -> None:
        """Pull it out."""
        super().lose()
        self._pn532.unplug()

    def mend(self) -> None:
        """Put it back, with a chip that knows nothing."""
        if not self.is_there:
            self._pn532.plug()
        super().mend()


class PcscReader(SoakReader):
    """A slot of pcscd with LEDs and a buzzer; it comes and goes with pcscd."""

    def __init__(self, name: str, evses: Iterable[str], slot: VirtualSlot) -> None:
        super().__init__(name, evses)
        self._slot = slot
        self._card: CardOnAcr122u | None = None

    def _keys(self) -> dict[str, Any]:
        lamps = {"driver": "acs", "model": "acr122u", "way": "apdu"}
        match = {"match": self._slot.reader}
        return {"driver": "pcsc", "indicator": lamps | match} | match

    def lay(self, uid: str) -> None:
        """Lay a card on it, if pcscd has its readers."""
        self.lift()
        if self.is_there:
            card = CardOnAcr122u(bytes.fromhex(uid), Acr122u(), port=self._slot.port)
            card.insert()
            self._card = card

    def lift(self) -> None:
        """Take it away."""
        if self._card is not None:
            self._card.remove()
            self._card = None


class PipeReader(SoakReader):
    """A pipe, and a file for its lights."""

    def __init__(self, name: str, evses: Iterable[str], state: Path) -> None:
        super().__init__(name, evses)
        self._path = state / f"{name}.cards"

    def _keys(self) -> dict[str, Any]:
        lights = {"driver": "file", "path": f"{self.name}.signals"}
        return {"driver": "pipe", "path": self._path.name, "indicator": lights}

    def lay(self, uid: str) -> None:
        """Write a line, if somebody reads."""
        self._write(f"{uid}\n")

    def lose(self) -> None:
        """Die in the middle of a line; it stays there."""
        self._write("no card")

    def close(self) -> None:
        """Leave it to the daemon's directory."""

    def _write(self, text: str) -> None:
        with suppress(OSError):
            pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(pipe, text.encode())
            finally:
                os.close(pipe)

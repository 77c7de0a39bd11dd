"""A card for vpcd, pcscd's virtual reader: vpcd listens, and the card is a client.

Every message is framed by its length in two bytes, most significant first. It connects
to 127.0.0.1, which the tests' network guard allows, so tests need no marker.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

# Of the first slot; the second slot has the next port. Below those that the kernel
# gives to whoever asks for any: a server of another test must not have taken it.
PORT: Final = 15963
CONNECT_S: Final = 5.0  # For a pcscd that is just starting

# Answers to reset: PC/SC part 3 storage cards, a smart card, and no ATR at all.
MIFARE_CLASSIC_1K: Final = bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")
ISO15693: Final = bytes.fromhex("3B8F8001804F0CA0000003060B00140000000077")
DESFIRE: Final = bytes.fromhex("3B8180018080")
GARBAGE: Final = bytes.fromhex("FFFFFFFF")

POWER_ON: Final = b"\x01"
GET_ATR: Final = b"\x04"  # Also asked for to know whether the card is there
GET_UID: Final = bytes.fromhex("FFCA0000")  # And Le

OK: Final = bytes.fromhex("9000")
END_OF_FILE: Final = bytes.fromhex("6282")  # Le is more than there is
REFUSED: Final = bytes.fromhex("6A81")
UNKNOWN_INSTRUCTION: Final = bytes.fromhex("6D00")


class Fault(Enum):
    """How a card misbehaves when it is asked for its uid."""

    NONE = auto()
    TORN = auto()  # Leaves the field instead of answering
    MUTE = auto()  # Never answers
    REFUSING = auto()  # Answers with a status word only


class VirtualCard:
    """A card that lies on the reader between `insert` and `remove`.

    `asked` is set when the uid is asked for. After `remove`, wait until pcscd noticed
    before inserting again: it does not see a quick swap.
    """

    def __init__(
        self,
        uid: bytes,
        *,
        port: int = PORT,
        atr: bytes = MIFARE_CLASSIC_1K,
        fault: Fault = Fault.NONE,
        delay_s: float = 0.0,
    ) -> None:
        self.uid = uid
        self.fault = fault
        self.asked = threading.Event()
        self._port = port
        self._atr = atr
        self._delay_s = delay_s
        self._removed = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.insert()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def insert(self) -> None:
        """Lay the card on the reader; again, when pcscd restarted under it."""
        self.remove()
        self.asked.clear()
        self._removed.clear()
        self._socket = _connect(self._port)
        self._thread = threading.Thread(
            target=self._serve, args=(self._socket,), name="virtual-card", daemon=True
        )
        self._thread.start()

    def remove(self) -> None:
        """Take the card away; harmless when it is not there."""
        self._removed.set()
        if self._socket and self._thread:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        self._socket = self._thread = None

    def _serve(self, link: socket.socket) -> None:
        with link, contextlib.suppress(OSError, EOFError):
            while True:
                (length,) = struct.unpack(">H", _receive(link, 2))
                answer = self._answer(_receive(link, length))
                if answer is not None:
                    link.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, message: bytes) -> bytes | None:
        if len(message) == 1:
            return self._atr if message == GET_ATR else None
        if not message.startswith(GET_UID):
            return REFUSED if message.startswith(GET_UID[:2]) else UNKNOWN_INSTRUCTION
        self.asked.set()
        self._removed.wait(self._delay_s)
        match self.fault:
            case Fault.TORN:
                raise EOFError
            case Fault.MUTE:
                self._removed.wait()
                return None
            case Fault.REFUSING:
                return REFUSED
        wanted = message[len(GET_UID)]
        if 0 < wanted < len(self.uid):
            return bytes([0x6C, len(self.uid)])
        return self.uid + (END_OF_FILE if wanted > len(self.uid) else OK)


def _connect(port: int) -> socket.socket:
    deadline = time.monotonic() + CONNECT_S
    while True:
        try:
            link = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return link


def _receive(link: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        # vpcd writes small packets with Nagle's algorithm on; an acknowledgement that
        # is delayed holds up its next packet. The kernel forgets the option.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        chunk = link.recv(length - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data

"""Card readers of every kind but PC/SC, with their other ends played here."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from benchmarks.drivers import fakes, taps
from benchmarks.drivers.peers import DescriptorPeer, PtyPeer, TcpPeer
from benchmarks.drivers.subject import Subject, after
from benchmarks.lists import build_whitelist
from drivers.readers.formats import em4100, id12, rdm6300, wiegand
from drivers.readers.nfc import NfcReader
from drivers.readers.pipe import PipeReader
from drivers.readers.serial import SerialReader
from drivers.readers.serial_config import BAUDRATES, Format
from drivers.readers.wedge_keys import KEY_ENTER
from tests.drivers.readers.modules import Sl032Emulator, Twn4Emulator
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.readers.wedge_bench import InputTree, press, type_out
from tests.pages_server import token
from tests.stack.nfc_chip import Chip, EmulatedCard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.drivers.peers import Peer
    from benchmarks.drivers.subject import Sample

# A card is forgotten before the next one comes, as it is where people tap.
_FORGET: Final = {"held_for": "PT0.001S"}
_LOOK_OFTEN: Final = {"poll_every": "PT0.002S", **_FORGET}
_LOOKS: Final = 60  # Each card waits for one
_DIGITS_S: Final = 0.005  # A keyboard takes longer for a number
_LIST: Final = 10_000
_UP, _ARRIVED, _TAPPED = "ReaderUp", "CardArrived", "CardTapped"


def subjects(directory: Path) -> list[AbstractContextManager[Subject]]:
    """All of them, each made when its context is entered."""
    directory.mkdir()
    heard: dict[Format, Callable[[int], bytes]] = {
        Format.ASCII: _as_line,
        Format.RDM6300: lambda number: em4100.build(number.to_bytes(5), rdm6300.TAIL),
        Format.ID12: lambda number: em4100.build(number.to_bytes(5), id12.TAIL),
        Format.WIEGAND: lambda number: f"{number:08X}\r".encode(),
        Format.WIEGAND_RAW: lambda number: (
            wiegand.build_raw(number.to_bytes(4)) + b"\r"
        ),
    }
    polled: dict[Format, Any] = {
        Format.TWN4: Twn4Emulator(),
        Format.TWN4_ASCII: Twn4Emulator(ascii_hex=True),
        Format.SL032: Sl032Emulator(),
        Format.PN532: Pn532Emulator(),
    }
    return [
        _on_pipe(directory),
        *(_on_pty(kind, build) for kind, build in heard.items()),
        _on_tcp(),
        *(_polled(kind, emulator) for kind, emulator in polled.items()),
        _nfc(),
        _wedge(directory),
        _taps(directory),
    ]


def _uid(number: int) -> bytes:
    return b"\x04" + (0xA1B2C3 + number).to_bytes(6)


def _as_line(number: int) -> bytes:
    return f"{_uid(number).hex()}\r".encode()


def _speaking(peer: Peer, build: Callable[[int], bytes]) -> Sample:
    """Have a reader report cards by itself."""
    return after(peer.stamp, lambda number: peer.say(build(number)), _ARRIVED)


@contextmanager
def _on_pipe(directory: Path) -> Iterator[Subject]:
    path = directory / "cards"
    os.mkfifo(path, 0o600)
    # Opened for both, so as not to wait for the driver.
    with closing(os.fdopen(os.open(path, os.O_RDWR), "wb", buffering=0)) as ours:
        peer = DescriptorPeer(ours.fileno())
        yield Subject(
            what="reader pipe",
            driver=PipeReader,
            options={"path": str(path)},
            ready=_UP,
            sample=_speaking(peer, lambda number: _as_line(number)[:-1] + b"\n"),
        )


@contextmanager
def _on_pty(kind: Format, build: Callable[[int], bytes]) -> Iterator[Subject]:
    with PtyPeer() as peer:
        yield Subject(
            what=f"reader serial {kind.value}",
            driver=SerialReader,
            options={"port": peer.path, "format": kind.value},
            busy=_FORGET,
            ready=_UP,
            sample=_speaking(peer, build),
        )


@contextmanager
def _on_tcp() -> Iterator[Subject]:
    with TcpPeer() as peer:
        yield Subject(
            what="reader socket:// ascii",
            driver=SerialReader,
            options={"port": peer.url, "format": Format.ASCII.value},
            busy=_FORGET,
            ready=_UP,
            on_ready=peer.accept,
            sample=_speaking(peer, _as_line),
        )


@contextmanager
def _polled(kind: Format, emulator: Any) -> Iterator[Subject]:  # noqa: ANN401 - any of them
    with PtyPeer(emulator, BAUDRATES[kind]) as peer:

        def lay(number: int) -> None:
            peer.stamp.expect(_uid(number))
            emulator.card = _uid(number)

        yield Subject(
            what=f"reader serial {kind.value}",
            driver=SerialReader,
            options={"port": peer.path, "format": kind.value},
            busy=_LOOK_OFTEN,
            ready=_UP,
            idles="asks 4 times a second, for each kind of card",
            sample=after(peer.stamp, lay, _ARRIVED),
            samples=_LOOKS,
            path="answer to event",
        )


@contextmanager
def _nfc() -> Iterator[Subject]:
    chip = Chip()
    with PtyPeer(chip, BAUDRATES[Format.PN532]) as peer:

        def lay(number: int) -> None:
            peer.stamp.expect(_uid(number))
            chip.card = EmulatedCard(_uid(number))

        yield Subject(
            what="reader nfc",
            driver=NfcReader,
            options={"device": peer.path},
            busy=_LOOK_OFTEN,
            ready=_UP,
            idles="nfcpy asks 4 times a second, 4 questions of the chip each",
            sample=after(peer.stamp, lay, _ARRIVED),
            samples=_LOOKS,
            path="answer to event",
        )


@contextmanager
def _wedge(directory: Path) -> Iterator[Subject]:
    tree = InputTree(directory / "input")
    tree.plug(0)
    ours, theirs = socket.socketpair()
    peer = DescriptorPeer(ours.fileno())

    def type_number(number: int) -> None:
        at = time.monotonic()
        enter = press(KEY_ENTER, at)
        peer.write(type_out(_uid(number).hex(), at).removesuffix(enter))
        time.sleep(_DIGITS_S)
        peer.stamp.note()
        peer.write(enter)

    with ours, theirs:
        yield Subject(
            what="reader wedge",
            opener=fakes.wedge,
            options={
                "folder": str(tree.folder),
                "descriptor": theirs.fileno(),
                "device": "ffff:0035",
            },
            busy=_FORGET,
            pass_fds=(theirs.fileno(),),
            ready=_UP,
            sample=after(peer.stamp, type_number, _ARRIVED),
            path="Enter to event",
            note="keys through a socket, without evdev",
        )


@contextmanager
def _taps(directory: Path) -> Iterator[Subject]:
    folder = directory / "whitelist"
    folder.mkdir()
    build_whitelist(folder, _LIST).close()
    with PtyPeer() as peer:

        def tap(number: int) -> None:
            peer.say(f"{token(number)['uid']}\r".encode())

        yield Subject(
            what="reader serial ascii, desk",
            opener=taps.taps,
            options={
                "folder": str(folder),
                "port": peer.path,
                "format": Format.ASCII.value,
            },
            busy=_FORGET,
            ready=_UP,
            sample=after(peer.stamp, tap, _TAPPED),
            path="byte to tap",
            note=f"looked up in {_LIST:,} tokens",
        )

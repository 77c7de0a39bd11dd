"""A card for nfcpy's simulated field: a frontend that listens on a UDP port."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import nfc.clf
import nfc.clf.udp

if TYPE_CHECKING:
    from typing import Self

HOST: Final = "127.0.0.1"
LISTEN_S: Final = 60.0
SLICE_S: Final = 0.02


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class _RemovedError(Exception):
    """The card is no longer there."""


class _CardDevice(nfc.clf.udp.Device):  # type: ignore[misc] # nfcpy has no types
    """nfcpy's own, but on loopback only, and with an end."""

    def __init__(self, port: int, removed: threading.Event) -> None:
        super().__init__(HOST, port)
        self._removed = removed

    def _bind_socket(self, time_to_return: float) -> bool:
        del time_to_return
        self.socket.bind((HOST, self.addr[1]))
        return True

    def _recv_data(self, timeout: float, *kinds: str) -> Any:  # noqa: ANN401 - nfcpy's own
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._removed.is_set():
                raise _RemovedError
            try:
                return super()._recv_data(SLICE_S, *kinds)
            except nfc.clf.TimeoutError:
                pass
        raise nfc.clf.TimeoutError


class UdpCard:
    """A card that lies in the field while the context lasts."""

    def __init__(self, port: int, target: nfc.clf.LocalTarget) -> None:
        self._target = target
        self._removed = threading.Event()
        self._device = _CardDevice(port, self._removed)
        self._thread = threading.Thread(target=self._lie, name="udp-card", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._removed.set()
        self._thread.join()

    def _lie(self) -> None:
        frontend = nfc.clf.ContactlessFrontend()
        frontend.device = self._device
        try:
            while True:
                try:
                    frontend.listen(self._target, timeout=LISTEN_S)
                except nfc.clf.CommunicationError:  # The reader has switched it off
                    continue
        except _RemovedError:
            frontend.close()


def type_a(uid: bytes) -> nfc.clf.LocalTarget:
    """Make a card of type A."""
    return nfc.clf.LocalTarget(
        "106A", sens_res=b"\x44\x00", sdd_res=bytearray(uid), sel_res=bytearray(1)
    )


def type_b(pupi: bytes) -> nfc.clf.LocalTarget:
    """Make a card of type B."""
    atqb = b"\x50" + pupi + bytes.fromhex("00000000 008171")
    return nfc.clf.LocalTarget("106B", sensb_res=bytearray(atqb))

"""What the daemon says of itself: events from its socket, readiness to systemd."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Event = dict[str, Any]

_POLL_S: Final = 0.05


class ServiceManager:
    """The end of the notification socket that systemd has (sd_notify(3))."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: Every message so far, in order, as far as it was asked for.
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(_POLL_S)

    def expect(
        self, wanted: str, is_alive: Callable[[], bool], within_s: float = PATIENCE_S
    ) -> None:
        """Read on until this message comes; AssertionError if it does not."""
        deadline = time.monotonic() + within_s
        while True:
            # Looked at first: a process that has just ended may have left messages.
            lives = is_alive()
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                assert lives, f"the daemon ended before {wanted}"
                assert time.monotonic() < deadline, f"no {wanted} in {within_s:g} s"
                continue
            self.messages.append(message)
            if wanted in message.splitlines():
                return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class EventStream:
    """The answer to `watch`: every event from the moment it was asked for."""

    def __init__(self, control_socket: Path) -> None:
        self._events: list[Event] = []
        self._next = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(control_socket))
        self._socket.sendall(b'{"command": "watch"}\n')
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.expect(event="watching")

    def expect(self, *, within_s: float = PATIENCE_S, **facts: object) -> Event:
        """Return the next event with these facts; those before it are passed over."""
        return until(lambda: self._take(facts), f"an event {facts}", within_s=within_s)

    def all(self) -> list[Event]:
        """Return everything that was heard so far."""
        return list(self._events)

    def wait_for_end(self) -> None:
        """Wait until the daemon hangs up."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the daemon has not hung up"

    def close(self) -> None:
        """Hang up."""
        # The reading thread would go on in recv() if the socket were just closed.
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            self._thread.join()
            self._socket.close()

    def _take(self, facts: dict[str, object]) -> Event | None:
        for number in range(self._next, len(self._events)):
            event = self._events[number]
            if facts.items() <= event.items():
                self._next = number + 1
                return event
        return None

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    self._events.append(json.loads(line)["progress"])
        except OSError:
            return  # The daemon was killed.

"""Daemons under test as their tests see them: start one, hear it, see it die."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TypeVar

import msgspec

from tests.interop.environment import PROJECT_ROOT
from tests.torture.orders import (
    DIES,
    MAX_MESSAGE_BYTES,
    PASSES,
    Ended,
    Passage,
    Run,
    Started,
    Wait,
    from_line,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

T = TypeVar("T")

#: Far more than anything needs, so that a busy machine is no failure.
PATIENCE_S: Final = 20.0
_READ_BYTES: Final = 65_536


class DiedError(Exception):
    """The daemon is gone, and whoever was waiting for it waits in vain."""


class Zygote:
    """Starts daemons in milliseconds; a context manager. Any thread may use it."""

    def __init__(self) -> None:
        self._using = threading.Lock()

    def __enter__(self) -> Self:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.zygote", str(theirs.fileno())],
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()
        self._process.wait(PATIENCE_S)

    def run(self, order: Run) -> Daemon:
        """Start a daemon."""
        ours, theirs = os.pipe()
        try:
            started = self._ask(order, Started, [theirs])
        finally:
            os.close(theirs)
        return Daemon(self, started.pid, ours)

    def wait(self, pid: int) -> int:
        """Wait for a daemon that has ended; return its status as Popen has it."""
        return self._ask(Wait(pid), Ended).status

    def _ask(
        self, order: Run | Wait, answer: type[T], descriptors: Sequence[int] = ()
    ) -> T:
        with self._using:
            socket.send_fds(self._channel, [msgspec.json.encode(order)], descriptors)
            data = self._channel.recv(MAX_MESSAGE_BYTES)
        if not data:
            raise RuntimeError("expected an answer from the zygote, it has ended")
        return msgspec.json.decode(data, type=answer)


class Daemon:
    """One run of the daemon, from its start to its end; used by one thread.

    `lines` is what it has said so far. Waiting for anything raises DiedError when it
    ends before, and AssertionError when it does not come.
    """

    def __init__(self, zygote: Zygote, pid: int, output: int) -> None:
        self.pid = pid
        self.lines: list[str] = []
        #: None while it runs; then as Popen has it.
        self.status: int | None = None
        self._zygote = zygote
        self._output = output
        self._tail = b""
        self._heard = 0

    # ---- what it says ---------------------------------------------------------------

    def expect(self, *texts: str) -> str:
        """Return the next line with these texts; those before it are passed over."""
        deadline = time.monotonic() + PATIENCE_S
        while (line := self._next_with(texts)) is None:
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"waited for {texts}; the log:\n{self.log()}"
            self.listen(left_s)
        return line

    def skip(self) -> None:
        """Expect nothing any more of what it has said so far."""
        self.listen(0)
        self._heard = len(self.lines)

    def listen(self, within_s: float) -> None:
        """Hear what it says next, or that it has ended: DiedError, now and ever after.

        Whatever it has said before its end is heard before.
        """
        if self.status is not None:
            words = "\n".join(self.lines[-1:])
            raise DiedError(f"status {self.status}, its last words: {words}")
        readable, _, _ = select.select([self._output], [], [], within_s)
        if not readable:
            return
        if data := os.read(self._output, _READ_BYTES):
            *lines, self._tail = (self._tail + data).split(b"\n")
            self.lines += [line.decode(errors="replace") for line in lines]
            return
        os.close(self._output)
        self.status = self._zygote.wait(self.pid)
        self.listen(0)

    def log(self) -> str:
        """Everything it has said."""
        return "\n".join(self.lines)

    def passages(self) -> list[Passage]:
        """The points it has passed, in order."""
        found = (from_line(PASSES, line) for line in self.lines)
        return [passage for passage in found if passage is not None]

    @property
    def died_in(self) -> Passage | None:
        """The passage in which it has killed itself."""
        found = (from_line(DIES, line) for line in self.lines)
        return next((passage for passage in found if passage is not None), None)

    def _next_with(self, texts: tuple[str, ...]) -> str | None:
        for number in range(self._heard, len(self.lines)):
            if all(text in self.lines[number] for text in texts):
                self._heard = number + 1
                return self.lines[number]
        self._heard = len(self.lines)
        return None

    # ---- its end --------------------------------------------------------------------

    def kill(self) -> None:
        """End it at once, wherever it is; harmless when it has ended."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """End it as systemd does; return its status."""
        return self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; harmless when it has ended."""
        # Its number is its own until it has been waited for, which listen() does.
        if self.status is None:
            os.kill(self.pid, number)

    def wait_for_end(self) -> None:
        """Hear it until it ends, which it is about to do: DiedError."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"it does not end; the log:\n{self.log()}"
            self.listen(left_s)

    def _end(self, number: signal.Signals) -> int:
        self.send(number)
        with suppress(DiedError):
            self.wait_for_end()
        assert self.status is not None
        return self.status

"""The process of a measured driver, as the one that measures it sees it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Final, Self, cast

import msgspec

from benchmarks.drivers.wire import IDLE, Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE_S: Final = 15.0
_END_S: Final = 5.0  # Leaving energy off takes some drivers a moment


class DriverProcess:
    """A driver in a process of its own, while the context lasts."""

    def __init__(
        self,
        opener: str,
        options: Mapping[str, Any],
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "benchmarks.drivers.child", opener),
            msgspec.json.encode(options).decode(),
        ]
        self._pass_fds = pass_fds
        self._tail = b""
        self._messages: list[Message] = []

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=self._pass_fds,
            # Ctrl-C is ours to hear: it ends with its standard input.
            process_group=0,
        )
        self._stdin = cast("IO[bytes]", self._process.stdin)
        self._stdout = cast("IO[bytes]", self._process.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.let_go()
            self._process.wait(_END_S)
        finally:
            # Without effect on one that has ended.
            self._process.kill()
            self._process.wait()
            self._stdout.close()
            self._log.close()

    def wait_for(self, *kinds: str) -> Message:
        """Wait for the next message of one of these kinds; skip the others."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            while self._messages:
                message = self._messages.pop(0)
                if message.kind in kinds:
                    return message
            self._read(deadline, kinds)

    def let_go(self) -> None:
        """Have it end, without waiting for that."""
        self._stdin.close()

    def begin_idling(self, seconds: float) -> None:
        """Have it measure itself from now on."""
        self._stdin.write(f"{seconds}\n".encode())
        self._stdin.flush()

    def end_idling(self) -> Message:
        """Return what it measured."""
        return self.wait_for(IDLE)

    def _read(self, deadline: float, kinds: tuple[str, ...]) -> None:
        wait_s = max(deadline - time.monotonic(), 0)
        if not select.select([self._stdout], [], [], wait_s)[0]:
            raise RuntimeError(f"no {' or '.join(kinds)} came of {self._command}")
        self._receive()

    def _receive(self) -> None:
        data = os.read(self._stdout.fileno(), 65_536)
        if not data:
            self._log.seek(0)
            why = self._log.read().decode(errors="replace")
            raise RuntimeError(f"{self._command} has ended: {why}")
        *lines, self._tail = (self._tail + data).split(b"\n")
        self._messages += [msgspec.json.decode(line, type=Message) for line in lines]

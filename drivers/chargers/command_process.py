"""An installer's program as a child process: lines in and out, and a certain end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, cast

from drivers.chargers.command_check import ADVICE
from drivers.chargers.command_messages import MAX_LINE_BYTES, shorten
from drivers.chargers.command_ration import Ration
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.line_splitter import LineSplitter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

_LOGGER = logging.getLogger(__name__)

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_MAX_UNREAD_BYTES: Final = 65_536  # Requests are small: it has not read for very long
_EXIT_FOLLOWS_S: Final = 0.3  # Between the end of its output and its own end
#: All that a program is given of the agent's own environment: there are secrets' paths
#: in it, and the socket on which systemd is told how we are.
_ENVIRONMENT: Final = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER")


class Murmur:
    """Logs a program's words, so many within a time, and counts the rest."""

    def __init__(self, name: str, most: int = 20, within_s: float = 60.0) -> None:
        self._name = name
        self._most = most
        self._within_s = within_s
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + within_s
        self._said = 0

    def say(self, text: str) -> None:
        """Log a warning, or leave it out."""
        if self._loop.time() >= self._until:
            self.finish()
            self._until = self._loop.time() + self._within_s
            self._said = 0
        self._said += 1
        if self._said <= self._most:
            _LOGGER.warning("%s: %s", self._name, text)

    def finish(self) -> None:
        """Say how much was left out."""
        if (left_out := self._said - self._most) > 0:
            _LOGGER.warning(
                "%s: left out %d more lines like these", self._name, left_out
            )
            self._said = self._most


class Process(asyncio.SubprocessProtocol):
    """A running program, leader of a process group of its own.

    `on_line` hears each line of its standard output, None for one that is too long;
    `on_end` hears once why nothing more will come. Its standard error goes to the log.
    One that says too much has to wait until it is read again.
    """

    def __init__(
        self,
        name: str,
        on_line: Callable[[str | None], None],
        on_end: Callable[[DriverError], None],
    ) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._murmur = Murmur(name)
        self._lines = {fd: LineSplitter(MAX_LINE_BYTES) for fd in (_STDOUT, _STDERR)}
        self._rations = {_STDOUT: Ration(), _STDERR: Ration()}
        self._pauses: dict[int, asyncio.TimerHandle] = {}
        self._transport: asyncio.SubprocessTransport | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._has_told_end = False
        self._last_words = ""
        self._exited = asyncio.Event()
        self._drained = asyncio.Event()

    # ---- what the agent does --------------------------------------------------------

    def write(self, line: bytes) -> None:
        """Hand it a line; a DriverError if it takes none."""
        pipe = self._stdin()
        if pipe is None or self._has_told_end:
            raise DeviceGoneError("the program takes no requests any more")
        if pipe.is_closing():
            return  # Its end is told of in a moment, and says more.
        if pipe.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            raise TransientDeviceError("the program does not read its requests")
        pipe.write(line)

    def complain(self, text: str) -> None:
        """Log what is wrong with what it says, unless that is too often."""
        self._murmur.say(f"ignored a line: {text}")

    async def end(self, grace_s: float) -> None:
        """Close its input, then ask it to go, then kill it; and all that it started.

        It has `grace_s` for each of the first two.
        """
        if (transport := self._transport) is None:
            return
        try:
            if (pipe := self._stdin()) is not None:
                pipe.close()
            if not await _happens(self._exited, grace_s):
                self._signal(signal.SIGTERM)
                await _happens(self._exited, grace_s)
        finally:
            # Also what the program has started and left behind.
            self._signal(signal.SIGKILL)
            await _happens(self._exited, grace_s)
            await _happens(self._drained, _EXIT_FOLLOWS_S)
            transport.close()
            if self._ending is not None:
                self._ending.cancel()
            for pause in self._pauses.values():
                pause.cancel()
            self._murmur.finish()

    # ---- what the loop calls --------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way to it."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what it wrote."""
        for line in self._lines[fd].feed(data):
            if fd == _STDOUT:
                self._on_line(line)
            else:
                words = shorten(line or "(a very long line)")
                self._last_words = words or self._last_words
                self._murmur.say(f"says: {words}")
        if (pause_s := self._rations[fd].take(len(data))) > 0:
            pipe = self._pipe(fd)
            pipe.pause_reading()
            self._pauses[fd] = self._loop.call_later(pause_s, pipe.resume_reading)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Notice that it will say, or take, nothing more; its exit may explain it."""
        del exc
        if fd != _STDERR and self._ending is None:
            self._ending = self._loop.call_later(
                _EXIT_FOLLOWS_S, self._tell_end, "the program has closed its pipes"
            )

    def process_exited(self) -> None:
        """Notice its end."""
        self._exited.set()
        if self._ending is not None:
            self._ending.cancel()
        # Its last words may not have been read; what it has started may hold the pipes.
        self._ending = self._loop.call_later(_EXIT_FOLLOWS_S, self._tell_exit)

    def connection_lost(self, exc: Exception | None) -> None:
        """Notice that it has ended and all that it wrote was read."""
        del exc
        self._drained.set()
        self._tell_exit()

    # ---- inside ---------------------------------------------------------------------

    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(_STDIN) if self._transport else None
        return cast("asyncio.WriteTransport | None", pipe)

    def _pipe(self, fd: int) -> asyncio.ReadTransport:
        """Return what it writes to; it has just written, so it runs."""
        pipe = self._transport.get_pipe_transport(fd) if self._transport else None
        return cast("asyncio.ReadTransport", pipe)

    def _tell_exit(self) -> None:
        status = self._transport.get_returncode() if self._transport else None
        words = f": {self._last_words}" if self._last_words and status else ""
        self._tell_end(f"the program {_describe(status)}{words}")

    def _tell_end(self, why: str) -> None:
        if not self._has_told_end:
            self._has_told_end = True
            self._on_end(TransientDeviceError(why))

    def _signal(self, number: signal.Signals) -> None:
        """Tell its whole group, which outlives it as long as somebody is in it."""
        pid = self._transport.get_pid() if self._transport else None
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


@asynccontextmanager
async def run_program(
    command: Sequence[str],
    on_line: Callable[[str | None], None],
    on_end: Callable[[DriverError], None],
    *,
    grace_s: float,
) -> AsyncIterator[Process]:
    """Run a program for as long as the block lasts; a DriverError if it cannot be."""
    loop = asyncio.get_running_loop()
    process = Process(os.path.basename(command[0]), on_line, on_end)  # noqa: PTH119 - text
    try:
        await loop.subprocess_exec(
            lambda: process,
            *command,
            env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
            # A group of its own, so that all of it can be ended, and no terminal's
            # Ctrl-C ends it before we have switched off.
            start_new_session=True,
        )
    except OSError as err:
        raise _start_error(command[0], err) from err
    try:
        yield process
    finally:
        await process.end(grace_s)


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()
    return event.is_set()


def _describe(status: int | None) -> str:
    if status is None:
        return "has ended"
    if status >= 0:
        return f"has ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was ended by {name}"


def _start_error(path: str, err: OSError) -> DriverError:
    """Name the failure by the retry policy that fits it."""
    if isinstance(err, PermissionError):
        return AccessDeniedError(
            f"cannot run {path}: {err.strerror}; the agent's user must be allowed to: "
            f"chmod a+rx {path}"
        )
    if err.errno == errno.ENOEXEC:
        return UnsupportedDeviceError(f"cannot run {path}: it is no program; {ADVICE}")
    if err.errno in (errno.ENOENT, errno.ENOTDIR):
        return DeviceGoneError(
            f"cannot run {path}: it, or what its first line names, is not there"
        )
    return TransientDeviceError(f"cannot run {path}: {err.strerror or err}")

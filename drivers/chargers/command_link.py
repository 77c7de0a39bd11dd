"""Questions to an installer's program, their answers, and what it tells unasked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from drivers.chargers.command_messages import MAX_LINE_BYTES, build, parse, shorten
from drivers.errors import DeviceGoneError, FrameError, TransientDeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.chargers.command_messages import Do, Message
    from drivers.errors import DriverError


_SILENT: Final = "; does it flush its output after each line?"


class NoAnswerError(TransientDeviceError, TimeoutError):
    """No answer came in time; reopen with back-off."""


class Program(Protocol):
    """What the link needs of a running program."""

    def write(self, line: bytes) -> None:
        """Hand it a line."""

    def complain(self, text: str) -> None:
        """Log what is wrong with what it says, unless that is too often."""


class Link:
    """Numbers requests and finds their answers; `on_message` hears of every message.

    `on_failure` hears once that nothing more will come, after `failure` is set.
    """

    def __init__(
        self, on_message: Callable[[Message], None], on_failure: Callable[[], None]
    ) -> None:
        self._on_message = on_message
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._program: Program | None = None
        self._last_number = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._answered_at = self._loop.time()
        #: What it has said since its last answer that may be meant for one.
        self._advice = _SILENT
        #: Why nothing more will come.
        self.failure: DriverError | None = None

    def attach(self, program: Program) -> None:
        """Write to this program from now on."""
        self._program = program

    @property
    def silent_s(self) -> float:
        """How long ago the last answer came, or the link was made.

        Only answers count: a program that tells and does not listen cannot be told to
        switch off.
        """
        return self._loop.time() - self._answered_at

    async def ask(
        self, do: Do, limit_amps: int | None = None, *, within_s: float
    ) -> Message:
        """Return the answer to a request, refusals as TransientDeviceError."""
        number = self.send(do, limit_amps)
        waiter: asyncio.Future[Message] = self._loop.create_future()
        self._waiting[number] = waiter
        try:
            async with asyncio.timeout(within_s):
                answer = await waiter
        except TimeoutError as err:
            raise NoAnswerError(
                f"expected an answer to {do} within {within_s:g} s, got none"
                f"{self._advice}"
            ) from err
        finally:
            del self._waiting[number]
        if not answer.ok:
            why = shorten(answer.error) or "it gives no reason"
            raise TransientDeviceError(f"the program refused {do}: {why}")
        return answer

    def send(self, do: Do, limit_amps: int | None = None) -> int:
        """Make a request without waiting; return its number."""
        if self.failure is not None:
            raise self.failure
        if self._program is None:
            raise DeviceGoneError("the program does not run")
        self._last_number += 1
        self._program.write(build(self._last_number, do, limit_amps))
        return self._last_number

    # ---- what the program calls -----------------------------------------------------

    def on_line(self, line: str | None) -> None:
        """Take a line; None is one that was too long."""
        if line is None:
            self._complain(f"it has over {MAX_LINE_BYTES} bytes")
            return
        try:
            message = parse(line)
        except FrameError as err:
            self._complain(str(err))
            return
        if message.id is not None:
            # Also a late one is a sign of life.
            self._answered_at = self._loop.time()
        if message.id is not None or self._advice == _SILENT:
            self._advice = ""
        self._on_message(message)
        waiter = self._waiting.get(message.id or 0)
        if waiter is not None and not waiter.done():
            waiter.set_result(message)

    def on_end(self, why: DriverError) -> None:
        """Take its end: everybody who waits is told."""
        self.failure = why
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(why)
        self._on_failure()

    def _complain(self, text: str) -> None:
        self._advice = f"; but a line that is no answer: {text}"
        if self._program is not None:
            self._program.complain(text)

"""Asking an OpenEVSE controller: one command in flight, answers told apart by id."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from drivers.chargers.rapi import (
    MAX_SEQUENCE_ID,
    LineParser,
    Message,
    Notice,
    Reply,
    build_command,
)
from drivers.errors import DeviceGoneError, DriverError, TransientDeviceError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

ATTEMPTS: Final = 3
# Asked twice, these do what they do once. SC only with V: without it, each one wears
# the controller's EEPROM.
IDEMPOTENT: Final = frozenset(
    ["FD", "FE", "FS", "G0", "G4", "GC", "GS", "GU", "GV", "GY", "S4", "SB", "SC", "SY"]
)


class NoAnswerError(TransientDeviceError, TimeoutError):
    """The controller said nothing, or nothing that could be read."""


class Port(Protocol):
    """A line of bytes, such as drivers.serial_port.SerialPort."""

    async def read(self) -> bytes:
        """Wait for at least one byte; DeviceGoneError when the line is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Write all of it."""
        ...


@dataclass(frozen=True, slots=True)
class _Question:
    """A command that waits; None as its answer says that it did not get through."""

    sequence_id: int
    answer: asyncio.Future[Reply | None]
    on_reply: Callable[[Reply], None] | None


class RapiClient:
    """One controller on a line; `run()` must be running while anybody asks.

    `on_notice` is called for what the controller says unasked, in the order in which
    it came among the replies. Without a checksum nothing is believed.
    """

    def __init__(
        self, port: Port, on_notice: Callable[[Notice], None], *, answer_s: float = 1.0
    ) -> None:
        self._port = port
        self._on_notice = on_notice
        self._answer_s = answer_s
        self._turn = asyncio.Lock()
        self._parser = LineParser()
        self._question: _Question | None = None
        self._last_id = 0
        self._saw_unnumbered = False
        #: Why the line is of no use any more.
        self.failure: DriverError | None = None
        self._unanswered_since: float | None = None

    async def run(self) -> None:
        """Read until the line is gone; what it raised is then `failure`."""
        try:
            while True:
                for message in self._parser.feed(await self._port.read()):
                    self._on_message(message)
        except DriverError as err:
            self.failure = err
        except BaseException:
            self.failure = DeviceGoneError("nobody reads the line any more")
            raise
        finally:
            self._miss()

    @property
    def silent_s(self) -> float:
        """For how long the controller has owed an answer."""
        if self._unanswered_since is None:
            return 0.0
        return now_s() - self._unanswered_since

    async def ask(
        self, *words: str, on_reply: Callable[[Reply], None] | None = None
    ) -> Reply:
        """Send a command and return its answer; NoAnswerError if there is none.

        `on_reply` is called with the answer in its order among the notices. A command
        that may be repeated is, a few times.
        """
        attempts = ATTEMPTS if words[0] in IDEMPOTENT else 1
        async with self._turn:
            for _ in range(attempts):
                reply = await self._ask_once(words, on_reply)
                if reply is not None:
                    return reply
        raise NoAnswerError(self._complaint(words, attempts))

    async def _ask_once(
        self, words: tuple[str, ...], on_reply: Callable[[Reply], None] | None
    ) -> Reply | None:
        if self.failure is not None:
            raise self.failure
        # A new id each time: an answer to the attempt before must not be taken for
        # one to this.
        self._last_id = self._last_id % MAX_SEQUENCE_ID + 1
        loop = asyncio.get_running_loop()
        if self._unanswered_since is None:
            self._unanswered_since = loop.time()
        answer = loop.create_future()
        self._question = _Question(self._last_id, answer, on_reply)
        try:
            await self._port.write(build_command(*words, sequence_id=self._last_id))
            async with asyncio.timeout(self._answer_s):
                reply: Reply | None = await answer
        except TimeoutError:
            return None
        finally:
            self._question = None
        if reply is None and self.failure is not None:
            raise self.failure
        return reply

    def _on_message(self, message: Message) -> None:
        if not message.checked:
            _LOGGER.debug("passed over a line without a checksum")
        elif isinstance(message, Notice):
            if message.kind == "AB":
                self._miss()  # What was asked before the boot is forgotten.
            self._on_notice(message)
        elif message.sequence_id is None:
            self._on_unnumbered(message)
        elif (
            self._question is not None
            and message.sequence_id == self._question.sequence_id
            and not self._question.answer.done()
        ):
            self._unanswered_since = None
            self._question.answer.set_result(message)
            if self._question.on_reply is not None:
                self._question.on_reply(message)

    def _on_unnumbered(self, reply: Reply) -> None:
        """Take a bare NK as what it is: a command arrived damaged, so send it again."""
        if reply.ok or reply.words:
            self._saw_unnumbered = True
        else:
            self._miss()

    def _miss(self) -> None:
        """Have the command sent again at once, if it may be."""
        if self._question is not None and not self._question.answer.done():
            self._question.answer.set_result(None)

    def _complaint(self, words: tuple[str, ...], attempts: int) -> str:
        text = (
            f"expected an answer to {words[0]} within {self._answer_s:g} s, "
            f"got none in {attempts} attempts: check its power, RX, TX and baudrate"
        )
        if self._saw_unnumbered:
            text += "; the controller answers without sequence ids, RAPI 3 needs them"
        return text

"""Asking a module that speaks only when spoken to, and bearing with its faults."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from drivers.errors import FrameError, TransientDeviceError
from drivers.readers.formats.framing import Deframer
from drivers.readers.uids import UnreadableCardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from drivers.readers.formats.framing import CardReport, Cut

TRIES: Final = 3
ANSWER_S: Final = 1.0  # No module here takes a third of it, radio included
ORDER_S: Final = 0.5  # For lights and a buzzer, for which no card is to wait long
QUIET_S: Final = 0.1  # Longer than any pause inside an answer
SETTLE_S: Final = 1.0  # A line that never falls silent is not waited for

F = TypeVar("F")
T = TypeVar("T")


class Line(Protocol):
    """The open serial line, as `drivers.serial_port.SerialPort` has it."""

    name: str

    async def read(self) -> bytes:
        """Wait for at least one byte and return what is there."""

    async def read_now(self) -> bytes:
        """Return what has come already, which may be nothing."""

    async def write(self, data: bytes) -> None:
        """Write all of it."""


class Module(ABC):
    """A module that is polled for cards."""

    @abstractmethod
    async def start(self) -> str:
        """Set the module up; return what it calls itself.

        TransientDeviceError if it does not answer as it should.
        """

    @abstractmethod
    async def find(self) -> CardReport | None:
        """Ask once for the card in the field, None if there is none.

        TransientDeviceError if the module does not answer as it should,
        UnreadableCardError if the card does not.
        """

    @abstractmethod
    async def tell(self, command: bytes) -> None:
        """Have a command of its panel obeyed, not while it is asked anything else.

        One try, so that no look has to wait for another. TransientDeviceError if it is
        not obeyed; the line is silent then.
        """


class Dialogue(Generic[F]):
    """One question at a time, and the frames that come after it."""

    def __init__(
        self,
        line: Line,
        cut: Callable[[bytes], Cut[F] | None],
        monotonic: Callable[[], float],
    ) -> None:
        self.name = line.name
        self._line = line
        self._monotonic = monotonic
        self._deframer = Deframer(cut)
        self._frames = deque[F]()
        self._bytes_heard = 0

    async def say(self, question: bytes) -> None:
        """Send a question; what came before it is no answer to it."""
        # A module that was slow may have answered an old question twice. Taken for
        # the answer to this one, every answer from now on would be that of before.
        while stale := await self._line.read_now():
            self._bytes_heard += len(stale)
            await asyncio.sleep(0)  # Whoever waits for us may give up on a flood
        self._deframer.reset()
        self._frames.clear()
        await self._line.write(question)

    async def hear(self) -> F:
        """Wait for the next frame."""
        while not self._frames:
            data = await self._line.read()
            self._bytes_heard += len(data)
            self._frames.extend(self._deframer.feed(data, self._monotonic()))
        return self._frames.popleft()

    async def repeat(
        self,
        exchange: Callable[[], Awaitable[T]],
        *,
        abort: bytes = b"",
        tries: int = TRIES,
    ) -> T:
        """Try an exchange a few times; TransientDeviceError if none succeeds.

        An exchange that raises FrameError, or takes over ANSWER_S, has failed. Before
        the next one `abort` is sent, and the line falls silent: an answer that comes
        late must not be taken for that to the next question. UnreadableCardError if
        that is how the last one ended.
        """
        why = ""
        self._bytes_heard = 0
        for attempt in range(tries):
            if attempt:
                await self.settle(abort)
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await exchange()
            except FrameError as err:
                if isinstance(err, UnreadableCardError) and attempt == tries - 1:
                    raise
                why = str(err)
            except TimeoutError:
                why = "no answer"
                if self._bytes_heard:
                    why = f"no valid answer in {self._bytes_heard} bytes"
        raise TransientDeviceError(
            f"the module at {self.name} does not work: {why}; "
            "check its power, wiring and mode, and format, baudrate and crc (of a TWN4)"
        )

    async def once(
        self, exchange: Callable[[], Awaitable[T]], *, abort: bytes = b""
    ) -> T:
        """Try an exchange that matters less than the next; TransientDeviceError.

        As in `repeat` an answer that comes late is waited for, and dropped.
        """
        try:
            async with asyncio.timeout(ORDER_S):
                return await exchange()
        except FrameError as err:
            why = str(err)
        except TimeoutError:
            why = "no answer"
        await self.settle(abort)
        raise TransientDeviceError(
            f"the lights of the module at {self.name} do not work: {why}"
        )

    async def settle(self, abort: bytes = b"") -> None:
        """Send `abort` and drop all that comes until the line is silent."""
        if abort:
            await self._line.write(abort)
        try:
            async with asyncio.timeout(SETTLE_S):
                while await self._is_noisy(QUIET_S):
                    pass
        except TimeoutError:
            pass

    async def _is_noisy(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                self._bytes_heard += len(await self._line.read())
        except TimeoutError:
            return False
        return True

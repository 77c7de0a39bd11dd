"""One call at a time in a thread, which nobody has to wait for if it hangs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from drivers.errors import TransientDeviceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from drivers.indicators.acs_commands import Light
    from drivers.indicators.acs_link import Shown

T = TypeVar("T")

#: A card that never answers holds up its reader until it is taken away.
HANGS_S: Final = 2.0


class HangingReaderError(TransientDeviceError, TimeoutError):
    """The reader, or pcscd, has not answered in time."""


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """Like asyncio.to_thread, but a call that hangs does not keep the loop from ending.

    Not its executor: the end of the loop waits for that one's threads.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        if not future.done():
            act()

    def run() -> None:
        try:
            outcome = call()
        except Exception as err:  # noqa: BLE001 - raised again where it is awaited
            failure = err
            act = lambda: future.set_exception(failure)  # noqa: E731 - one of two
        else:
            act = lambda: future.set_result(outcome)  # noqa: E731 - one of two
        # A thread that hung may outlive the loop.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, act)

    threading.Thread(target=run, name="acs-indicator", daemon=True).start()
    return await future


class Lamp:
    """Puts one light after the other; one that hangs is never overtaken."""

    def __init__(
        self,
        put: Callable[[Light], Shown],
        call: Callable[[Callable[[], Shown]], Awaitable[Shown]],
    ) -> None:
        self._put = put
        self._call = call
        self._turn = asyncio.Lock()
        self._running: asyncio.Future[Shown] | None = None

    async def put(self, light: Light) -> Shown:
        """Show it; HangingReaderError if that takes too long.

        If it is cancelled, or hangs, the light may still come up later, but not after
        one that was put later.
        """
        try:
            async with asyncio.timeout(HANGS_S), self._turn:
                if self._running is not None:
                    await asyncio.wait({self._running})
                self._running = asyncio.ensure_future(
                    self._call(lambda: self._put(light))
                )
                self._running.add_done_callback(_take_note)
                return await asyncio.shield(self._running)
        except TimeoutError as err:
            raise HangingReaderError(
                f"the reader has not answered for {HANGS_S:g} s; take the card away, "
                "else unplug the reader and plug it in again, or restart pcscd"
            ) from err


def _take_note(done: asyncio.Future[Shown]) -> None:
    """Look at the outcome, which nobody does who was cancelled; else asyncio warns."""
    if not done.cancelled():
        done.exception()

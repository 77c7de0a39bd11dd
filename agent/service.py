"""Life under systemd: readiness, the watchdog, and the journal as log."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LOGGER = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Tell systemd something, such as `READY=1`; nobody listens outside a service."""
    if "NOTIFY_SOCKET" not in os.environ:
        return
    # Imported here: a command that is no service should not pay for it.
    from cysystemd._daemon import sd_notify  # noqa: PLC0415

    sd_notify(state, False)


def watchdog_interval() -> timedelta | None:
    """How often systemd wants a sign of life: half of what would be too late."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    pid = os.environ.get("WATCHDOG_PID")
    if not microseconds or (pid and int(pid) != os.getpid()):
        return None
    return timedelta(microseconds=int(microseconds)) / 2


async def feed_watchdog(find_stuck: Callable[[], Awaitable[list[str]]]) -> None:
    """Give signs of life while `find_stuck` finds nothing; for ever.

    It runs on the event loop, so a loop that hangs is noticed as well.
    """
    interval = watchdog_interval()
    if interval is None:
        return
    reported: list[str] = []
    while True:
        stuck = await find_stuck()
        if not stuck:
            notify("WATCHDOG=1")
        elif stuck != reported:
            _LOGGER.error("no sign of life from: %s", ", ".join(stuck))
        reported = stuck
        await asyncio.sleep(interval.total_seconds())


def set_up_logging(level: str = "INFO") -> None:
    """Log to the journal with fields when it reads us, else plain lines to stderr."""
    logging.basicConfig(level=level, handlers=[_make_handler()])
    # Every request at INFO, with its URL: that would put card numbers into the log.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _make_handler() -> logging.Handler:
    if _stderr_is_journal():
        from cysystemd.journal import JournaldLogHandler  # noqa: PLC0415 - start-up time

        handler: logging.Handler = JournaldLogHandler("rfid-agent")  # type: ignore[no-untyped-call] # the library has no types
        handler.setFormatter(logging.Formatter("%(message)s"))
        return handler
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    )
    return handler


def _stderr_is_journal() -> bool:
    """Compare stderr with $JOURNAL_STREAM, as systemd.exec(5) describes."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        status: Any = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"

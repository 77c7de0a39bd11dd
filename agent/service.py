"""Life as a service: secrets, the state directory, readiness, watchdog, the log."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_LOGGER = logging.getLogger(__name__)


LOCK = "lock"
#: Where the running service has what systemd hands it; root may look there.
SERVICE_CREDENTIALS: Final = Path("/run/credentials/rfid-agent.service")


def credentials_directory() -> Path | None:
    """Where systemd hands secrets over, None outside a service."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) if directory else None


def visible_credentials() -> Path | None:
    """Where a command finds the secrets: ours, or those of the service that runs.

    None if they are not for us. On Debian 12 and 13 systemd hides them from the check
    before a reload, not from the service: a closed directory lies on all of them.
    """
    told = credentials_directory()
    if told is None:
        is_open = os.access(SERVICE_CREDENTIALS, os.R_OK | os.X_OK)
        return SERVICE_CREDENTIALS if is_open else None
    is_hidden = told.parent.is_dir() and not os.access(told.parent, os.X_OK)
    return None if is_hidden else told


@contextmanager
def lock_state(state_dir: Path) -> Iterator[None]:
    """Be the only process that writes there, or raise ConfigError."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (state_dir / LOCK).open("w")
    except OSError as err:
        remedy = "check the disk and permissions"
        if err.errno == errno.EROFS:  # As all of it is to the service, but for its own
            remedy = (
                "check the disk, or let the service write there: systemctl edit "
                f"rfid-agent, and add [Service] and ReadWritePaths={state_dir}"
            )
        raise ConfigError(
            f"state_dir {state_dir} cannot be written: {err.strerror}; {remedy}"
        ) from err
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            raise ConfigError(f"{state_dir} is in use by a running agent") from err
        yield


def notify(state: str) -> None:
    """Tell systemd something, such as `READY=1`; nobody listens outside a service."""
    if "NOTIFY_SOCKET" not in os.environ:
        return
    # Imported here: a command that is no service should not pay for it.
    from cysystemd._daemon import sd_notify  # noqa: PLC0415

    try:
        sd_notify(state, False)
    except (OSError, ValueError) as err:
        # The library's word for a socket that is away for a moment is ValueError.
        _LOGGER.warning("systemd cannot be told %s: %s", state, err)


def watchdog_interval() -> timedelta | None:
    """How often systemd wants a sign of life: half of what would be too late."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if (
        not microseconds.isdecimal()
        or int(microseconds) == 0
        or pid != str(os.getpid())
    ):
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

"""The command that brings an NFC adapter back which only a power cycle cures."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOGGER = logging.getLogger(__name__)

RESET_S: Final = 30.0  # Longer, and it is killed


class Reset:
    """Counts failures, and says when it is time for the command; no command, never."""

    def __init__(self, command: Sequence[str], after: int) -> None:
        self._command = command
        self._after = after
        self._failures = 0

    def failed(self) -> None:
        """Count a failure."""
        self._failures += 1

    def worked(self) -> None:
        """Forget the failures so far."""
        self._failures = 0

    async def run_if_due(self) -> None:
        """Run the command after so many failures in a row; its own are logged only."""
        if not self._command or self._failures < self._after:
            return
        _LOGGER.warning(
            "%d failures in a row: running %s", self._failures, self._command[0]
        )
        self._failures = 0
        if problem := await _run(self._command):
            _LOGGER.warning("the reset command %s", problem)


async def _run(command: Sequence[str]) -> str:
    """Run it to its end; return what went wrong."""
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nowhere, stdout=nowhere, stderr=nowhere
        )
    except OSError as err:
        return f"cannot be run: {err.strerror}"
    try:
        async with asyncio.timeout(RESET_S):
            status = await process.wait()
    except TimeoutError:
        return f"took longer than {RESET_S:g} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return f"ended with status {status}" if status else ""

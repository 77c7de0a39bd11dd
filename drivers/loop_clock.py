"""The running loop's clock, by which drivers measure how long something takes."""

from __future__ import annotations

import asyncio


def now_s() -> float:
    """Return its seconds; a test may let them pass as it likes."""
    return asyncio.get_running_loop().time()

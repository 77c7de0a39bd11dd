"""Device nodes that are so new that udev may not have given them to anybody yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The kernel makes a node that is root's alone, and udev, which hears of it at the same
#: time, gives it to its group; that takes longest while a machine starts.
GIVEN_WITHIN_S: Final = 5.0


def is_fresh(path: Path, *, now: Callable[[], float] = time.time) -> bool:
    """Whether a node was made, or given to somebody, a moment ago.

    A refusal then says nothing: TransientDeviceError is what fits it.
    """
    try:
        changed_at = path.stat().st_ctime
    except OSError:
        return False
    # A clock that is set meanwhile makes it old, which is the harmless mistake.
    return 0 <= now() - changed_at < GIVEN_WITHIN_S

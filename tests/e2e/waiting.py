"""Waiting for what must come, with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Far more than anything needs, so that a busy machine is no failure.
PATIENCE_S: Final = 15.0
_POLL_S: Final = 0.01


def until(
    condition: Callable[[], T | None], what: str, *, within_s: float = PATIENCE_S
) -> T:
    """Return the condition's first true value; AssertionError says what was awaited."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_s:g} s for {what}; last: {value!r}")
        time.sleep(_POLL_S)
    return value

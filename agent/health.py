"""What works and what does not: one line in the log per change, and a table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from agent.clock import Clock

_LOGGER = logging.getLogger(__name__)


class Condition(Struct, frozen=True):
    """The state of one part: `detail` says what is wrong, or what it is."""

    part: str
    ok: bool
    detail: str
    since: datetime


class Health:
    """The station's parts by name, such as `reader front` or `upstream cpo`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._conditions: dict[str, Condition] = {}

    def good(self, part: str, detail: str = "") -> None:
        """Note that a part works; logged when it did not, or is new."""
        if self._set(part, detail, ok=True):
            _LOGGER.info("%s: up%s", part, f" ({detail})" if detail else "")

    def bad(self, part: str, detail: str) -> None:
        """Note that a part does not work, and why; logged when that is news."""
        if self._set(part, detail, ok=False):
            _LOGGER.warning("%s: down: %s", part, detail)

    def note(self, part: str, problem: str) -> None:
        """Note a part's problem, or that it has none, without telling the log."""
        self._set(part, problem, ok=not problem)

    def forget(self, names: Collection[str]) -> None:
        """Forget every part of what has these names: there is no such thing any more.

        A part's name ends with that of the EVSE, reader or upstream that it is of.
        """
        endings = tuple(f" {name}" for name in names)
        for part in [one for one in self._conditions if one.endswith(endings)]:
            del self._conditions[part]

    def conditions(self) -> list[Condition]:
        """Every part, by name."""
        return [self._conditions[part] for part in sorted(self._conditions)]

    def is_good(self, part: str) -> bool:
        """Whether a part is known to work."""
        condition = self._conditions.get(part)
        return condition is not None and condition.ok

    def _set(self, part: str, detail: str, *, ok: bool) -> bool:
        """Remember the state of a part; say whether it is news."""
        before = self._conditions.get(part)
        if before is not None and (before.ok, before.detail) == (ok, detail):
            return False
        since = self._clock.now().wall
        self._conditions[part] = Condition(part, ok, detail, since)
        return True

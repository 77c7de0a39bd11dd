"""One PC/SC call at a time, where the library of pcscd cannot stand two.

Every call with a handle searches the handles of all contexts of the process, which the
calls of other threads change at that very moment: a process with eight readers was
killed so by libpcsclite 1.9.9, and the sources of 2.3 do the same.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# A turn must not last as long as a card that never answers. Handles are changed at the
# end of a call that opens or closes one: more than a card takes to be powered up.
OPENING_S: Final = 1.0
# They are only searched at the beginning of an exchange.
EXCHANGE_S: Final = 0.05


class Turns:
    """Lets one thread in at a time, unless the one inside has been there for long."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._inside: object = None
        self._until = 0.0

    @contextmanager
    def take(self, at_most_s: float) -> Iterator[None]:
        """Wait for a turn, and have it to oneself for at most so long."""
        turn = object()
        with self._free:
            while self._inside and (left_s := self._until - time.monotonic()) > 0:
                self._free.wait(left_s)
            self._inside = turn
            self._until = time.monotonic() + at_most_s
        try:
            yield
        finally:
            with self._free:
                if self._inside is turn:
                    self._inside = None
                    self._free.notify()


#: The library's handles are the whole process's, and so are its turns.
TURNS: Final = Turns()

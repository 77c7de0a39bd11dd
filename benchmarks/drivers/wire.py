"""What the process of a measured driver tells the one that measures it."""

from __future__ import annotations

from msgspec import Struct

#: The kind of the answer to a number of seconds, in which nothing was to happen.
IDLE = "Idle"


class Message(Struct, frozen=True, omit_defaults=True):
    """An event of this kind came at `at_ns`, or how a driver idled.

    `at_ns` is of CLOCK_MONOTONIC, which all processes share.
    """

    kind: str
    at_ns: int = 0
    slot: str = ""
    cpu_s: float = 0.0
    wakeups: int = 0

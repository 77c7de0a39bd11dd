"""What the tests ask of the zygote, one message each, and what it answers."""

from __future__ import annotations

from msgspec import Struct


class Passage(Struct, frozen=True, order=True):
    """The `number`-th time, from 1, that a run of the daemon passes a named point."""

    point: str
    number: int

    def __str__(self) -> str:
        return f"{self.point} #{self.number}"


class Run(Struct, frozen=True, kw_only=True, tag="run"):
    """Run the daemon on this file; with it comes the descriptor its output goes to.

    It kills itself in the passage `kill_at`; what happens to files counts as one in
    these `directories`. `record_again_s` is how often a full disk is asked again, where
    the daemon's own pause is too long for a test.
    """

    config: str
    directories: tuple[str, ...]
    kill_at: Passage | None = None
    record_again_s: float | None = None


class Wait(Struct, frozen=True, tag="wait"):
    """Wait for the end of a daemon that is ending."""

    pid: int


class Started(Struct, frozen=True):
    """The answer to `Run`."""

    pid: int


class Ended(Struct, frozen=True):
    """The answer to `Wait`: as subprocess.Popen.returncode has it."""

    status: int


MAX_MESSAGE_BYTES = 65_536

# How a daemon that was started here tells of its passages, a line each.
PASSES = "@ passes"
DIES = "@ dies in"


def to_line(verb: str, passage: Passage) -> str:
    """Write a passage as a line of the daemon's output."""
    return f"{verb} {passage.number} {passage.point}"


def from_line(verb: str, line: str) -> Passage | None:
    """Read it back; None for any other line."""
    if not line.startswith(verb):
        return None
    number, point = line.removeprefix(verb).strip().split(" ", 1)
    return Passage(point, int(number))

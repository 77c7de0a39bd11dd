"""Cutting the power before every step of a piece of work, and what is missing then."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.torture.lossy_mount import LossyMount

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Cut:
    """A power cut before a step: nothing unsynced survives, or with a seed some."""

    step: int
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Work(Generic[F]):
    """A piece of work that was done on a disk, from which it can be cut off anywhere.

    `told` says of each fact how many steps had been made when it was told.
    """

    steps: list[str]
    told: list[tuple[int, F]]

    def told_before(self, step: int) -> list[F]:
        """Say what was told to others before this step was made."""
        return [fact for at, fact in self.told if at <= step]

    def cuts_at_syncs(self) -> Iterator[Cut]:
        """Cut right before and right after each sync, with nothing else surviving.

        In between, such a cut always leaves the same.
        """
        syncs = [n for n, step in enumerate(self.steps) if step.startswith("fsync")]
        for step in sorted({0, *syncs, *(sync + 1 for sync in syncs)}):
            yield Cut(step)
        yield Cut(len(self.steps))

    def cuts_at_names(self, count: int, seed: int) -> Iterator[Cut]:
        """Cut so many times before each change of a name; any part survives.

        More often before a sync of the names: there most of them are at stake.
        """
        chance = random.Random(seed)  # noqa: S311 - no secret
        for number, step in enumerate(self.steps):
            if step == "fsync /":
                times = 4 * count
            elif step.startswith(("write", "truncate", "fsync", "allocate")):
                times = 0
            else:
                times = count
            for _ in range(times):
                yield Cut(number, chance.getrandbits(32))

    def random_cuts(self, count: int, seed: int) -> Iterator[Cut]:
        """Cut anywhere, so many times; any part of what is not synced survives."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        for _ in range(count):
            yield Cut(chance.randint(0, len(self.steps)), chance.getrandbits(32))

    def describe(self, cut: Cut) -> str:
        """Say where this is, for whoever has to look into it."""
        following = (*self.steps, "its end")[cut.step]
        return f"cut before step {cut.step} ({following}), seed {cut.seed}"


def do(disk: LossyMount, work: Callable[[Path, Callable[[F], None]], None]) -> Work[F]:
    """Do the work on an empty disk; it tells what others may rely on from then on."""
    disk.remember()
    told: list[tuple[int, F]] = []
    work(disk.directory, lambda fact: told.append((disk.step(), fact)))
    return Work(disk.steps(), told)


def find_losses(
    disk: LossyMount,
    work: Work[F],
    cuts: Iterable[Cut],
    check: Callable[[Path, Sequence[F]], Iterable[str]],
) -> list[str]:
    """Cut the power again and again; `check` names what is missing of what was told."""
    losses = []
    for cut in cuts:
        disk.cut(cut.seed, before=cut.step)
        told = work.told_before(cut.step)
        try:
            found = list(check(disk.directory, told))
        except (AgentError, OSError, sqlite3.Error) as err:
            found = [f"{type(err).__name__}: {err}"]
        losses += [f"{work.describe(cut)}: {loss}" for loss in found]
    return losses

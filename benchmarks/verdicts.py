"""One line per measurement: what, how much, the budget, and whether it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Verdict:
    """A measurement against its budget; `at_most` False means "at least"."""

    what: str
    value: float
    budget: float
    unit: str
    at_most: bool = True
    note: str = ""

    @property
    def kept(self) -> bool:
        """Whether the budget was kept."""
        if self.at_most:
            return self.value <= self.budget
        return self.value >= self.budget

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        verdict = "ok" if self.kept else "MISSED"
        line = (
            f"{self.what:54} {self.value:9.2f} {self.unit:6} "
            f"{sign} {self.budget:7.2f}  {verdict:6}"
        )
        return f"{line}  {self.note}".rstrip()


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which this share of the samples lies."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

"""What is noted of a charger's energy, look by look."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.chargers import Look, SoakCharger


class Scripted(SoakCharger):
    """A charger that looks as it is told to."""

    def __init__(self, *looks: Look) -> None:
        super().__init__("E1")
        self._looks = list(looks)
        while self._looks:
            self.note()

    def look(self) -> Look:
        """Take the next look."""
        return self._looks.pop(0)

    def _keys(self) -> dict[str, Any]:
        return {}

    def plug(self) -> None:
        """Do nothing, like all that follows."""

    unplug = lose = mend = close = plug


@pytest.mark.parametrize(
    ("looks", "flows"),
    [
        ([Look(False, 1000), Look(False, 1000)], []),
        ([Look(True, 1004), Look(True, 1009), Look(False, 1012)], [(1000, 1012, 0)]),
        ([Look(False, 1000), Look(False, 1002)], [(1000, 1002, 0)]),
        ([Look(True, 1004), Look(False, 1009, 5)], [(1000, 1009, 5)]),
        ([Look(True, 1004)], [(1000, None, 0)]),
    ],
)
def test_flows_are_noted(
    looks: list[Look], flows: list[tuple[int, int | None, int]]
) -> None:
    """From the last look before energy to the first one after it, however short."""
    noted = Scripted(*looks).flows
    assert [(one.on_wh, one.off_wh, one.doubtful_wh) for one in noted] == flows

"""Which limit counts of those that there are."""

from __future__ import annotations

import pytest

from drivers.chargers.limits import lowest


@pytest.mark.parametrize(
    ("limits", "counts"),
    [
        ((), None),
        ((None, None), None),
        ((None, 16), 16),
        ((10, None), 10),
        ((16, 10), 10),
    ],
)
def test_the_lowest_limit_counts(
    limits: tuple[int | None, ...], counts: int | None
) -> None:
    """What is not set limits nothing."""
    assert lowest(*limits) == counts

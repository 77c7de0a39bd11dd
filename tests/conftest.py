"""How random input is tried, everywhere, and who may wait for longer."""

from typing import Final

import pytest
from hypothesis import settings

# A busy machine must not fail a test: what counts is the result, not how long it took.
settings.register_profile("no wall clock", deadline=None)
settings.load_profile("no wall clock")

#: For tests with a pcscd, which wait for the end of all others that have one.
PCSCD_TIMEOUT_S: Final = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave time to wait for pcscd: a machine has one, and tests take turns."""
    for item in items:
        has_pcscd = "pcscd" in getattr(item, "fixturenames", ())
        if has_pcscd and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PCSCD_TIMEOUT_S))

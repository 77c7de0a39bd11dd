"""Fixtures of real components; a test is skipped, with a reason, where one lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stack.pcscd import Pcscd, why_unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    """Run pcscd with two empty virtual readers."""
    if reason := why_unavailable():
        pytest.skip(reason)
    with Pcscd(tmp_path / "pcscd") as running:
        yield running

"""Fixtures of real components; a test is skipped, with a reason, where one lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stack.pcscd import run_pcscd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stack.pcscd import Pcscd


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    """Run pcscd with two empty virtual readers."""
    with run_pcscd(tmp_path / "pcscd") as running:
        yield running

"""A soak that is over soon: it runs, it finds nothing wrong, it measures."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PCSCD_TIMEOUT_S
from tests.interop.environment import EnvironmentUnavailableError, ensure_environment
from tests.soak.soak import Soak

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.timeout(60 + PCSCD_TIMEOUT_S)]

LENGTH = timedelta(seconds=10)


def test_a_short_soak_finds_nothing_wrong(tmp_path: Path) -> None:
    """All drivers, troubles, and deaths of the daemon; then the books agree."""
    try:
        ensure_environment()
    except EnvironmentUnavailableError as err:
        pytest.skip(f"the OCPI server cannot be installed here: {err}")
    verdict = Soak(tmp_path, mix="rough", seed=1, length=LENGTH).run()
    assert verdict.wrong == []
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert len({sample["life"] for sample in samples}) > 1
    assert all(sample["tasks"] and sample["fds"] for sample in samples)

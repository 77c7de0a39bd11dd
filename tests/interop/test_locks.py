"""The lock files of the independent servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.environment import SERVERS

ENTRY = re.compile(
    r"[a-z0-9.-]+==[0-9.]+ \\(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+\n"
)


@pytest.mark.parametrize("name", SERVERS)
def test_a_lock_has_hashes_and_no_place(name: str) -> None:
    """Comments aside a lock file is pinned releases with their hashes, nothing else."""
    text = Path(__file__).with_name(f"{name}.lock").read_text()
    entries = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    assert ENTRY.search(entries)
    assert ENTRY.sub("", entries) == ""
    assert "://" not in text

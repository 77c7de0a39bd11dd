"""Card numbers: which are whole, and which way round they are."""

from __future__ import annotations

import pytest

from drivers.readers.base import Technology
from drivers.readers.uids import byte_0_first, find_flaw


@pytest.mark.parametrize(
    ("uid", "flaw"),
    [
        ("04A1B2C3", ""),
        ("04A1B2C3D4E5F6", ""),
        ("04A1B2C3D4E5F6A1B2C3", ""),
        ("04A1B2C388", "got 5"),
        ("", "got 0"),
        ("88A1B2C3", "begins with 88"),
    ],
)
def test_numbers_of_type_a(uid: str, flaw: str) -> None:
    """Three lengths are whole, and no uid begins as the part of a longer one does."""
    found = find_flaw(bytes.fromhex(uid))
    assert found.endswith(flaw)
    assert bool(found) is bool(flaw)


@pytest.mark.parametrize(
    ("uid", "technology", "expected"),
    [
        ("78563412010004E0", Technology.ISO15693, "E004000112345678"),
        ("E004000112345678", Technology.ISO15693, "E004000112345678"),
        ("E0040001123456E0", Technology.ISO15693, "E0040001123456E0"),
        ("040102E0", Technology.ISO14443, "040102E0"),
    ],
)
def test_byte_order(uid: str, technology: Technology, expected: str) -> None:
    """A 15693 uid is turned only if it ends as it should start."""
    assert byte_0_first(bytes.fromhex(uid), technology) == bytes.fromhex(expected)

"""Names of PC/SC readers, as pcscd gives them to real ones."""

from __future__ import annotations

import pytest

from drivers.readers.pcsc_names import is_sam_slot, matches, without_numbers

PICC = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 00 00"
SAM = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader SAM] 01 00"


@pytest.mark.parametrize(
    ("name", "is_sam"),
    [
        (PICC, False),
        (SAM, True),
        ("ACS ACR1281 1S Dual Reader SAM 0", True),
        ("ACS ACR122U PICC Interface 00 00", False),
        ("ACS ACR1222 1SAM PICC Reader 00 00", False),
        ("Identive CLOUD 4510 F Contactless + SAM Reader 00 00", False),
        ("Identiv uTrust 4711 F CL + SAM Reader [x CL Reader] (5391) 00 00", False),
        ("Identiv uTrust 4711 F CL + SAM Reader [x SAM Reader] (5391) 01 00", True),
        ("Samsung 00 00", False),
    ],
)
def test_a_slot_for_a_security_module(name: str, *, is_sam: bool) -> None:
    """The interface tells, if it has a name, and not that of the whole device."""
    assert is_sam_slot(name) is is_sam


@pytest.mark.parametrize("pattern", ["*", "ACS *", "ACS ACR1252*"])
def test_no_pattern_means_a_slot_for_a_security_module(pattern: str) -> None:
    """A module that is fixed in there would be an unreadable card for ever."""
    assert matches(PICC, pattern)
    assert not matches(SAM, pattern)
    assert matches(SAM, SAM)


def test_numbers_are_left_out() -> None:
    """Those of the reader and its slot, in hex, and nothing before them."""
    assert without_numbers("ACS ACR122U PICC Interface 0A 01") == (
        "ACS ACR122U PICC Interface"
    )
    assert without_numbers("No 00 numbers") == "No 00 numbers"

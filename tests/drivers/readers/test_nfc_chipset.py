"""Questions that a chip is spared; what a look asks in all is in test_nfc_pn532."""

from __future__ import annotations

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.nfc_chipset import SparedQuestions

OFF, ON = b"\x02", b"\x01"


class FakeChipset:
    """Notes what it is asked; `failure` is raised instead of an answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.failure: Exception | None = None

    def in_list_passive_target(self, *how: object) -> bytes:
        """Find a card."""
        self._ask("list", *how)
        return b"card"

    def rf_configuration(self, item: int, data: bytes) -> None:
        """Take an item."""
        self._ask("configure", item, data)

    def read_register(self, *names: str) -> int:
        """Give a value."""
        self._ask("read", *names)
        return 0x26

    def write_register(self, *changes: object) -> None:
        """Take values."""
        self._ask("write", *changes)

    def _ask(self, *question: object) -> None:
        self.asked.append(question)
        if self.failure:
            raise self.failure


def spared() -> FakeChipset:
    """Make a chipset that is spared."""
    chipset = FakeChipset()
    SparedQuestions(chipset)
    return chipset


def test_the_field_is_off_until_a_look() -> None:
    """What is off is not switched off again; before the first look nobody knows."""
    chipset = spared()
    for _ in range(3):
        chipset.rf_configuration(1, OFF)
    assert chipset.asked == [("configure", 1, OFF)]
    assert chipset.in_list_passive_target(1, 0, b"") == b"card"
    for _ in range(3):
        chipset.rf_configuration(1, OFF)
    assert chipset.asked[1:] == [("list", 1, 0, b""), ("configure", 1, OFF)]


def test_a_look_or_a_switching_that_fails() -> None:
    """Whether the field is on is unknown then, so it is switched off."""
    chipset = spared()
    chipset.rf_configuration(1, OFF)
    chipset.failure = TransientDeviceError("torn")
    with pytest.raises(TransientDeviceError):
        chipset.in_list_passive_target(1, 0, b"")
    with pytest.raises(TransientDeviceError):
        chipset.rf_configuration(1, OFF)
    chipset.failure = None
    chipset.asked.clear()
    chipset.rf_configuration(1, OFF)
    assert chipset.asked == [("configure", 1, OFF)]


def test_what_switches_the_field_on() -> None:
    """It is never left out, and the next switching off is not either."""
    chipset = spared()
    chipset.rf_configuration(1, OFF)
    chipset.asked.clear()
    for data in (ON, ON, OFF):
        chipset.rf_configuration(1, data)
    assert [question[2] for question in chipset.asked] == [ON, ON, OFF]


def test_other_items() -> None:
    """They have nothing to do with the field."""
    chipset = spared()
    chipset.rf_configuration(1, OFF)
    chipset.rf_configuration(5, OFF)
    chipset.rf_configuration(5, OFF)
    assert chipset.asked[1:] == [("configure", 5, OFF)] * 2


def test_registers() -> None:
    """The receiver's mode is neither read nor written; all others are."""
    chipset = spared()
    chipset.write_register("CIU_RxMode", chipset.read_register("CIU_RxMode") & 0x7F)
    assert chipset.asked == []
    assert chipset.read_register("CIU_FIFOData") == 0x26
    chipset.write_register(("CIU_Command", 0), ("CIU_RxMode", 0))
    assert chipset.asked == [
        ("read", "CIU_FIFOData"),
        ("write", ("CIU_Command", 0), ("CIU_RxMode", 0)),
    ]

"""What nfcpy need not ask a chip of the PN53x family while cards are only looked for.

Each question takes 2 ms of a serial line, and wakes us up twice.
"""

from __future__ import annotations

from typing import Any, Final

RF_FIELD: Final = 0x01  # Item of RFConfiguration (PN532 user manual, 7.3.1)
FIELD_ON: Final = 0x01  # Its bit; another one minds fields of others
RX_MODE: Final = "CIU_RxMode"  # The receiver's register, as nfcpy names it


class SparedQuestions:
    """Stands before a chipset of nfcpy, for as long as that lives.

    The field is not switched off when it is off already, which nfcpy does before each
    look and after. And the receiver is not set up for what nfcpy would ask the card
    next: that would come between the card's number and its event.
    """

    def __init__(self, chipset: Any) -> None:  # noqa: ANN401 - nfcpy has no types
        self._list = chipset.in_list_passive_target
        self._configure = chipset.rf_configuration
        self._read = chipset.read_register
        self._write = chipset.write_register
        self._may_be_on = True
        chipset.in_list_passive_target = self.in_list_passive_target
        chipset.rf_configuration = self.rf_configuration
        chipset.read_register = self.read_register
        chipset.write_register = self.write_register

    def in_list_passive_target(self, *how: Any) -> Any:  # noqa: ANN401 - nfcpy has no types
        """Look for a card, which switches the field on."""
        self._may_be_on = True
        return self._list(*how)

    def rf_configuration(self, item: int, data: bytes | bytearray) -> None:
        """Configure, unless that would change nothing."""
        if item != RF_FIELD:
            self._configure(item, data)
            return
        wants_on = bool(data[0] & FIELD_ON)
        if self._may_be_on or wants_on:
            self._configure(item, data)
            self._may_be_on = wants_on

    def read_register(self, *names: Any) -> Any:  # noqa: ANN401 - nfcpy has no types
        """Read, unless it is to be written next, changed, and that is left out."""
        return 0 if names == (RX_MODE,) else self._read(*names)

    def write_register(self, *changes: Any) -> None:  # noqa: ANN401 - nfcpy has no types
        """Write, unless it is the receiver's mode."""
        if changes[0] != RX_MODE:
            self._write(*changes)

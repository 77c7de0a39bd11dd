"""The daemon as a process, on keyboards and GPIO lines of the kernel."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e import process
from tests.e2e.station import AgentProcess
from tests.e2e.tables import EVSE, OTHER_EVSE
from tests.e2e.waiting import until
from tests.guest.keyboards import SYC
from tests.guest.soc_chip import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.reference import Reference

#: A daemon starts within seconds, and an emulated processor takes twenty times as long.
PATIENCE_S: Final = 120.0
OTHER: Final = (0x08FF, 0x0009)
RELAY, VEHICLE, FAULT, METER, GREEN, BLUE, BUZZER = range(7)


class GuestStation(AgentProcess):
    """Two EVSEs with a keyboard each: a simulated charger, and one of GPIO lines."""

    def __init__(self, backend: Reference) -> None:
        super().__init__(backend, start=False)
        country_code, party_id = backend.settings.party
        self.tables["upstream"][0] |= {
            "country_code": country_code,
            "party_id": party_id,
        }
        self.tables["reader"] = [
            self._reader("front", SYC, EVSE),
            self._reader("gate", OTHER, OTHER_EVSE) | {"indicator": _lamps()},
        ]
        self.tables["evse"].append({"uid": OTHER_EVSE, "charger": _charger()})

    def wait_until_ready(self) -> None:
        """Wait for READY=1, then listen to events."""
        self.manager.expect("READY=1", self.is_alive, PATIENCE_S)
        self.watch()

    def wait_for_vehicle(self, state: str) -> None:
        """Wait until the station knows of the one at the GPIO lines."""
        until(lambda: self.evse(OTHER_EVSE)["vehicle"] == state, f"a vehicle {state}")

    @staticmethod
    def _reader(name: str, product: tuple[int, int], evse: str) -> dict[str, object]:
        return {
            "name": name,
            "driver": "wedge",
            "device": "{:04x}:{:04x}".format(*product),
            "held_for": "100ms",
            "evses": [evse],
        }


def _line(number: int, **more: object) -> dict[str, object]:
    return {"line": f"GPIO{number}", **more}


def _charger() -> dict[str, object]:
    # Without resistors: the simulator has nothing else to drive an input with.
    contact = {"active_low": True, "debounce": "20ms"}
    return {
        "driver": "gpio",
        "chip": LABEL,
        "relay": _line(RELAY),
        "vehicle": _line(VEHICLE, **contact),
        "fault": _line(FAULT, **contact),
        "meter": _line(METER, active_low=True, debounce="2ms")
        | {"pulses_per_kwh": 1000, "register": "e2.meter", "save_every": "1s"},
    }


def _lamps() -> dict[str, object]:
    return {
        "driver": "gpio",
        "chip": LABEL,
        "green": _line(GREEN),
        "blue": _line(BLUE),
        "buzzer": _line(BUZZER),
        "charging": {"colours": ["blue"]},
        "ready": {"colours": ["green"]},
    }


@contextmanager
def patient_helpers() -> Iterator[None]:
    """Have the helpers of the other tests wait as long as may be needed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "PATIENCE_S", PATIENCE_S)
        patch.setattr(process, "STOPS_WITHIN_S", PATIENCE_S)
        patch.setattr(until, "__kwdefaults__", {"within_s": PATIENCE_S})
        yield

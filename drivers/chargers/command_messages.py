"""The lines between the command driver and an installer's program, as values."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from drivers.chargers.base import ChargerState, Vehicle
from drivers.errors import FrameError

MAX_LINE_BYTES: Final = 4096
_SHOWN: Final = 120  # Characters of a program's own words that are passed on

#: A century of a fast charger still fits in 53 bits, which any JSON library reads.
_Wh = Annotated[int, Meta(ge=0, le=2**53)]


class Do(StrEnum):
    """What the agent asks for."""

    STATE = "state"
    ENABLE = "enable"
    DISABLE = "disable"


class Told(StrEnum):
    """What a program tells unasked."""

    STATE = "state"
    CONNECTED = "connected"
    CHARGING = "charging"
    DISCONNECTED = "disconnected"
    FAULT = "fault"
    CLEARED = "cleared"
    METER = "meter"


_VEHICLES: Final = {
    Told.CONNECTED: Vehicle.CONNECTED,
    Told.CHARGING: Vehicle.CHARGING,
    Told.DISCONNECTED: Vehicle.ABSENT,
}


class Message(Struct, frozen=True, kw_only=True):
    """One line of a program: an answer has an `id`, anything else an `event`.

    Keys that we do not know are passed over, so that a program may be newer than we.
    """

    id: int | None = None
    ok: bool | None = None
    error: str = ""
    event: Told | None = None
    vehicle: Vehicle | None = None
    enabled: bool | None = None
    wh: _Wh | None = None
    fault: str | UnsetType | None = UNSET

    @property
    def is_whole_state(self) -> bool:
        """Whether it says all that a charger's state needs."""
        return self.vehicle is not None and self.enabled is not None

    def apply_to(self, state: ChargerState) -> ChargerState:
        """Say how things stand after this message, when `state` was before it."""
        vehicle = self.vehicle or state.vehicle
        if self.event in _VEHICLES:
            vehicle = _VEHICLES[self.event]
        return replace(
            state,
            vehicle=vehicle,
            enabled=state.enabled if self.enabled is None else self.enabled,
            wh=state.wh if self.wh is None else self.wh,
            fault=self._fault_after(state.fault),
        )

    def _fault_after(self, before: str | None) -> str | None:
        if self.event is Told.CLEARED:
            return None
        named = shorten(self.fault) if isinstance(self.fault, str) else ""
        if self.event is Told.FAULT:
            return named or "fault"
        return before if self.fault is UNSET else named or None


#: Nothing is known: what a whole state is applied to.
UNKNOWN: Final = ChargerState(Vehicle.ABSENT, enabled=False, wh=None, fault=None)


def parse(line: str) -> Message:
    """Read a program's line; FrameError says what is wrong with it."""
    try:
        message = msgspec.json.decode(line, type=Message)
    except (msgspec.DecodeError, RecursionError) as err:
        raise FrameError(f"{err}, got {shorten(line)}") from err
    if message.id is not None and message.ok is None:
        raise FrameError(f'an answer needs "ok": true or false, got {shorten(line)}')
    if message.id is None and message.event is None:
        raise FrameError(f'expected an "id" or an "event", got {shorten(line)}')
    if message.event is Told.STATE and not message.is_whole_state:
        raise FrameError(f'a state needs "vehicle" and "enabled", got {shorten(line)}')
    if message.event is Told.METER and message.wh is None:
        raise FrameError(f'a meter needs "wh", got {shorten(line)}')
    return message


def build(number: int, do: Do, limit_amps: int | None = None) -> bytes:
    """Write a request as a line."""
    request: dict[str, int | str] = {"id": number, "do": do.value}
    if limit_amps is not None:
        request["limit_amps"] = limit_amps
    return msgspec.json.encode(request) + b"\n"


def shorten(text: str) -> str:
    """Make foreign words fit for a log: printable, and not too many."""
    clean = "".join(char if char.isprintable() else "�" for char in text)
    return clean if len(clean) <= _SHOWN else f"{clean[: _SHOWN - 1]}…"

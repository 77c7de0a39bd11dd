"""The current that a vehicle is offered at most."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

#: What an EVSE's pilot signal can tell a vehicle (IEC 61851).
Amps = Annotated[
    int, Meta(ge=6, le=80, description="a whole number of amps from 6 to 80")
]


def lowest(*limits: int | None) -> int | None:
    """Return the lowest of the limits that there are, None without any."""
    return min((amps for amps in limits if amps is not None), default=None)

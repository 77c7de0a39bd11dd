"""The openevse driver's table of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from drivers.chargers.limits import Amps  # noqa: TC001 - the configuration reads it
from drivers.chargers.rapi_gate import Control
from drivers.serial_url import check_port

if TYPE_CHECKING:
    from collections.abc import Iterable

# The firmware computes the interval in 16 bits of milliseconds.
HeartbeatSeconds = Annotated[
    int, Meta(ge=0, le=60, description="a whole number of seconds up to 60, 0 for off")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEvseConfig:
    """`port`: a tty, or socket://host:port of a serial server.

    `control`: by what energy is held back. `limit_amps`: set until the controller
    boots, never in its EEPROM. `heartbeat_s`: without a pulse for so long the current
    drops to `heartbeat_amps`; left out, the controller keeps what it has. `poll_every`
    counts while energy may flow, `poll_idle_every` else. `comm_timeout`: silent for
    longer, the charger is lost.
    """

    port: str
    baudrate: int = 115200
    control: Control = Control.AUTO
    limit_amps: Amps | None = None
    heartbeat_s: HeartbeatSeconds | None = None
    heartbeat_amps: Amps = 6
    poll_every: timedelta = timedelta(seconds=1)
    poll_idle_every: timedelta = timedelta(seconds=5)
    comm_timeout: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        check_port(self.port)

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody."""
        return [self.port]

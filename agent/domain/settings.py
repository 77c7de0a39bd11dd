"""The rules' parameters, as the configuration sets them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from agent.domain.policy import Modes

if TYPE_CHECKING:
    from agent.domain.places import Place
    from agent.domain.policy import Allow
    from agent.domain.tariffs import Tariff

#: How long a plug-in attracts grants where one reader serves several EVSEs.
SHARED_PLUG_IN_TIMEOUT = timedelta(minutes=5)

MAX_POWER_W = 400_000
#: How often an unknown card that charges is asked about until somebody is heard.
VERIFY_EVERY = timedelta(minutes=5)


class Select(StrEnum):
    """Which plugged-in EVSE a card takes when its reader serves several."""

    PLUGGED_FIRST = "plugged-first"
    LAST_PLUGGED = "last-plugged"
    FIXED = "fixed"


class LateRefusal(StrEnum):
    """What happens to a session when its card turns out to be refused."""

    STOP = "stop"
    CAP = "cap"
    IGNORE = "ignore"


class Owner(Struct, frozen=True):
    """The party that an unknown card is booked on when policy lets it charge."""

    upstream: str
    country_code: str
    party_id: str


class Settings(Struct, frozen=True, kw_only=True):
    """The rules' parameters; `readers` lists each reader's EVSEs in order.

    `plug_in_timeout` is None for the default, which holds where one reader serves
    several EVSEs, and zero for no limit. `max_refusals` of zero means no limit.
    `master_party` ("SE*ABC") is whose cards may be of the master group, empty for all.
    `max_power_w` is more than any vehicle can draw at an EVSE. `places` and `tariff`
    go into every session that starts; `tell_grants` announces it as PENDING while it
    waits for its vehicle. `owners` are the parties behind the upstreams, where they are
    known, and `unknown_owner` the one that cards in no list are booked on.
    """

    readers: dict[str, tuple[str, ...]]
    modes: Modes = Modes()
    deadline: timedelta = timedelta(seconds=2)
    connection_timeout: timedelta = timedelta(seconds=60)
    plug_in_timeout: timedelta | None = None
    tap_before_plug: bool = True
    tap_to_stop: bool = True
    stop_lockout: timedelta = timedelta(seconds=5)
    select: Select = Select.PLUGGED_FIRST
    ignore_faults: bool = False
    master_group: str = ""
    master_party: str = ""
    group_starts_first: bool = True
    max_refusals: int = 10
    late_refusal: LateRefusal = LateRefusal.STOP
    late_refusal_cap_wh: int = 3000
    meter_every: timedelta = timedelta(seconds=60)
    report_every: timedelta = timedelta(minutes=5)
    max_power_w: dict[str, int] = {}
    places: dict[str, Place] = {}
    tariff: Tariff | None = None
    tell_grants: bool = False
    owners: dict[str, Owner] = {}
    unknown_owner: Owner | None = None

    def owner_of(self, allow: Allow) -> Owner | None:
        """On whom a card without a token is booked: who allowed it, or by policy."""
        if allow.upstream is None:
            return self.unknown_owner
        return self.owners.get(allow.upstream)

    def most_w(self, evse_uid: str) -> int:
        """More power than any vehicle can draw at this EVSE."""
        return self.max_power_w.get(evse_uid, MAX_POWER_W)

    def plug_in_limit(self, reader: str) -> timedelta | None:
        """How long a plug-in attracts this reader's cards, None for ever."""
        if self.plug_in_timeout is not None:
            return self.plug_in_timeout or None
        shared = len(self.readers[reader]) > 1
        return SHARED_PLUG_IN_TIMEOUT if shared else None

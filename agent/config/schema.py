"""The schema of the configuration file, one Struct per table but for [[upstream]].

Every key is documented in `config.example.toml`; a test holds the two together.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.config.types import (  # noqa: TC001 - msgspec reads them
    Alpha3,
    Amount,
    Charger,
    CountryCode,
    Currency,
    EvseId,
    GroupId,
    Indicator,
    Latitude,
    Listen,
    Longitude,
    MayBeZero,
    Meter,
    MeterId,
    Name,
    OcpiId,
    PartyId,
    PartyName,
    Text45,
    Text100,
    Transform,
    Url,
    Watts,
)
from agent.domain.places import (  # noqa: TC001 - msgspec reads them
    ConnectorFormat,
    PowerType,
)
from agent.domain.policy import OfflineMode, OnlineMode
from agent.domain.settings import MAX_POWER_W, LateRefusal, Select
from agent.domain.transforms import NOTHING
from agent.domain.uid import Alias  # noqa: TC001 - msgspec reads it


class StationConfig(Struct, frozen=True, kw_only=True):
    """[station]: who and where we are."""

    country_code: CountryCode
    party_id: PartyId
    location_id: OcpiId
    currency: Currency = "EUR"
    state_dir: Path = Path("/var/lib/rfid-agent")
    operator: Text100 = ""
    website: Url | None = None
    address: Text45 | None = None
    city: Text45 | None = None
    postal_code: Annotated[str, Meta(min_length=1, max_length=10)] | None = None
    state: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    country: Alpha3 | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    location_name: Text100 | None = None
    location_type: Literal[
        "ON_STREET",
        "PARKING_GARAGE",
        "UNDERGROUND_GARAGE",
        "PARKING_LOT",
        "OTHER",
        "UNKNOWN",
    ] = "OTHER"
    time_zone: Text45 | None = None


class AuthorizationConfig(Struct, frozen=True, kw_only=True):
    """[authorization]: the choices that OCPI leaves to a CPO."""

    online: OnlineMode = OnlineMode.LOCAL_FIRST
    offline: OfflineMode = OfflineMode.WHITELIST
    deadline: timedelta = timedelta(seconds=2)
    connection_timeout: timedelta = timedelta(seconds=60)
    plug_in_timeout: MayBeZero | None = None
    tap_before_plug: bool = True
    tap_to_stop: bool = True
    stop_lockout: MayBeZero = timedelta(seconds=5)
    select: Select = Select.PLUGGED_FIRST
    ignore_faults: bool = False
    master_group: GroupId = ""
    master_party: PartyName = ""
    group_starts_first: bool = True
    max_refusals: Annotated[
        int, Meta(ge=0, le=10_000, description="a whole number, 0 for no limit")
    ] = 10
    late_refusal: LateRefusal = LateRefusal.STOP
    late_refusal_cap_wh: Annotated[
        int, Meta(ge=1, le=10**6, description="a whole number of watt-hours")
    ] = 3000
    whitelist_max_age: timedelta | None = None
    also_match: list[Alias] = []


class ReportingConfig(Struct, frozen=True, kw_only=True):
    """[reporting]: how often a session is written down and told, and how long kept."""

    meter_every: timedelta = timedelta(seconds=60)
    update_every: timedelta = timedelta(minutes=5)
    keep_sessions: timedelta = timedelta(days=90)
    tell_grants: bool = False


class ClockConfig(Struct, frozen=True, kw_only=True):
    """[clock]: what to do while nobody has told us the time."""

    max_wait: MayBeZero = timedelta(minutes=5)


class TariffConfig(Struct, frozen=True, kw_only=True):
    """[tariff]: what charging costs, in minor units; none if no price is given."""

    per_kwh: Amount | None = None
    per_minute: Amount | None = None
    per_session: Amount | None = None
    vat_percent: Amount | None = None
    minor_digits: Annotated[
        int, Meta(ge=0, le=4, description="how many decimals the currency has")
    ] = 2


class ServerConfig(Struct, frozen=True, kw_only=True):
    """[server]: where backends reach us, if they can; nowhere without `public_url`."""

    public_url: Url | None = None
    listen: Listen = "127.0.0.1:8090"
    certificate: Path | None = None
    key: Path | None = None
    max_body_kib: Annotated[
        int, Meta(ge=1, le=10_240, description="a whole number of KiB from 1")
    ] = 64
    max_requests_per_minute: Annotated[
        int, Meta(ge=1, le=100_000, description="a whole number from 1")
    ] = 600
    keep_cards: MayBeZero = timedelta(days=7)


class EvseConfig(Struct, frozen=True, kw_only=True):
    """[[evse]]: one EVSE and its charger."""

    uid: OcpiId
    evse_id: EvseId | None = None
    connector_id: OcpiId = "1"
    connector_standard: OcpiId = "IEC_62196_T2"
    connector_format: ConnectorFormat = "SOCKET"
    power_type: PowerType = "AC_3_PHASE"
    voltage: Annotated[int, Meta(ge=1, le=10_000)] = 230
    amperage: Annotated[int, Meta(ge=1, le=10_000)] = 32
    meter_id: MeterId | None = None
    max_power_w: Watts = MAX_POWER_W
    charger: Charger
    meter: Meter | None = None


class ReaderConfig(Struct, frozen=True, kw_only=True):
    """[[reader]]: one card reader; its driver's name and keys stand beside these."""

    name: Name
    evses: list[str] | None = None
    uid: Transform = NOTHING
    indicator: Indicator = field(default_factory=lambda: {"driver": "none"})

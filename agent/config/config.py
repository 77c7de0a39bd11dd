"""The whole configuration, checked, and what it means to the station's rules."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import Any

from msgspec import Struct

from agent.config.schema import (
    AuthorizationConfig,
    ClockConfig,
    EvseConfig,
    ReportingConfig,
    ServerConfig,
    StationConfig,
    TariffConfig,
)
from agent.config.upstream import Upstream  # noqa: TC001 - msgspec reads it
from agent.domain.places import Connector, Place
from agent.domain.policy import Modes
from agent.domain.settings import Owner, Settings
from agent.domain.tariffs import Tariff
from agent.domain.transforms import NOTHING, UidTransform


class DriverTable(Struct, frozen=True, kw_only=True):
    """A driver's name and its own options, as read by the driver's own schema."""

    driver: str
    options: Any


class Evse(Struct, frozen=True, kw_only=True):
    """An EVSE with its charger's table read, and its own meter's if it has one."""

    config: EvseConfig
    charger: DriverTable
    meter: DriverTable | None = None

    @property
    def uid(self) -> str:
        """OCPI's evse_uid."""
        return self.config.uid


class Reader(Struct, frozen=True, kw_only=True):
    """A reader with its driver's table read; `evses` are uids in order."""

    name: str
    transform: UidTransform = NOTHING
    evses: tuple[str, ...]
    reader: DriverTable
    indicator: DriverTable


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration, checked; `notes` says what could not be."""

    path: Path
    station: StationConfig
    authorization: AuthorizationConfig = AuthorizationConfig()
    reporting: ReportingConfig = ReportingConfig()
    clock: ClockConfig = ClockConfig()
    tariff: TariffConfig = TariffConfig()
    server: ServerConfig = ServerConfig()
    evses: tuple[Evse, ...]
    readers: tuple[Reader, ...]
    upstreams: tuple[Upstream, ...]
    notes: tuple[str, ...] = ()

    def settings(self) -> Settings:
        """The rules' parameters."""
        rules = self.authorization
        unknown = [
            item.config for item in self.upstreams if item.config.authorize_unknown
        ]
        owners = {
            item.config.name: Owner(
                item.config.name, item.config.country_code, item.config.party_id
            )
            for item in self.upstreams
            if item.config.country_code and item.config.party_id
        }
        return Settings(
            readers={reader.name: reader.evses for reader in self.readers},
            modes=Modes(rules.online, rules.offline, ask_unknown=bool(unknown)),
            deadline=rules.deadline,
            connection_timeout=rules.connection_timeout,
            plug_in_timeout=rules.plug_in_timeout,
            tap_before_plug=rules.tap_before_plug,
            tap_to_stop=rules.tap_to_stop,
            stop_lockout=rules.stop_lockout,
            select=rules.select,
            ignore_faults=rules.ignore_faults,
            master_group=rules.master_group,
            master_party=rules.master_party,
            group_starts_first=rules.group_starts_first,
            max_refusals=rules.max_refusals,
            late_refusal=rules.late_refusal,
            late_refusal_cap_wh=rules.late_refusal_cap_wh,
            max_power_w={evse.uid: evse.config.max_power_w for evse in self.evses},
            places=self.places(),
            tariff=self.price(),
            tell_grants=self.reporting.tell_grants,
            meter_every=self.reporting.meter_every,
            report_every=self.reporting.update_every,
            owners=owners,
            unknown_owner=next(
                (owners[item.name] for item in unknown if item.name in owners), None
            ),
        )

    def places(self) -> dict[str, Place]:
        """Where each EVSE is, for the reports of its sessions."""
        return {evse.uid: self._place(evse.config) for evse in self.evses}

    def price(self) -> Tariff | None:
        """What charging costs; None unless at least one price is given, even zero."""
        tariff = self.tariff
        prices = (tariff.per_kwh, tariff.per_minute, tariff.per_session)
        if all(price is None for price in prices):
            return None
        per_kwh, per_minute, per_session = (price or Decimal() for price in prices)
        return Tariff(
            per_kwh=per_kwh,
            per_minute=per_minute,
            per_session=per_session,
            vat_percent=tariff.vat_percent or Decimal(),
            minor_digits=tariff.minor_digits,
        )

    def _place(self, evse: EvseConfig) -> Place:
        return Place(
            location_id=self.station.location_id,
            currency=self.station.currency,
            evse_id=evse.evse_id,
            meter_id=evse.meter_id,
            connector=Connector(
                id=evse.connector_id,
                standard=evse.connector_standard,
                format=evse.connector_format,
                power_type=evse.power_type,
                voltage=evse.voltage,
                amperage=evse.amperage,
            ),
        )

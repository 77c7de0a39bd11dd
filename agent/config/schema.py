"""The schema of the configuration file, one Struct per table.

Every key is documented in `config.example.toml`; a test holds the two together.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.settings import (
    MAX_POWER_W,
    LateRefusal,
    Owner,
    Select,
    Settings,
)
from agent.domain.uid import Alias  # noqa: TC001 - msgspec reads it
from agent.errors import ConfigError

CountryCode = Annotated[
    str, Meta(pattern="^[A-Z]{2}\\Z", description='two capital letters, like "SE"')
]
PartyId = Annotated[
    str,
    Meta(pattern="^[A-Z0-9]{3}\\Z", description='three capitals or digits, like "ABC"'),
]
OcpiId = Annotated[
    str,
    Meta(pattern="^[!-~]{1,36}\\Z", description="1 to 36 printable ASCII characters"),
]
Name = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9-]{0,31}\\Z",
        description='a name of small letters, digits and dashes, like "front"',
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/]+(/\S*)?\Z",
        description='a URL, like "https://backend.example/ocpi/versions"',
    ),
]
Currency = Annotated[
    str, Meta(pattern="^[A-Z]{3}\\Z", description='an ISO 4217 code, like "EUR"')
]


MeterId = Annotated[
    str, Meta(pattern=r"^[!-~]{1,255}\Z", description="1 to 255 printable characters")
]
GroupId = Annotated[
    str, Meta(pattern=r"^[!-~]{0,36}\Z", description="an OCPI group_id")
]
Watts = Annotated[int, Meta(ge=1000, description="a whole number of watts from 1000")]
#: A length of time that may be zero; all others must be longer.
MayBeZero = Annotated[timedelta, Meta(extra={"may_be_zero": True})]
Charger = Annotated[
    dict[str, Any], Meta(description='a table such as { driver = "simulated", … }')
]
Indicator = Annotated[
    dict[str, Any], Meta(description='a table such as { driver = "none" }')
]
#: Never shown, since people put the secret itself there.
Secret = Annotated[
    dict[str, Any],
    Meta(
        description='{ file = "…" } or { credential = "…" }; the token itself is '
        "never written here",
        extra={"secret": True},
    ),
]


class StationConfig(Struct, frozen=True, kw_only=True):
    """[station]: who and where we are."""

    country_code: CountryCode
    party_id: PartyId
    location_id: OcpiId
    currency: Currency = "EUR"
    state_dir: Path = Path("/var/lib/rfid-agent")


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
    master_party: Annotated[
        str,
        Meta(
            pattern=r"^([A-Z]{2}\*[A-Z0-9]{3})?\Z",
            description='country_code and party_id, like "SE*ABC"',
        ),
    ] = ""
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


class ClockConfig(Struct, frozen=True, kw_only=True):
    """[clock]: what to do while nobody has told us the time."""

    max_wait: MayBeZero = timedelta(minutes=5)


class DriverTable(Struct, frozen=True, kw_only=True):
    """A driver's name and its own options, as read by the driver's own schema."""

    driver: str
    options: Any


class EvseConfig(Struct, frozen=True, kw_only=True):
    """[[evse]]: one EVSE and its charger."""

    uid: OcpiId
    connector_id: OcpiId = "1"
    meter_id: MeterId | None = None
    max_power_w: Watts = MAX_POWER_W
    charger: Charger


class ReaderConfig(Struct, frozen=True, kw_only=True):
    """[[reader]]: one card reader; its driver's name and keys stand beside these."""

    name: Name
    evses: list[str] | None = None
    indicator: Indicator = field(default_factory=lambda: {"driver": "none"})


class TokenSource(Struct, frozen=True, kw_only=True):
    """Where a secret is kept; never the secret itself."""

    file: Path | None = None
    credential: Name | None = None

    def read(self) -> str:
        """Read the secret; ConfigError if it is not there."""
        if self.file is None:
            raise ConfigError(
                f"credential {self.credential!r} is handed over by systemd only; "
                "run as the service, or use a file"
            )
        try:
            token = self.file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or "expected ASCII text"
            raise ConfigError(f"{self.file}: {reason}") from err
        if not token:
            raise ConfigError(f"{self.file} is empty")
        if not token.isprintable() or " " in token:
            raise ConfigError(f"{self.file}: expected the token alone, in one line")
        return token


class UpstreamConfig(Struct, frozen=True, kw_only=True):
    """[[upstream]]: one OCPI party that owns tokens and hears of sessions."""

    name: Name
    versions_url: Url
    token: Secret
    version: Literal["auto", "2.2.1"] = "auto"
    country_code: CountryCode | None = None
    party_id: PartyId | None = None
    authorize_unknown: bool = False
    sync_every: timedelta = timedelta(hours=1)
    full_sync_every: timedelta = timedelta(days=1)
    page_size: Annotated[
        int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10000")
    ] = 1000


class Evse(Struct, frozen=True, kw_only=True):
    """An EVSE with its charger's table read."""

    uid: str
    connector_id: str
    meter_id: str | None
    max_power_w: int
    charger: DriverTable


class Reader(Struct, frozen=True, kw_only=True):
    """A reader with its driver's table read; `evses` are uids in order."""

    name: str
    evses: tuple[str, ...]
    reader: DriverTable
    indicator: DriverTable


class Upstream(Struct, frozen=True, kw_only=True):
    """An upstream with its secret's place found."""

    config: UpstreamConfig
    token: TokenSource


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration, checked; `notes` says what could not be."""

    path: Path
    station: StationConfig
    authorization: AuthorizationConfig
    reporting: ReportingConfig
    clock: ClockConfig
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
            max_power_w={evse.uid: evse.max_power_w for evse in self.evses},
            meter_every=self.reporting.meter_every,
            report_every=self.reporting.update_every,
            owners=owners,
            unknown_owner=next(
                (owners[item.name] for item in unknown if item.name in owners), None
            ),
        )

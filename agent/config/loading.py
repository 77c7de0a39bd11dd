"""From a TOML file to a Config, or to one error that lists every mistake."""

from __future__ import annotations

import stat
import tomllib
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec.structs import fields

from agent import registry
from agent.config.reading import Mistakes, Place, read_struct
from agent.config.schema import (
    AuthorizationConfig,
    Config,
    DriverTable,
    Evse,
    EvseConfig,
    Reader,
    ReaderConfig,
    ReportingConfig,
    StationConfig,
    TokenSource,
    Upstream,
    UpstreamConfig,
)
from agent.domain.policy import OfflineMode
from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


_TABLES = ("station", "authorization", "reporting", "evse", "reader", "upstream")


def load_config(path: Path, credentials_dir: Path | None = None) -> Config:
    """Read and check the file; ConfigError lists every mistake, a line each.

    `credentials_dir` is systemd's. Without it credentials cannot be looked at, which
    is a note and no mistake: check-config also runs outside the service.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: not valid TOML: {err}") from err
    except RecursionError as err:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply") from err
    mistakes = Mistakes(path, text)
    config = _Loader(tables, mistakes, credentials_dir).load()
    mistakes.raise_if_any()
    if config is None:
        raise ConfigError(f"{path}: cannot be used")
    return config


class _Loader:
    """Reads table by table; what one table says of another is checked last."""

    def __init__(
        self, tables: dict[str, Any], mistakes: Mistakes, credentials_dir: Path | None
    ) -> None:
        self._tables = tables
        self._mistakes = mistakes
        self._credentials_dir = credentials_dir
        self._directory = mistakes.path.absolute().parent
        self._state_dir = self._directory
        self._notes: list[str] = []

    def load(self) -> Config | None:
        for name in self._tables.keys() - set(_TABLES):
            self._mistakes.add_table(name, _TABLES)
        station = self._single("station", StationConfig)
        authorization = self._single("authorization", AuthorizationConfig)
        reporting = self._single("reporting", ReportingConfig)
        if station is not None:
            self._state_dir = station.state_dir
        evses = self._evses()
        readers = self._readers([evse.uid for evse in evses])
        upstreams = self._upstreams()
        if station is None or authorization is None or reporting is None:
            return None
        self._check_combinations(authorization, upstreams)
        self._check_shared_paths(evses, readers)
        return Config(
            path=self._mistakes.path,
            station=station,
            authorization=authorization,
            reporting=reporting,
            evses=tuple(evses),
            readers=tuple(readers),
            upstreams=tuple(upstreams),
            notes=tuple(self._notes),
        )

    # ---- tables -------------------------------------------------------------------

    def _single(self, name: str, cls: type[Any]) -> Any:  # noqa: ANN401 - an instance of cls
        table = self._tables.get(name, {})
        if not isinstance(table, dict):
            self._mistakes.add(Place(name), "", f"write [{name}], once")
            return None
        return read_struct(
            cls, table, Place(name), self._mistakes, base_dir=self._directory
        )

    def _listed(self, name: str) -> list[tuple[Place, dict[str, Any]]]:
        tables = self._tables.get(name, [])
        if not isinstance(tables, list):
            self._mistakes.add(Place(name), "", f"write [[{name}]], with two brackets")
            return []
        if not tables:
            self._mistakes.add(Place(name), "", f"at least one [[{name}]] is needed")
        places = [
            (Place(name, number), table) for number, table in enumerate(tables, start=1)
        ]
        for place, table in places:
            if not isinstance(table, dict):
                self._mistakes.add(place, "", f"write [[{name}]], with two brackets")
        return [item for item in places if isinstance(item[1], dict)]

    def _evses(self) -> list[Evse]:
        evses: list[Evse] = []
        for place, table in self._listed("evse"):
            read = self._read(EvseConfig, table, place)
            if read is None:
                continue
            charger = self._driver(place, "charger", read.charger, registry.CHARGERS)
            if read.uid.casefold() in {evse.uid.casefold() for evse in evses}:
                self._mistakes.add(place, "uid", "is taken by another EVSE", read.uid)
            elif charger is not None:
                evses.append(
                    Evse(
                        uid=read.uid,
                        connector_id=read.connector_id,
                        meter_id=read.meter_id,
                        charger=charger,
                    )
                )
        return evses

    def _readers(self, evse_uids: Sequence[str]) -> list[Reader]:
        readers: list[Reader] = []
        common = {item.name for item in fields(ReaderConfig)}
        for place, table in self._listed("reader"):
            own = {key: value for key, value in table.items() if key not in common}
            shared = {key: value for key, value in table.items() if key in common}
            read = self._read(ReaderConfig, shared, place)
            if read is None:
                continue
            options = {"driver": read.driver, **own}
            reader = self._driver(place, "", options, registry.READERS)
            indicator = self._driver(
                place, "indicator", read.indicator, registry.INDICATORS
            )
            self._check_evses(place, read.evses, evse_uids)
            if read.name in {other.name for other in readers}:
                self._mistakes.add(
                    place, "name", "is taken by another reader", read.name
                )
            elif reader is not None and indicator is not None:
                evses = tuple(evse_uids if read.evses is None else read.evses)
                readers.append(
                    Reader(
                        name=read.name, evses=evses, reader=reader, indicator=indicator
                    )
                )
        return readers

    def _check_evses(
        self, place: Place, wanted: list[str] | None, known: Sequence[str]
    ) -> None:
        """Refuse a reader for no EVSE, for one twice, or for one that is not there."""
        if wanted is None:
            return
        if not wanted or len(set(wanted)) < len(wanted):
            expected = "expected each EVSE once; leave the key out to serve them all"
            self._mistakes.add(place, "evses", expected, wanted)
        if len(known) < len(self._tables.get("evse", [])):
            return  # The missing one may be among those with a mistake of their own.
        for uid in wanted:
            if uid not in known:
                problem = f"no such EVSE; known are {', '.join(known) or 'none'}"
                self._mistakes.add(place, "evses", problem, uid)

    def _upstreams(self) -> list[Upstream]:
        upstreams: list[Upstream] = []
        for place, table in self._listed("upstream"):
            read = self._read(UpstreamConfig, table, place)
            if read is None:
                continue
            token = self._token(place, read.token)
            self._check_url(place, read.versions_url)
            if read.name in {other.config.name for other in upstreams}:
                self._mistakes.add(
                    place, "name", "is taken by another upstream", read.name
                )
            elif token is not None:
                upstreams.append(Upstream(config=read, token=token))
        return upstreams

    def _read(self, cls: type[Any], table: dict[str, Any], place: Place) -> Any:  # noqa: ANN401 - an instance of cls
        return read_struct(cls, table, place, self._mistakes, base_dir=self._state_dir)

    def _driver(
        self, place: Place, key: str, table: dict[str, Any], group: str
    ) -> DriverTable | None:
        """Read a driver's own table by the driver's own schema."""
        prefix = f"{key}." if key else ""
        name = table.get("driver")
        options = {key: value for key, value in table.items() if key != "driver"}
        if "driver" in table and not isinstance(name, str):
            self._mistakes.add(place, f"{prefix}driver", "expected a text", name)
            return None
        if not isinstance(name, str):
            names = " or ".join(f'"{name}"' for name in registry.driver_names(group))
            self._mistakes.add(place, f"{prefix}driver", f"missing; expected {names}")
            return None
        try:
            schema = registry.load_driver(group, name).Config
        except ConfigError as err:
            self._mistakes.add(place, f"{prefix}driver", str(err), name)
            return None
        read = read_struct(
            schema,
            options,
            place._replace(key=key),
            self._mistakes,
            base_dir=self._state_dir,
        )
        return None if read is None else DriverTable(driver=name, options=read)

    # ---- secrets ------------------------------------------------------------------

    def _token(self, place: Place, table: dict[str, Any]) -> TokenSource | None:
        source = read_struct(
            TokenSource,
            table,
            place._replace(key="token"),
            self._mistakes,
            base_dir=self._directory,
        )
        if source is None:
            return None
        if (source.file is None) == (source.credential is None):
            expected = 'expected { file = "…" } or { credential = "…" }'
            self._mistakes.add(place, "token", expected)
            return None
        if source.credential is not None:
            if self._credentials_dir is None:
                self._notes.append(
                    f"{place} token: credential {source.credential!r} is handed over "
                    "by systemd and was not looked at"
                )
                return source
            source = TokenSource(file=self._credentials_dir / source.credential)
        return source if self._is_secret(place, source) else None

    def _is_secret(self, place: Place, source: TokenSource) -> bool:
        path = source.file
        if path is None:
            return False
        try:
            mode = path.stat().st_mode
            source.read()
        except OSError as err:
            self._mistakes.add(
                place,
                "token",
                f"{path}: {err.strerror}; put the token there, or add "
                f"LoadCredential= to the service",
            )
        except ConfigError as err:
            self._mistakes.add(place, "token", str(err))
        else:
            if not mode & stat.S_IRWXO:
                return True
            self._mistakes.add(
                place, "token", f"{path} is open to everybody; run: chmod o= {path}"
            )
        return False

    def _check_url(self, place: Place, url: str) -> None:
        try:
            urlsplit(url).port  # noqa: B018 - raises what is wrong with it
        except ValueError as err:
            self._mistakes.add(place, "versions_url", f"expected a URL: {err}", url)

    # ---- combinations -------------------------------------------------------------

    def _check_combinations(
        self, authorization: AuthorizationConfig, upstreams: Sequence[Upstream]
    ) -> None:
        """Refuse what cannot work together."""
        if authorization.offline is not OfflineMode.ALLOW_UNKNOWN:
            return
        if not any(
            item.config.authorize_unknown
            and item.config.country_code
            and item.config.party_id
            for item in upstreams
        ):
            self._mistakes.add(
                Place("authorization"),
                "offline",
                "needs an [[upstream]] with authorize_unknown = true and its "
                "country_code and party_id, to book unknown cards on",
                authorization.offline.value,
            )

    def _check_shared_paths(
        self, evses: Sequence[Evse], readers: Sequence[Reader]
    ) -> None:
        """Refuse one device or pipe that two drivers would fight over."""
        users: dict[Path, str] = {}
        tables = [
            (Place("evse", number), "charger", f"charger of {evse.uid}", evse.charger)
            for number, evse in enumerate(evses, start=1)
        ]
        for number, reader in enumerate(readers, start=1):
            place = Place("reader", number)
            indicator = f"indicator of {reader.name}"
            tables += [
                (place, "driver", f"reader {reader.name}", reader.reader),
                (place, "indicator", indicator, reader.indicator),
            ]
        for place, key, user, table in tables:
            for path in _paths_in(table.options):
                if path in users:
                    problem = f"{path} is used by the {users[path]} and the {user}"
                    self._mistakes.add(place, key, problem)
                users.setdefault(path, user)


def _paths_in(options: object) -> list[Path]:
    """Every path among a driver's options; drivers describe them as dataclasses."""
    if not is_dataclass(options) or isinstance(options, type):
        return []
    values = (getattr(options, item.name) for item in dataclass_fields(options))
    return [value for value in values if isinstance(value, Path)]

"""From a TOML file to a Config, or to one error that lists every mistake."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from msgspec.structs import fields

from agent import registry
from agent.config.combinations import check_combinations
from agent.config.config import Config, DriverTable, Evse, Reader
from agent.config.reading import Mistakes, Place, read_struct
from agent.config.schema import (
    AuthorizationConfig,
    ClockConfig,
    EvseConfig,
    ReaderConfig,
    ReportingConfig,
    ServerConfig,
    StationConfig,
    TariffConfig,
)
from agent.config.secrets import SecretFinder
from agent.config.upstream import Upstream, UpstreamConfig
from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_SINGLE = {
    "station": StationConfig,
    "authorization": AuthorizationConfig,
    "reporting": ReportingConfig,
    "clock": ClockConfig,
    "tariff": TariffConfig,
    "server": ServerConfig,
}
_TABLES = (*_SINGLE, "evse", "reader", "upstream")
_SECRETS = ("token", "client_key", "proxy_login")


def load_config(path: Path, credentials_dir: Path | None = None) -> Config:
    """Read and check the file; ConfigError lists every mistake, a line each.

    `credentials_dir` is systemd's. Without it credentials cannot be looked at, which
    is a note and no mistake: check-config also runs outside the service.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except PermissionError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror}; try sudo") from err
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        line = err.object[: err.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not valid TOML: save it as UTF-8") from err
    except tomllib.TOMLDecodeError as err:
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
        self._secrets = SecretFinder(mistakes, credentials_dir)
        self._notes = self._secrets.notes
        self._directory = mistakes.path.absolute().parent
        self._state_dir = self._directory

    def load(self) -> Config | None:
        for name in self._tables.keys() - set(_TABLES):
            self._mistakes.add_table(name, _TABLES)
        single = {name: self._single(name, cls) for name, cls in _SINGLE.items()}
        if single["station"] is not None:
            self._state_dir = single["station"].state_dir
        evses = self._evses()
        readers = self._readers([evse.uid for evse in evses])
        upstreams = self._upstreams()
        if None in single.values():
            return None
        if single["authorization"].also_match:
            self._notes.append(
                "[authorization] also_match: another spelling of a card's number may "
                "be another card's own"
            )
        config = Config(
            path=self._mistakes.path,
            **single,
            evses=tuple(evses),
            readers=tuple(readers),
            upstreams=tuple(upstreams),
            notes=tuple(self._notes),
        )
        is_whole = len(upstreams) == len(self._tables.get("upstream", []))
        check_combinations(config, self._mistakes, has_all_upstreams=is_whole)
        return config

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
            charger = self._driver_at("charger", place, table, registry.CHARGERS)
            meter = self._driver_at("meter", place, table, registry.METERS)
            is_meter_wrong = meter is None and "meter" in table
            if read is None or charger is None or is_meter_wrong:
                continue
            if read.uid.casefold() in {evse.uid.casefold() for evse in evses}:
                self._mistakes.add(place, "uid", "is taken by another EVSE", read.uid)
                continue
            evses.append(Evse(config=read, charger=charger, meter=meter))
        return evses

    def _readers(self, evse_uids: Sequence[str]) -> list[Reader]:
        readers: list[Reader] = []
        common = {item.name for item in fields(ReaderConfig)}
        for place, table in self._listed("reader"):
            own = {key: value for key, value in table.items() if key not in common}
            shared = {key: value for key, value in table.items() if key in common}
            read = self._read(ReaderConfig, shared, place)
            reader = self._driver(place, "", own, registry.READERS)
            quiet = {"indicator": {"driver": "none"}}
            indicator = self._driver_at(
                "indicator", place, quiet | table, registry.INDICATORS
            )
            if read is None or reader is None or indicator is None:
                continue
            self._check_evses(place, read.evses, evse_uids)
            if read.name in {other.name for other in readers}:
                self._mistakes.add(
                    place, "name", "is taken by another reader", read.name
                )
                continue
            evses = tuple(evse_uids if read.evses is None else read.evses)
            readers.append(
                Reader(
                    name=read.name,
                    evses=evses,
                    transform=read.uid,
                    reader=reader,
                    indicator=indicator,
                )
            )
            if read.uid.may_collide:
                self._notes.append(
                    f"{place} uid: what is cut off told cards apart: two of them may "
                    "be taken for one"
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
            read = read_struct(
                UpstreamConfig, table, place, self._mistakes, base_dir=self._directory
            )
            secrets = {
                key: self._secrets.find(place, key, table[key])
                for key in _SECRETS
                if isinstance(table.get(key), dict)
            }
            token = secrets.get("token")
            if read is None or token is None or None in secrets.values():
                continue
            if read.name in {other.config.name for other in upstreams}:
                self._mistakes.add(
                    place, "name", "is taken by another upstream", read.name
                )
                continue
            upstreams.append(
                Upstream(
                    config=read,
                    token=token,
                    client_key=secrets.get("client_key"),
                    proxy_login=secrets.get("proxy_login"),
                )
            )
        return upstreams

    def _read(self, cls: type[Any], table: dict[str, Any], place: Place) -> Any:  # noqa: ANN401 - an instance of cls
        return read_struct(cls, table, place, self._mistakes, base_dir=self._state_dir)

    def _driver_at(
        self, key: str, place: Place, table: dict[str, Any], group: str
    ) -> DriverTable | None:
        """Read the driver's table under a key; a value of another kind is known."""
        inner = table.get(key)
        return (
            self._driver(place, key, inner, group) if isinstance(inner, dict) else None
        )

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

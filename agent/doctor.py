"""A look at everything the station needs, each finding with its remedy."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent import registry
from agent.clock import SystemClock
from agent.connections import connect
from agent.errors import AgentError, TransientUpstreamError
from agent.service import visible_credentials
from agent.store import database
from agent.store.journal import FILE as JOURNAL_FILE
from agent.store.keys import load_key
from agent.store.whitelist import LINK
from drivers.errors import DriverError
from drivers.findings import Finding, user_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from agent.config import Config, DriverTable, Upstream

_MIB: Final = 2**20
_ROOM_MIB: Final = 64  # A big list is built beside the one in force
#: A backend that hangs is a finding; a slow mobile network is none.
BACKEND_WITHIN_S: Final = 20.0
_SENSORS: Final = Path("/sys/class/hwmon")
_POWER_SENSOR: Final = "rpi_volt"
_MADE_BY_SYSTEMD: Final = Path("/var/lib/rfid-agent")  # StateDirectory= of the unit


async def examine(
    config: Config, on_asking: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Finding]:
    """Look at the machine, the files, the drivers and the backends, in this order.

    `on_asking` hears which backend is asked, which may take a while.
    """
    for finding in _look_here(config):
        yield finding
    async for finding in look_at_backends(config, on_asking, _is_out_of_sight):
        yield finding


def _look_here(config: Config) -> Iterator[Finding]:
    yield Finding(f"configuration {config.path}")
    # A choice that its owner may have made, or a secret, of which more below.
    yield from (Finding(f"configuration: {note}") for note in config.notes)
    yield _look_at_clock()
    yield from _look_at_power()
    yield from _look_at_state(config.station.state_dir)
    yield from look_at_drivers(config)


def look_at_drivers(config: Config) -> Iterator[Finding]:
    """Let every driver look for what it needs."""
    for name, group, table in _drivers(config):
        yield from _look_at_driver(name, group, table)


def _look_at_clock() -> Finding:
    if SystemClock().now().synchronized:
        return Finding("clock")
    return Finding(
        "clock", "is not synchronized; see: timedatectl timesync-status, or a firewall"
    )


def _look_at_power() -> Iterator[Finding]:
    """A Raspberry Pi tells when its supply is too weak; readers fail then first.

    Its sensor knows of the last seconds only. The older file `get_throttled` knows no
    more than that, and who reads it makes the kernel log a warning with its stack.
    """
    for name in sorted(_SENSORS.glob("hwmon*/name")):
        try:
            if name.read_text(encoding="ascii").strip() != _POWER_SENSOR:
                continue
            alarm = int(name.with_name("in0_lcrit_alarm").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if alarm:
            yield Finding(
                "power supply",
                "is too weak right now; use a better one, or a powered hub",
            )
        else:
            yield Finding("power supply; of before tells: journalctl -k -g voltage")


def _look_at_state(state_dir: Path) -> Iterator[Finding]:
    what = f"state directory {state_dir}"
    if not state_dir.is_dir():
        yield _look_for_room(state_dir)
        return
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        owner = user_name(state_dir.stat().st_uid)
        yield Finding(
            what,
            f"belongs to {owner}, and {user_name()} cannot write it; the agent's user "
            "has to own it (and for a look with its rights, run this with sudo)",
        )
        return
    free_mib = shutil.disk_usage(state_dir).free // _MIB
    if free_mib < _ROOM_MIB:
        yield Finding(what, f"has {free_mib} MiB left; make room for {_ROOM_MIB} MiB")
    else:
        yield Finding(f"{what}, {free_mib} MiB free")
    try:
        load_key(state_dir, visible_credentials())
        yield Finding("key of the card numbers")
    except (AgentError, OSError) as err:
        yield Finding("key of the card numbers", str(err))
    for name in (JOURNAL_FILE, LINK):
        yield _look_at_database(state_dir / name)


def _look_for_room(state_dir: Path) -> Finding:
    """Before its first start nothing is wrong with a station without the directory."""
    what = f"state directory {state_dir}"
    place = next(one for one in state_dir.absolute().parents if one.exists())
    if state_dir == _MADE_BY_SYSTEMD or os.access(place, os.W_OK | os.X_OK):
        return Finding(f"{what}, made at the first start")
    return Finding(
        what,
        f"is not there, and {user_name()} cannot make it in {place}; make it, and "
        "give it to the agent's user",
    )


def _look_at_database(path: Path) -> Finding:
    what = f"database {path.name}"
    if not path.exists():
        return Finding(f"{what}, not begun yet")
    try:
        with closing(database.connect(path, read_only=True)) as connection:
            database.check(connection, path)
    except AgentError as err:
        return Finding(what, str(err))
    return Finding(what)


def _drivers(config: Config) -> Iterator[tuple[str, str, DriverTable]]:
    for evse in config.evses:
        yield f"charger of {evse.uid}", registry.CHARGERS, evse.charger
        if evse.meter is not None:
            yield f"meter of {evse.uid}", registry.METERS, evse.meter
    for reader in config.readers:
        yield f"reader {reader.name}", registry.READERS, reader.reader
        yield f"indicator of {reader.name}", registry.INDICATORS, reader.indicator


def _look_at_driver(name: str, group: str, table: DriverTable) -> Iterator[Finding]:
    """Ask the driver; one that looks at nothing is fine as far as anybody knows."""
    what = f"{name} ({table.driver})"
    try:
        findings = list(
            registry.load_driver(group, table.driver)(table.options).check()
        )
    except (AgentError, DriverError, OSError) as err:
        yield Finding(what, str(err))
        return
    if not findings:
        yield Finding(what)
    for finding in findings:
        yield Finding(f"{what}: {finding.what}", finding.problem)


async def look_at_backends(
    config: Config,
    on_asking: Callable[[str], None],
    leave_out: Callable[[Upstream], bool] = lambda _: False,
) -> AsyncIterator[Finding]:
    """Discover every backend but those left out, within BACKEND_WITHIN_S each."""
    for upstream in config.upstreams:
        what = f"upstream {upstream.config.name}"
        if leave_out(upstream):
            yield Finding(f"{what}, not asked: only the running service has its token")
            continue
        on_asking(what)
        try:
            lines = await _ask_backend(config, upstream)
        except AgentError as err:
            yield Finding(what, str(err))
            continue
        for line in lines:
            yield Finding(f"{what}: {line}")


def _is_out_of_sight(upstream: Upstream) -> bool:
    """Whether systemd has a secret of it that it hands to the running service only."""
    secrets = (upstream.token, upstream.client_key, upstream.proxy_login)
    return any(one is not None and one.file is None for one in secrets)


async def _ask_backend(config: Config, upstream: Upstream) -> list[str]:
    connection = connect(config, upstream)
    try:
        async with asyncio.timeout(BACKEND_WITHIN_S):
            return await connection.check()
    except TimeoutError as err:
        raise TransientUpstreamError(
            f"no answer within {BACKEND_WITHIN_S:g} s; is the server up, and the "
            "network fast enough?"
        ) from err
    finally:
        await connection.close()

"""The openevse driver's table, as the configuration reads it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from drivers.chargers.rapi_gate import Control
from tests.drivers.tables import CHARGER, read_table


def read(**table: Any) -> tuple[OpenEvseConfig | None, list[str]]:  # noqa: ANN401 - as in TOML
    """Read a table; return what it is, and what is wrong with it."""
    return read_table(OpenEvseCharger.Config, CHARGER, table)


def test_what_is_left_out() -> None:
    """Only the port is needed."""
    config, mistakes = read(port="/dev/ttyUSB0")
    assert mistakes == []
    assert config == OpenEvseConfig(
        port="/dev/ttyUSB0",
        baudrate=115200,
        control=Control.AUTO,
        limit_amps=None,
        heartbeat_s=None,
        heartbeat_amps=6,
        poll_every=timedelta(seconds=1),
        poll_idle_every=timedelta(seconds=5),
        comm_timeout=timedelta(seconds=10),
    )


def test_everything() -> None:
    """All keys are read."""
    config, mistakes = read(
        port="socket://evse:8023",
        baudrate=57600,
        control="auth-lock",
        limit_amps=16,
        heartbeat_s=30,
        heartbeat_amps=8,
        poll_every="500ms",
        poll_idle_every="10s",
        comm_timeout="30s",
    )
    assert mistakes == []
    assert config is not None
    assert (config.control, config.limit_amps) == (Control.AUTH_LOCK, 16)
    assert (config.heartbeat_s, config.heartbeat_amps) == (30, 8)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("port", "ttyUSB0", "the path of a serial port, such as /dev/"),
        ("port", "socket://evse", "socket://host:port, got socket://evse"),
        ("control", "lock", 'expected one of "auto", "auth-lock", "sleep", "disable"'),
        ("limit_amps", 5, "a whole number of amps from 6 to 80"),
        ("heartbeat_s", 61, "a whole number of seconds up to 60, 0 for off"),
        ("heartbeat_amps", 0, "a whole number of amps from 6 to 80"),
        ("poll_every", "0s", "longer than zero"),
        ("comm_timeout", 10, "a duration"),
        ("device", "/dev/ttyUSB0", "unknown"),
    ],
)
def test_mistakes(key: str, value: object, problem: str) -> None:
    """What cannot be is named with what could."""
    config, mistakes = read(**({"port": "/dev/ttyUSB0"} | {key: value}))
    assert config is None
    assert problem in mistakes[0]

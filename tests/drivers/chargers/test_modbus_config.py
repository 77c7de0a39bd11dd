"""The modbus drivers' tables, as the configuration reads them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from drivers.chargers.modbus_config import (
    SIMPLEEVSE,
    Ampere,
    CurrentRegister,
    OutputRegister,
    StateRegister,
    SwitchRegister,
)
from drivers.meters.modbus import EnergyUnit, ModbusMeter
from drivers.modbus.address import Parity
from drivers.modbus.values import Table, ValueType, WordOrder
from tests.drivers.tables import CHARGER, read_table

DOCUMENT = Path(__file__).parents[3] / "docs" / "charger-modbus.md"


def read(text: str, schema: type[Any] = ModbusCharger.Config) -> tuple[Any, list[str]]:
    """Read a table; return what it is, and what is wrong with it."""
    config, mistakes = read_table(schema, CHARGER, text)
    return config, [line.partition(" number 1 ")[2] for line in mistakes]


def test_a_simpleevse_needs_a_port_and_a_current() -> None:
    """Everything else has a default."""
    config, mistakes = read('port = "/dev/ttyUSB0"\nlimit_amps = 16')
    assert mistakes == []
    assert config == ModbusConfig(
        port="/dev/ttyUSB0",
        baudrate=9600,
        parity=Parity.NONE,
        stop_bits=1,
        device_id=1,
        pause=timedelta(milliseconds=100),
        answer_timeout=timedelta(milliseconds=500),
        limit_amps=16,
        poll_every=timedelta(seconds=1),
        comm_timeout=timedelta(seconds=10),
    )
    assert config.registers == SIMPLEEVSE


OWN = """
port = "gateway:502"
baudrate = 19200
parity = "even"
stop_bits = 2
device_id = 7
pause = "0s"
profile = "own"
limit_amps = 20

[state]
address = 100
table = "input"
absent = [0x4100]
connected = [0x4200, 0x4201]
charging = [0x4300]
faults = { 0x4500 = "E", 5 = "failure" }

[enable]
address = 3
table = "coil"
on = 0
off = 1

[current]
address = 106
type = "uint32"
word_order = "little"
scale = 100
unit = "mA"

[output]
address = 9
table = "discrete"
on = [1]
"""


def test_a_profile_of_ones_own() -> None:
    """Registers are tables inside the table."""
    config, mistakes = read(OWN)
    assert mistakes == []
    profile = config.registers
    assert profile.state == StateRegister(
        address=100,
        table=Table.INPUT,
        absent=(0x4100,),
        connected=(0x4200, 0x4201),
        charging=(0x4300,),
        faults={"0x4500": "E", "5": "failure"},
    )
    names = [profile.state.fault_name(value) for value in (0x4500, 5, 6)]
    assert names == ["E", "failure", "state 6, in none of the lists"]
    assert profile.enable == SwitchRegister(address=3, table=Table.COIL, on=0, off=1)
    assert profile.current == CurrentRegister(
        address=106,
        type=ValueType.UINT32,
        word_order=WordOrder.LITTLE,
        scale=100.0,
        unit=Ampere.MILLIAMPS,
    )
    assert (profile.current.value(16), profile.current.amps(160)) == (160, 16)
    assert profile.output == OutputRegister(address=9, table=Table.DISCRETE, on=(1,))
    assert profile.resolution is None
    assert config.pause == timedelta()


@pytest.mark.parametrize(
    ("keys", "amps", "value"),
    [
        ({}, 16, 16),
        ({"scale": 0.1}, 7, 70),
        ({"scale": 0.7}, 7, 10),
        ({"scale": 0.4}, 7, 17),  # 18 would be more than 7 A.
        ({"unit": Ampere.MILLIAMPS}, 13, 13000),
        ({"type": ValueType.FLOAT32, "scale": 0.4}, 7, 17.5),
    ],
)
def test_currents(keys: dict[str, Any], amps: int, value: float) -> None:
    """A register never offers more than it was told to."""
    register = CurrentRegister(address=0, **keys)
    assert register.value(amps) == pytest.approx(value)
    assert register.amps(register.value(amps)) <= amps + 0.01


def test_the_documents_profile() -> None:
    """What docs/charger-modbus.md shows can be used as it stands."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("    [evse.charger]\n")[2]
    block = text.partition("\n\nWith ")[0].replace("    ", "")
    table = block.replace("[evse.charger.", "[").replace('driver = "modbus"\n', "")
    config, mistakes = read(table)
    assert mistakes == []
    assert config.registers.current.value(16) == 160
    assert config.registers.output.on == (1,)


SIMPLE = 'port = "/dev/x"\nlimit_amps = 16\n'
STATE = "state = { address = 1, absent = [1], connected = [2], charging = [3] }\n"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("limit_amps = 16", "charger.port: missing; expected a path such as"),
        ('port = "/dev/x"', "charger.limit_amps: missing; energy is let flow by a cu"),
        ('port = "http://x"\nlimit_amps = 16', "charger.port: expected the path of a"),
        (SIMPLE + "device_id = 0", "charger.device_id = 0: expected a whole number fr"),
        (SIMPLE + "stop_bits = 3", "charger.stop_bits = 3: expected 1 or 2"),
        (SIMPLE + 'parity = "mark"', 'charger.parity = "mark": expected one of "none"'),
        (SIMPLE + 'profile = "own"', "charger.state: missing; expected a table"),
        (
            SIMPLE + 'profile = "own"\n' + STATE,
            "charger.enable: missing; expected this table or current",
        ),
        (
            SIMPLE + 'profile = "own"\n' + STATE + "enable = { address = 4 }",
            "charger.limit_amps: there is no current register",
        ),
        (SIMPLE + "state = 5", "charger.state = 5: expected a table"),
        (
            SIMPLE + "current = { address = 5, adress = 5 }",
            "charger.current.adress: unknown; did you mean address?",
        ),
        (
            SIMPLE + "current = { address = 65536 }",
            "charger.current.address = 65536: expected an address from 0 to 65535",
        ),
        (
            SIMPLE + 'current = { address = 5, table = "input" }',
            "charger.current.table: a current can only be written to a holding",
        ),
        (
            SIMPLE + 'enable = { address = 5, table = "discrete" }',
            "charger.enable.table: discrete cannot be written; it takes holding or ",
        ),
        (
            SIMPLE + "enable = { address = 5, off = 1 }",
            "charger.enable.off: 1 is on already",
        ),
        (
            SIMPLE + 'enable = { address = 5, table = "coil", type = "int32" }',
            "charger.enable.type: leave it out, a coil is one bit",
        ),
        (
            SIMPLE + 'enable = { address = 5, table = "coil", on = 6 }',
            "charger.enable.on: a coil is 0 or 1",
        ),
        (
            SIMPLE + "enable = { address = 5, off = 65536 }",
            "charger.enable.off: 65536 does not fit into uint16",
        ),
        (
            SIMPLE + "enable = { address = 5, on = -1 }",
            "charger.enable.on: -1 does not fit into uint16",
        ),
        (
            SIMPLE + "output = { address = 5, on = [] }",
            "charger.output.on: expected at least one value",
        ),
        (
            SIMPLE + "current = { address = 5, scale = 0.0001 }",
            "charger.limit_amps: 16 A does not fit into holding 5",
        ),
        (
            SIMPLE + "current = { address = 5, scale = 20 }",
            "charger.limit_amps: 16 A is 0 in holding 5, which is off",
        ),
        (
            SIMPLE + STATE.replace("[3] }", '[3], faults = { a = "b" } }'),
            "charger.state.faults: expected numbers for keys",
        ),
        (
            SIMPLE + STATE.replace("[3]", "[2, 3]"),
            "charger.state: 2 stands for two states",
        ),
    ],
)
def test_mistakes(text: str, mistake: str) -> None:
    """Each is told at its key, however deep, with its remedy."""
    config, (found, *more) = read(text)
    assert config is None
    assert more == []
    assert found.startswith(mistake)


def test_mistakes_inside_and_outside_are_all_told() -> None:
    """One run of check-config shows everything."""
    _, found = read('port = 5\ncurrent = { address = -1, scale = 0 }\nparity = "x"')
    assert [line.split(" ")[0].rstrip(":") for line in found] == [
        "charger.port",
        "charger.parity",
        "charger.current.address",
        "charger.current.scale",
    ]


def test_a_meter() -> None:
    """The meter's table: a known one, and a register of one's own."""
    config, mistakes = read('port = "/dev/x"\ndevice_id = 2', ModbusMeter.Config)
    assert mistakes == []
    assert (config.register.address, config.device_id) == (0x156, 2)
    config, mistakes = read(
        'port = "x"\nprofile = "own"\npoll_every = "2s"\n'
        'energy = { address = 4, table = "input", type = "int64", unit = "kWh" }',
        ModbusMeter.Config,
    )
    assert mistakes == []
    assert config.register.type is ValueType.INT64
    assert config.register.unit is EnergyUnit.KWH
    assert config.poll_every == timedelta(seconds=2)
    _, mistakes = read('port = "x"\nprofile = "own"', ModbusMeter.Config)
    assert mistakes == [
        'charger.energy: missing; expected a table, or another "profile"'
    ]

"""Lights of modules: known commands, byte by byte."""

from __future__ import annotations

import pytest

from drivers.gpio import OutputLine
from drivers.readers.formats.pn532_panel import Pn532Panel
from drivers.readers.formats.sl032_panel import Sl032Panel
from drivers.readers.formats.twn4_panel import BOARD, Twn4Panel

RED, GREEN, NONE = frozenset({"red"}), frozenset({"green"}), frozenset[str]()


def pins(**lines: str) -> dict[str, OutputLine]:
    """Wire outputs; a line with a minus before it is active low."""
    return {
        name: OutputLine(line=line.removeprefix("-"), active_low=line.startswith("-"))
        for name, line in lines.items()
    }


def hexed(commands: list[bytes]) -> list[str]:
    """Write commands in hex."""
    return [command.hex().upper() for command in commands]


def test_known_commands_of_a_twn4() -> None:
    """GPIO 0 to 2 of the board; off before on, and nothing for what stays."""
    panel = Twn4Panel(BOARD)
    assert panel.outputs == {"red", "green", "yellow"}
    assert hexed(panel.set_up()) == ["0400070000"]
    assert hexed(panel.switch(RED, None)) == ["040306", "040201"]
    assert hexed(panel.switch(NONE, None)) == ["040307"]
    assert hexed(panel.switch(GREEN, RED)) == ["040301", "040202"]
    assert hexed(panel.switch(GREEN | RED, RED)) == ["040202"]
    assert panel.switch(RED, RED) == []


def test_known_beeps_of_a_twn4() -> None:
    """Volume, 2400 Hz, 200 ms on and no pause; silent if it is to be, or has a line."""
    assert hexed([Twn4Panel(BOARD).beep(0.2) or b""]) == ["0407646009C8000000"]
    quiet = Twn4Panel({}, volume=30, frequency=500).beep(0.06)
    assert hexed([quiet or b""]) == ["04071EF4013C000000"]
    assert Twn4Panel(BOARD, volume=0).beep(0.2) is None
    assert Twn4Panel(pins(buzzer="GPIO7")).beep(0.2) is None


def test_a_twn4_that_is_wired_otherwise() -> None:
    """What is active low is off when its bit is set."""
    panel = Twn4Panel(pins(red="-GPIO7", green="GPIO3", buzzer="-GPIO4"))
    assert hexed(panel.set_up()) == ["0400980000"]
    assert hexed(panel.switch(NONE, None)) == ["040308", "040290"]
    assert hexed(panel.switch(RED | {"buzzer"}, NONE)) == ["040390"]
    assert hexed(panel.switch(GREEN, RED)) == ["040288"]
    assert Twn4Panel({}).set_up() == []
    assert Twn4Panel({}).switch(NONE, None) == []


def test_known_commands_of_a_pn532() -> None:
    """Only ports that are used are written, and what is no pin of ours stays 1."""
    panel = Pn532Panel(pins(red="-P72", green="P30"))
    assert panel.set_up() == []
    assert panel.beep(1) is None
    assert hexed(panel.switch(NONE, None)) == ["0EBE86"]
    assert hexed(panel.switch(RED, NONE)) == ["0EBE82"]
    assert hexed(panel.switch(RED | GREEN, RED)) == ["0EBF82"]
    assert panel.switch(RED, RED) == []
    assert hexed(Pn532Panel(pins(red="P71")).switch(NONE, None)) == ["0E0084"]
    assert hexed(Pn532Panel(pins(red="-P35")).switch(RED, None)) == ["0E9F00"]


@pytest.mark.parametrize("on", [NONE, frozenset({"red", "green", "blue", "yellow"})])
def test_reserved_pins_of_a_pn532_stay_one(on: frozenset[str]) -> None:
    """P32 and P34, whatever hangs on their neighbours."""
    for low in ("", "-"):
        wiring = pins(
            red=f"{low}P30", green=f"{low}P31", blue=f"{low}P33", yellow=f"{low}P35"
        )
        ((command, p3, p7),) = Pn532Panel(wiring).switch(on, None)
        assert (command, p7) == (0x0E, 0)
        assert p3 & 0x94 == 0x94
        assert p3 & 0x2B in (0, 0x2B)


def test_known_commands_of_an_sl032() -> None:
    """Manage Red LED: 1 is on, 0 is off."""
    panel = Sl032Panel()
    assert panel.outputs == {"red"}
    assert hexed(panel.switch(RED, None)) == ["4001"]
    assert hexed(panel.switch(NONE, RED)) == ["4000"]
    assert panel.switch(NONE, NONE) == []

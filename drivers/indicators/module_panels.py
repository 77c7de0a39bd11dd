"""Which serial readers have lights of their own, and what may hang where."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.indicators.base import Misfit
from drivers.indicators.patterns import find_unshown
from drivers.indicators.wiring import BUZZER, OUTPUTS, WiredPatterns
from drivers.readers.formats import pn532_panel, twn4_panel
from drivers.readers.formats.pn532_panel import Pn532Panel
from drivers.readers.formats.sl032_panel import Sl032Panel
from drivers.readers.formats.twn4_panel import Twn4Panel
from drivers.readers.serial_config import Format, SerialReaderConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drivers.gpio import OutputLine
    from drivers.readers.formats.panel import Panel

_BEEPER_KEYS: Final = ("volume", "frequency")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleIndicatorConfig(WiredPatterns):
    """The lines of the module on which something hangs, and its beeper's settings.

    Left out altogether, the lines are those of the maker's own board, if it has one.
    `volume` in percent, 0 for silence, and `frequency` in Hz are the beeper's.
    """

    volume: (
        Annotated[int, Meta(ge=0, le=100, description="a percentage, 0 for silence")]
        | None
    ) = None
    frequency: (
        Annotated[int, Meta(ge=500, le=10_000, description="500 to 10000 Hz")] | None
    ) = None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a format's modules have.

    `lines`: the names of those that may be used, `board`: what hangs on them unless
    the configuration says otherwise, `has_beeper`: whether there is something to set.
    """

    lines: tuple[str, ...] = ()
    board: Mapping[str, OutputLine] = field(default_factory=dict)
    has_beeper: bool = False


_TWN4: Final = Kind(twn4_panel.LINES, twn4_panel.BOARD, has_beeper=True)
KINDS: Final = {
    Format.TWN4: _TWN4,
    Format.TWN4_ASCII: _TWN4,
    Format.SL032: Kind(),
    Format.PN532: Kind(pn532_panel.LINES),
}


def make_panel(config: ModuleIndicatorConfig, reader: Format) -> Panel:
    """Make the panel of a module; the configuration has no misfits."""
    wiring = config.lines() or KINDS[reader].board
    match reader:
        case Format.SL032:
            return Sl032Panel()
        case Format.PN532:
            return Pn532Panel(wiring)
        case _:
            volume, frequency = config.volume, config.frequency
            return Twn4Panel(
                wiring,
                twn4_panel.VOLUME_PERCENT if volume is None else volume,
                twn4_panel.FREQUENCY_HZ if frequency is None else frequency,
            )


def find_misfits(config: ModuleIndicatorConfig, reader: object) -> Iterator[Misfit]:
    """Say what does not go with a reader of this configuration."""
    formats = ", ".join(KINDS)
    if not isinstance(reader, SerialReaderConfig):
        need = f'needs a reader with driver = "serial" and one of the formats {formats}'
        yield Misfit("driver", f"{need}; for this one take another indicator")
        return
    kind = KINDS.get(reader.format)
    if kind is None:
        yield Misfit(
            "driver",
            f"a reader of format {reader.format} only talks, and switches no lights; "
            f"those that do are {formats}: for this one take another indicator",
        )
        return
    lines = config.lines()
    if not kind.lines:
        red = f"{reader.format} has its red LED, which needs no line; leave this out"
        yield from (Misfit(name, red) for name in lines)
        yield from find_unshown(config, has_lamps=True, has_buzzer=False)
    elif not lines and not kind.board:
        example = f'{{ line = "{kind.lines[-1]}", active_low = true }}'
        some = f"needs one of {', '.join(OUTPUTS)}, on a pin: red = {example}"
        yield Misfit("driver", f"{some}; pins are {', '.join(kind.lines)}")
    else:
        yield from _find_wrong_lines(lines, kind)
        yield from find_unshown(
            config,
            has_lamps=lines.keys() != {BUZZER},
            has_buzzer=kind.has_beeper or BUZZER in lines,
        )
    if not kind.has_beeper or BUZZER in lines:
        for key in _BEEPER_KEYS:
            if getattr(config, key) is not None:
                beeper = "is of a TWN4's beeper, which is not used here; leave it out"
                yield Misfit(key, beeper)


def _find_wrong_lines(lines: Mapping[str, OutputLine], kind: Kind) -> Iterator[Misfit]:
    users = defaultdict[str, list[str]](list)
    for name, line in lines.items():
        if line.line not in kind.lines:
            expected = f"expected one of {', '.join(kind.lines)}, got {line.line!r}"
            yield Misfit(name, f"line: {expected}")
            continue
        users[str(line.line)].append(name)
    for used, names in users.items():
        for name in names[1:]:
            yield Misfit(name, f"line: {used} is that of {names[0]} already")

"""What the readers show: a verdict for a moment, and else how things are.

The rules only say what was just decided. What follows from the state is worked out
here, once, at the end of every step.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.domain.messages import Show
from agent.domain.outcomes import Signal
from agent.domain.station import Flash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.domain.station import Evse
    from agent.domain.turn import Turn

#: How long a verdict stays before the reader shows how things are.
VERDICT_LASTS = timedelta(seconds=2)
#: How long a decision may take before the driver is told that it takes time.
PATIENCE = timedelta(milliseconds=150)


def read(turn: Turn, reader: str) -> None:
    """Show that a card was seen, before anything is known of it."""
    turn.flashes.pop(reader, None)
    _show(turn, reader, Signal.READING)


def verdict(turn: Turn, reader: str, signal: Signal) -> None:
    """Show what was decided; said again even if it is what the last driver was told."""
    turn.flashes[reader] = Flash(signal, turn.now.monotonic + VERDICT_LASTS)
    _show(turn, reader, signal)


def lose_patience(turn: Turn) -> None:
    """Notice whose decision takes so long that its driver should be told."""
    for tap_id, check in turn.checks.items():
        if check.patience is not None and check.patience <= turn.now.monotonic:
            turn.checks[tap_id] = replace(check, patience=None)


def settle(turn: Turn) -> None:
    """Bring every reader's signal in line with the state."""
    for reader, flash in list(turn.flashes.items()):
        if flash.until <= turn.now.monotonic:
            del turn.flashes[reader]
    for reader in turn.settings.readers:
        signal = _signal_of(turn, reader)
        if turn.shown.get(reader) is not signal:
            _show(turn, reader, signal)
    turn.signals_change_at = min(_changes(turn), default=None)


def _changes(turn: Turn) -> Iterator[timedelta]:
    """When plug-ins become too old to invite a card."""
    for reader in turn.settings.readers:
        for evse in turn.evses_of(reader):
            until = turn.attracts_until(evse, reader)
            if until is not None and until > turn.now.monotonic:
                yield until


def _show(turn: Turn, reader: str, signal: Signal) -> None:
    turn.shown[reader] = signal
    turn.do(Show(reader, signal))


def _signal_of(turn: Turn, reader: str) -> Signal:
    """Order by what the driver needs most: an answer, then what a card would do."""
    flash = turn.flashes.get(reader)
    # What was accepted and has failed since is not accepted any more.
    if flash and (flash.signal is not Signal.ACCEPTED or _up(turn, reader)):
        return flash.signal
    checks = [one for one in turn.checks.values() if one.claim.reader == reader]
    if checks:
        patient = all(check.patience is not None for check in checks)
        return Signal.READING if patient else Signal.CHECKING
    return _rest_of(turn, reader)


def _rest_of(turn: Turn, reader: str) -> Signal:
    up = _up(turn, reader)
    if not up:
        return Signal.ERROR
    if any(grant.claim.reader == reader for grant in turn.grants):
        return Signal.ACCEPTED
    if any(evse.session is None and turn.attracts(evse, reader) for evse in up):
        return Signal.LOCKED
    if all(evse.session is not None for evse in up):
        return Signal.CHARGING
    return Signal.READY


def _up(turn: Turn, reader: str) -> list[Evse]:
    """The reader's EVSEs that work."""
    return [
        evse
        for evse in turn.evses_of(reader)
        if evse.reachable and (evse.fault is None or turn.settings.ignore_faults)
    ]

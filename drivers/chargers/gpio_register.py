"""A pulse counter that survives restarts: a small file, written whole or not at all."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from drivers.errors import AccessDeniedError, TransientDeviceError

if TYPE_CHECKING:
    from pathlib import Path

    from drivers.errors import DriverError

_LOGGER = logging.getLogger(__name__)

_WH_PER_KWH: Final = 1000


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds: one object of JSON."""

    pulses: Annotated[int, Meta(ge=0, le=2**53)]
    pulses_per_kwh: Annotated[int, Meta(ge=1)]


class PulseRegister:
    """Counts pulses; load() and save() block, and may run in any one thread.

    Nothing that was saved is lost, and `saved_wh` never falls, also when the meter was
    replaced by one with other pulses.
    """

    def __init__(self, path: Path, pulses_per_kwh: int) -> None:
        self._path = path
        self._pulses_per_kwh = pulses_per_kwh
        self._pulses = 0
        self._saved = 0
        self._is_loaded = False
        # A thread whose caller was cancelled may still be writing.
        self._writing = threading.Lock()

    @property
    def wh(self) -> int:
        """What was counted."""
        return self._to_wh(self._pulses)

    @property
    def saved_wh(self) -> int:
        """What a restart would find."""
        return self._to_wh(self._saved)

    @property
    def is_saved(self) -> bool:
        """Whether a restart would lose nothing."""
        return self._saved == self._pulses

    def count(self, pulses: int) -> None:
        """Add pulses."""
        self._pulses += pulses

    def load(self) -> None:
        """Go on where the file has left off, once; a first one is written."""
        with self._writing:
            if not self._is_loaded:
                self._load()
                self._is_loaded = True

    def save(self) -> None:
        """Write what was counted so far, if there is something new."""
        with self._writing:
            if not self.is_saved:
                self._write(self._pulses)

    def _load(self) -> None:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            kept = Kept(pulses=0, pulses_per_kwh=self._pulses_per_kwh)
            _LOGGER.info("%s: a new register begins at 0", self._path)
        except OSError as err:
            raise self._error("read", err) from err
        except (msgspec.DecodeError, UnicodeDecodeError) as err:
            kept = Kept(pulses=0, pulses_per_kwh=self._pulses_per_kwh)
            self._set_aside(err)
        # Rounded up, because a register that falls looks like one that was reset.
        self._pulses = -(-kept.pulses * self._pulses_per_kwh // kept.pulses_per_kwh)
        self._write(self._pulses)

    def _to_wh(self, pulses: int) -> int:
        return pulses * _WH_PER_KWH // self._pulses_per_kwh

    def _write(self, pulses: int) -> None:
        kept = Kept(pulses=pulses, pulses_per_kwh=self._pulses_per_kwh)
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.encode(kept) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as err:
            raise self._error("write", err) from err
        self._saved = pulses

    def _set_aside(self, why: Exception) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            self._path.replace(aside)
        except OSError as err:
            raise self._error("set aside the damaged", err) from err
        _LOGGER.error(
            "%s: the register is damaged (%s); it was set aside as %s and begins at 0",
            self._path,
            why,
            aside.name,
        )

    def _error(self, what: str, err: OSError) -> DriverError:
        text = f"cannot {what} register {self._path}: {err.strerror or err}"
        if isinstance(err, PermissionError):
            return AccessDeniedError(f"{text}; it belongs to the agent's user")
        return TransientDeviceError(text)

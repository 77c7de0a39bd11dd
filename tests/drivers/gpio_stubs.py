"""gpiod's chips and requests as far as the adapter uses them, without a kernel."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import gpiod
from gpiod.line import Value

from drivers import gpiod_chips

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class StubRequest:
    """A request that remembers what it is told."""

    def __init__(self, offsets: list[int]) -> None:
        self.offsets = offsets
        self.fd = 99
        self.values: dict[int, Value] = {}
        self.events: list[list[Any]] = []
        self.failure: OSError | None = None
        #: Setting does not fail then: most kernels have no way to tell.
        self.fails_in_silence = False
        self.released = False

    def set_value(self, line: int, value: Value) -> None:
        """Set a line."""
        if self.failure is not None:
            if self.fails_in_silence:
                return
            raise self.failure
        self.values[line] = value

    def get_value(self, line: int) -> Value:
        """Get a line."""
        if self.failure is not None:
            raise self.failure
        return self.values.get(line, Value.INACTIVE)

    def wait_edge_events(self, timeout: float) -> bool:
        """Say whether there are events."""
        assert timeout == 0
        if self.failure is not None:
            raise self.failure
        return bool(self.events)

    def read_edge_events(self) -> list[Any]:
        """Read events; without any the real one would wait."""
        assert self.events
        return self.events.pop(0)

    def release(self) -> None:
        """Give the lines back."""
        self.released = True


class StubChip:
    """A chip with three lines, of which the library has never heard."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.failure: OSError | None = None
        #: As for a chip whose interrupts need a thread.
        self.refuses_to_debounce = False
        #: Lets go of what it has just handed out.
        self.breaks_at_once = False
        self.kept: int | None = None
        self.is_gone = False
        self.requested: dict[int, gpiod.LineSettings] = {}
        self.used_by = ""
        self.request = StubRequest([])
        self.is_open = False
        self.closed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the chip."""
        self.is_open = False
        self.closed += 1

    def get_info(self) -> SimpleNamespace:
        """Say who it is."""
        self._check()
        return SimpleNamespace(label=self.label, name="gpiochip7", num_lines=3)

    def line_offset_from_id(self, line: str | int) -> int:
        """Find a line as the library does."""
        self._check()
        if isinstance(line, int):
            if line > 2:
                raise ValueError("line offset of out range")
            return line
        if line not in ("RELAY", "PLUG", "METER"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return ("RELAY", "PLUG", "METER").index(line)

    def get_line_info(self, offset: int) -> SimpleNamespace:
        """Say who uses a line."""
        assert offset <= 2
        return SimpleNamespace(used=bool(self.used_by), consumer=self.used_by)

    def request_lines(
        self,
        config: dict[int, gpiod.LineSettings],
        consumer: str,
        event_buffer_size: int | None,
    ) -> StubRequest:
        """Hand lines out."""
        if self.failure is not None:
            raise self.failure
        if self.refuses_to_debounce and any(
            settings.debounce_period for settings in config.values()
        ):
            # So does the library with EINVAL.
            raise ValueError(errno.EINVAL, "Invalid argument")
        assert consumer == "rfid-agent"
        self.requested = config
        self.kept = event_buffer_size
        self.request = StubRequest(list(config))
        if self.breaks_at_once:
            self.request.failure = OSError(errno.ENODEV, "No such device")
        return self.request

    def _check(self) -> None:
        if self.is_gone:
            raise OSError(errno.ENODEV, "No such device")


def stub_chips(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, StubChip]:
    """Make a folder of devices with two chips, and the second name of one."""
    found: dict[str, StubChip] = {}
    for name, label in (("gpiochip0", "expander"), ("gpiochip7", "pinctrl")):
        (folder / name).touch()
        found[label] = StubChip(label)
    (folder / "gpiochip4").symlink_to(folder / "gpiochip7")
    by_path = {
        str(folder / "gpiochip0"): found["expander"],
        str(folder / "gpiochip7"): found["pinctrl"],
    }

    def open_chip(path: str) -> StubChip:
        by_path[path].is_open = True
        return by_path[path]

    monkeypatch.setattr(gpiod_chips, "_DEVICES", str(folder))
    monkeypatch.setattr(gpiod, "Chip", open_chip)
    return found

"""The thread that looks for cards, because nfcpy blocks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

from drivers.errors import TransientDeviceError
from drivers.readers.base import ReaderEvent, ReaderUp

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.nfc_field import Field, Sighting

MAX_FAULTS: Final = 3  # In a row; nfcpy itself recovers from one bad frame
FAULT_PAUSE_S: Final = 0.05

Report = ReaderEvent | Exception | None


class Adapter(Protocol):
    """An open adapter, as nfc_frontend has it."""

    name: str

    def look(self) -> Sighting | None:
        """Look once; a DriverError if it fails."""

    def close(self) -> None:
        """Let it go; never fails."""


class Worker:
    """Opens an adapter, looks every so often until stopped or failed, and closes it.

    `report` hears the events, then the failure if there was one, then None; it is
    called in the thread. `field` belongs to the thread while it runs.
    """

    def __init__(
        self,
        open_adapter: Callable[[], Adapter],
        field: Field,
        report: Callable[[Report], None],
        every_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        #: Whether a look has succeeded.
        self.worked = False
        #: Whether the thread may still touch the adapter.
        self.runs = False
        self._open_adapter = open_adapter
        self._field = field
        self._report = report
        self._every_s = every_s
        self._monotonic = monotonic
        self._busy_since: float | None = monotonic()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread; TransientDeviceError if the machine has none left."""
        self.runs = True
        try:
            threading.Thread(target=self._run, name="nfc-reader", daemon=True).start()
        except RuntimeError as err:
            self.runs = False
            raise TransientDeviceError(
                f"cannot start the reader's thread: {err}"
            ) from err

    def stop(self) -> None:
        """Make the thread end after the call that it is in; return at once."""
        self._stopping.set()

    def alive_at(self) -> float:
        """Monotonic seconds of the last proof of life."""
        busy_since = self._busy_since
        return self._monotonic() if busy_since is None else busy_since

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as err:  # noqa: BLE001 - raised again by events()
            self._report(err)
        finally:
            self.runs = False
            self._report(None)

    def _serve(self) -> None:
        adapter = self._open_adapter()
        try:
            if self._stopping.is_set():
                return
            self._field.connected(self._monotonic())
            self._report(ReaderUp(adapter.name))
            while not self._stopping.is_set():
                self._look(adapter)
                self._rest(self._every_s)
        finally:
            self._busy_since = self._monotonic()
            adapter.close()

    def _look(self, adapter: Adapter) -> None:
        at = self._busy_since = self._monotonic()
        sighting = self._try_to_look(adapter)
        # Whoever was given up while he looked has nothing to say any more.
        if self._stopping.is_set():
            return
        self.worked = True
        for event in self._field.looked(sighting, at):
            self._report(event)

    def _try_to_look(self, adapter: Adapter) -> Sighting | None:
        for _ in range(MAX_FAULTS - 1):
            try:
                return adapter.look()
            except TransientDeviceError:
                self._rest(FAULT_PAUSE_S)
                self._busy_since = self._monotonic()
        return adapter.look()

    def _rest(self, for_s: float) -> None:
        self._busy_since = None
        self._stopping.wait(for_s)

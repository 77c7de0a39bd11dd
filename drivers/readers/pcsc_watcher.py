"""The thread that waits for readers and cards to come and go.

It waits on pcscd itself instead of using pyscard's CardMonitor, whose thread ends
without a word when pcscd restarts.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.errors import AccessDeniedError
from drivers.readers.pcsc_codes import Code, ScardError, explain
from drivers.readers.pcsc_states import Edge, count_of, edges, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drivers.readers.pcsc_scard import Context, Scard

# A pseudo reader: it changes when readers come or go, and keeps the list non-empty.
PNP: Final = r"\\?PnP?\Notification"

WAIT_S: Final = 5.0  # The longest time between two heartbeats
RETRY_S: Final = 0.5  # Between two tries to reach pcscd
RELIST_S: Final = 0.1  # After a reader vanished between listing and waiting
CANCEL_S: Final = 0.02  # A cancel that comes before the wait is lost: repeat it


@dataclass(frozen=True, slots=True)
class Readers:
    """pcscd is there, with these readers."""

    attached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceDown:
    """pcscd cannot be reached; all that was known of its readers is void."""

    reason: str


@dataclass(frozen=True, slots=True)
class Edges:
    """What happened at one reader, in order, up to this count of pcscd."""

    reader: str
    edges: tuple[Edge, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The watcher gave up."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Ended:
    """The last report."""


Report = Readers | ServiceDown | Edges | Failed | Ended


class Watcher:
    """Reports the readers, and the edges at those that match; `report` is thread-safe.

    Readers and ServiceDown are reported when they differ from the last one.
    `heartbeat` is renewed at least every WAIT_S, in monotonic seconds.
    """

    def __init__(
        self,
        scard: Scard,
        matches: Callable[[str], bool],
        report: Callable[[Report], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.heartbeat = monotonic()
        self._scard = scard
        self._matches = matches
        self._report = report
        self._monotonic = monotonic
        self._standing: Report | None = None
        self._refused = False
        self._context: Context | None = None
        self._owning = threading.Lock()  # A context must not go during a cancel
        self._stopping = threading.Event()
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="pcsc-watcher", daemon=True).start()

    def stop(self) -> None:
        """Make the thread end soon, told by Ended; return at once."""
        self._stopping.set()
        # Cancelling asks pcscd, which may hang; so not in the caller's thread.
        threading.Thread(target=self._cancel, name="pcsc-cancel", daemon=True).start()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._serve()
        except Exception as err:  # noqa: BLE001 - raised again by events()
            self._report(Failed(err))
        finally:
            self._ended.set()
            self._report(Ended())

    def _cancel(self) -> None:
        while not self._ended.wait(CANCEL_S):
            with self._owning:
                if self._context is not None:
                    self._scard.cancel(self._context)

    def _serve(self) -> None:
        """Watch for as long as one context lives."""
        self._beat()
        try:
            with self._own_context() as context:
                self._refused = False
                self._watch(context)
        except AccessDeniedError:
            # A pcscd that is about to stop refuses, too; a rule refuses twice.
            if self._refused:
                raise
            self._refused = True
            self._stopping.wait(RETRY_S)
        except ScardError as err:
            self._refused = False
            if not self._stopping.is_set():
                self._stand(ServiceDown(explain(err.code)))
                self._stopping.wait(RETRY_S)

    def _watch(self, context: Context) -> None:
        known: dict[str, int] = {}
        while not self._stopping.is_set():
            self._beat()
            attached = self._scard.list_readers(context)
            self._stand(Readers(tuple(attached)))
            known = {
                name: word
                for name, word in known.items()
                if name == PNP or name in attached
            }
            names = [*filter(self._matches, attached), PNP]
            try:
                states = self._scard.wait(
                    context, WAIT_S, [(name, known.get(name, 0)) for name in names]
                )
            except ScardError as err:
                if err.code != Code.SCARD_E_UNKNOWN_READER:
                    raise
                self._stopping.wait(RELIST_S)
                continue
            for name, state in states.items():
                if name != PNP and (news := edges(known.get(name), state)):
                    self._report(Edges(name, news, count_of(state)))
                known[name] = settled(state)
            if not all(known.get(name) for name in names if name != PNP):
                # pcscd has not looked at a reader yet, and answers a word of 0 at once.
                self._stopping.wait(RELIST_S)

    @contextmanager
    def _own_context(self) -> Iterator[Context]:
        context = self._scard.establish()
        with self._owning:
            self._context = context
        try:
            yield context
        finally:
            with self._owning:
                self._context = None
                self._scard.release(context)

    def _beat(self) -> None:
        self.heartbeat = self._monotonic()

    def _stand(self, report: Readers | ServiceDown) -> None:
        if report != self._standing:
            self._standing = report
            self._report(report)

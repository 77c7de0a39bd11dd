"""Named points around everything durable, and around every act on the outside world.

Installed in a daemon under test before it runs. Each passage is told in a line of its
output, before and after the thing is done; in one of them the process can be made to
kill itself, which no handler and no `finally` sees.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import threading
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.ocpi.connection import OcpiConnection
from agent.ocpi.transport import OcpiClient
from agent.store.journal import Journal
from agent.store.outbox import Outbox
from agent.store.staging import Staging
from agent.store.whitelist import Whitelist
from drivers.chargers.simulated import SimulatedCharger
from tests.torture.orders import DIES, PASSES, Passage, Run, to_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from agent.domain.reports import Report
    from agent.ocpi.transport import Call

_STDERR: Final = 2
_FILE_OPERATIONS: Final = (
    "fsync",
    "link",
    "mkdir",
    "mkfifo",
    "rename",
    "replace",
    "symlink",
    "unlink",
)
_WRITES: Final = ("CREATE", "DELETE", "DROP", "INSERT", "REPLACE", "UPDATE")
_DURABLE_PRAGMAS: Final = ("journal_mode", "wal_checkpoint")
_NUMBERS: Final = re.compile(r"(?<=[-.])([0-9]+|[0-9a-f]{16})(?=\.)")


class Points:
    """Counts passages, tells them, and dies in the one that was ordered."""

    def __init__(self, kill_at: Passage | None) -> None:
        self._kill_at = kill_at
        self._counts: dict[str, int] = {}
        self._counting = threading.Lock()

    def reach(self, point: str) -> None:
        """Pass a point, or do not."""
        with self._counting:
            number = self._counts[point] = self._counts.get(point, 0) + 1
        passage = Passage(point, number)
        dies = passage == self._kill_at
        line = to_line(DIES if dies else PASSES, passage)
        os.write(_STDERR, f"{line}\n".encode())
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """Pass the point before something, and the one after it if it was done."""
        self.reach(f"before {what}")
        yield
        self.reach(f"after {what}")


class _Doing(threading.local):
    """What the method is about that this thread is in, for the names of points."""

    what: str = ""


_doing: Final = _Doing()


def install(order: Run) -> None:
    """Add the points to this process, for good."""
    points = Points(order.kill_at)
    _watch_sql(points)
    _watch_files(points, order.directories)
    _watch_chargers(points)
    _watch_deliveries(points)


# ---- databases ------------------------------------------------------------------


def _watch_sql(points: Points) -> None:
    """Put points around every statement that commits."""

    class Connection(sqlite3.Connection):
        def __init__(self, database: str, *args: Any, **options: Any) -> None:  # noqa: ANN401 - sqlite3's own
            super().__init__(database, *args, **options)
            self._file = _name_of(database.removeprefix("file://").partition("?")[0])

        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's own
            if (verb := _durable_verb(sql, in_transaction=self.in_transaction)) is None:
                return super().execute(sql, *args)
            with points.around(f"{verb} in {self._file}{_doing.what}"):
                return super().execute(sql, *args)

    sqlite3.connect = partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment] # takes what it took
    _name(Journal, "record", _name_records)
    _name(Outbox, "delivered", lambda report, *_: f"delivered {report.session.status}")
    _name(Outbox, "postponed", lambda *_: "postponed")
    _name(Staging, "append", lambda *_, **__: "a page")
    _name(Whitelist, "swap", lambda *_: "swap")
    _name(Whitelist, "upsert", lambda *_: "upsert")
    _name(Whitelist, "finish_incremental", lambda *_: "cursor")


def _durable_verb(sql: str, *, in_transaction: bool) -> str | None:
    """Return what a statement is called if its end is a durable step, else None."""
    words = sql.replace("(", " ").split()
    verb = words[0].upper().rstrip(";")
    if verb == "COMMIT":
        return verb
    if verb == "PRAGMA" and words[1] in _DURABLE_PRAGMAS:
        return words[1]
    if verb in _WRITES and not in_transaction:
        return " ".join(words[:2])
    return None


def _name_records(records: list[tuple[Any, str]]) -> str:
    return "+".join(record.change.value for record, _ in records)


def _name(owner: type, method: str, describe: Callable[..., str]) -> None:
    """Let the commits inside a method be called after what it does."""
    original = getattr(owner, method)

    @wraps(original)
    def named(self: object, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it returns
        before = _doing.what
        _doing.what = f" ({describe(*args, **kwargs)})"
        try:
            return original(self, *args, **kwargs)
        finally:
            _doing.what = before

    setattr(owner, method, named)


# ---- files ----------------------------------------------------------------------


def _watch_files(points: Points, directories: Sequence[str]) -> None:
    """Put points around what happens to files in these directories."""
    for name in _FILE_OPERATIONS:
        setattr(os, name, _watched(points, directories, getattr(os, name)))


def _watched(
    points: Points, directories: Sequence[str], operation: Callable[..., Any]
) -> Callable[..., Any]:
    @wraps(operation)
    def watched(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever it returns
        path = _path_of(operation.__name__, args)
        if not any(path.is_relative_to(directory) for directory in directories):
            return operation(*args, **options)
        with points.around(f"{operation.__name__} {_name_of(path)}"):
            return operation(*args, **options)

    return watched


def _path_of(operation: str, args: tuple[Any, ...]) -> Path:
    if operation == "fsync":
        return Path(f"/proc/self/fd/{args[0]}").readlink()
    # A link is called after itself, not after what it leads to.
    return Path(args[1] if operation == "symlink" else args[0])


def _name_of(path: Path | str) -> str:
    """Name a file without what is different in every run."""
    return _NUMBERS.sub("N", Path(path).name)


# ---- the outside world ----------------------------------------------------------


def _watch_chargers(points: Points) -> None:
    """Put points around the moments in which energy is switched."""
    for name in ("enable", "disable"):
        _surround(SimulatedCharger, name, _around_call(points, f"charger {name}"))


def _watch_deliveries(points: Points) -> None:
    """Put points around a delivery, and where the server has processed it."""

    def deliver(report: Report) -> AbstractContextManager[None]:
        return points.around(f"deliver {report.session.status}")

    @contextmanager
    def send(call: Call, *_: object) -> Iterator[None]:
        yield
        if call.method == "PUT":
            points.reach("after the server processed PUT")

    _surround(OcpiConnection, "deliver", deliver)
    _surround(OcpiClient, "send", send)


def _around_call(
    points: Points, what: str
) -> Callable[..., AbstractContextManager[None]]:
    return lambda *_args, **_kwargs: points.around(what)


def _surround(
    owner: type, method: str, context: Callable[..., AbstractContextManager[None]]
) -> None:
    """Run a coroutine method inside a context that is made from its arguments."""
    original = getattr(owner, method)

    @wraps(original)
    async def surrounded(self: object, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it returns
        with context(*args, **kwargs):
            return await original(self, *args, **kwargs)

    setattr(owner, method, surrounded)

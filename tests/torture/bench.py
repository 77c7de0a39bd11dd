"""Where stations are tortured: a zygote, a backend, directories that come and go."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.torture.backend import Backend
from tests.torture.daemons import Zygote
from tests.torture.station import Station

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from tests.torture.backend import JsonObject

# In memory: a killed process leaves the same files behind on any file system.
_FAST: Final = Path("/dev/shm")


@contextmanager
def fast_directory() -> Iterator[Path]:
    """Make a directory with a short path, and remove it."""
    parent = _FAST if os.access(_FAST, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="torture-", dir=parent) as directory:
        yield Path(directory)


class Bench:
    """Makes stations, one after the other; a context manager, used by one thread.

    The backend lists these tokens.
    """

    def __init__(self, tokens: Sequence[JsonObject]) -> None:
        self.backend = Backend(*tokens)
        self.zygote = Zygote()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.backend)
            stack.enter_context(self.zygote)
            self._prepared_in = stack.enter_context(fast_directory())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @contextmanager
    def station(
        self,
        *,
        is_fresh: bool = False,
        state: Path | None = None,
        readers: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[Station]:
        """Set a station up; unless it is fresh, it has run before and has a whitelist.

        The backend forgets what it was told before. Leaving the context kills the
        daemon.
        """
        self.backend.forget()
        with fast_directory() as directory:
            station = Station(
                self.zygote, self.backend, directory, state=state, readers=readers
            )
            station.state.mkdir(mode=0o700, exist_ok=True)
            if not is_fresh:
                _copy_files(self._prepare(), station.state)
            try:
                yield station
            finally:
                station.kill()

    def _prepare(self) -> Path:
        """Run a fresh station once until it has a whitelist; return its state."""
        prepared = self._prepared_in / "state"
        if not prepared.exists():
            station = Station(self.zygote, self.backend, self._prepared_in)
            try:
                station.start()
                station.wait_for_whitelist()
                station.terminate()
            finally:
                station.kill()
        return prepared


def _copy_files(source: Path, target: Path) -> None:
    """Copy files and links; named pipes are made by whoever needs them."""
    for path in source.iterdir():
        if path.is_symlink() or path.is_file():
            shutil.copy(path, target / path.name, follow_symlinks=False)

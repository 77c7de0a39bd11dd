"""Where the tokens of upstreams are kept, and whether they can be used from there."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

from agent.config.reading import Mistakes, Place, read_struct
from agent.config.schema import TokenSource
from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class SecretFinder:
    """Finds token files and systemd credentials; notes what it may not look at."""

    def __init__(self, mistakes: Mistakes, credentials_dir: Path | None) -> None:
        self._mistakes = mistakes
        self._credentials_dir = credentials_dir
        self.notes: list[str] = []

    def find(self, place: Place, table: dict[str, Any]) -> TokenSource | None:
        """Read `{ file = … }` or `{ credential = … }`; None if it is of no use."""
        source = read_struct(
            TokenSource,
            table,
            place._replace(key="token"),
            self._mistakes,
            base_dir=self._mistakes.path.absolute().parent,
        )
        if source is None:
            return None
        if (source.file is None) == (source.credential is None):
            expected = 'expected { file = "…" } or { credential = "…" }'
            self._mistakes.add(place, "token", expected)
            return None
        if source.credential is not None:
            if self._credentials_dir is None:
                self.notes.append(
                    f"{place} token: credential {source.credential!r} is handed over "
                    "by systemd and was not looked at"
                )
                return source
            source = TokenSource(file=self._credentials_dir / source.credential)
        problem = _find_problem(source)
        if problem is not None:
            self._mistakes.add(place, "token", problem)
            return None
        return source


def _find_problem(source: TokenSource) -> str | None:
    """Say what keeps a token file from being used safely."""
    path = source.file
    if path is None:
        return "no file"
    try:
        mode = path.stat().st_mode
        source.read()
    except OSError as err:
        return (
            f"{path}: {err.strerror}; put the token there, or add LoadCredential= "
            "to the service"
        )
    except ConfigError as err:
        return str(err)
    if mode & stat.S_IRWXO:
        return f"{path} is open to everybody; run: chmod o= {path}"
    return None

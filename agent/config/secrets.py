"""Where the secrets of upstreams are kept, and whether they can be used from there."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

from agent.config.reading import Mistakes, Place, read_struct
from agent.config.upstream import SecretSource
from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_MISSING = (
    "the service was not given the credential {0!r}: put it into "
    "/etc/credstore/rfid-agent.{0}, add LoadCredential={0}:rfid-agent.{0} to the "
    "service if it has no such line (systemctl edit rfid-agent), and restart it"
)


class SecretFinder:
    """Finds token files and systemd credentials; notes what it may not look at."""

    def __init__(self, mistakes: Mistakes, credentials_dir: Path | None) -> None:
        self._mistakes = mistakes
        self._credentials_dir = credentials_dir
        self.notes: list[str] = []

    def find(
        self, place: Place, key: str, table: dict[str, Any]
    ) -> SecretSource | None:
        """Read `{ file = … }` or `{ credential = … }`; None if it is of no use."""
        source = read_struct(
            SecretSource,
            table,
            place._replace(key=key),
            self._mistakes,
            base_dir=self._mistakes.path.absolute().parent,
        )
        if source is None:
            return None
        if (source.file is None) == (source.credential is None):
            expected = 'expected { file = "…" } or { credential = "…" }'
            self._mistakes.add(place, key, expected)
            return None
        if source.credential is not None:
            if self._credentials_dir is None:
                self.notes.append(
                    f"{place} {key}: credential {source.credential!r} is handed over "
                    "by systemd and was not looked at"
                )
                return source
            path = self._credentials_dir / source.credential
            if not path.exists():
                self._mistakes.add(place, key, _MISSING.format(source.credential))
                return None
            source = SecretSource(file=path)
        problem = _find_problem(source, is_text=key != "client_key")
        if problem is not None:
            self._mistakes.add(place, key, problem)
            return None
        return source


def _find_problem(source: SecretSource, *, is_text: bool) -> str | None:
    """Say what keeps a secret's file from being used safely."""
    path = source.file
    if path is None:
        return "no file"
    try:
        mode = path.stat().st_mode
        if is_text:
            source.read()
        else:
            path.open("rb").close()
    except OSError as err:
        return f"{path}: {err.strerror}; put the secret there"
    except ConfigError as err:
        return str(err)
    if mode & stat.S_IRWXO:
        return f"{path} is open to everybody; run: chmod o= {path}"
    return None

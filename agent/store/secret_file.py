"""A small file that is replaced as a whole, and that only its owner may read."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors import ConfigError, StoreFailedError
from agent.store.database import sync_directory

if TYPE_CHECKING:
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)


class SecretFile:
    """Holds the old content or the new one, whenever the power goes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """Return what it holds, None if there is none; ConfigError if it is shut.

        One that others may read, as after a careless restore, is shut to them first.
        """
        try:
            with self._path.open("rb") as file:
                self._close_to_others(file.fileno())
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as err:
            raise ConfigError(
                f"{self._path}: {err.strerror}; it has to belong to the agent's user"
            ) from err

    def write(self, data: bytes) -> None:
        """Replace what it holds, durably; raise StoreFailedError if that fails."""
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            draft.unlink(missing_ok=True)
            flags = os.O_CREAT | os.O_WRONLY | os.O_EXCL
            with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                self._give_to_owner(file.fileno())
            draft.rename(self._path)
            sync_directory(self._path.parent)
        except OSError as err:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StoreFailedError(f"{self._path}: {err.strerror}") from err

    def _close_to_others(self, descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        if not mode & (stat.S_IRWXG | stat.S_IRWXO):
            return
        _LOGGER.warning(
            "%s was open to others, who may have read the tokens in it", self._path
        )
        with suppress(OSError):
            os.fchmod(descriptor, 0o600)

    def _give_to_owner(self, descriptor: int) -> None:
        """Let the folder's owner have it, if root only runs a command here."""
        if os.geteuid() == 0:
            owner = self._path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

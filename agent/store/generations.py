"""The whitelist's files: one in force, named by a link that moves in one step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agent.store import database

if TYPE_CHECKING:
    from pathlib import Path


class Generations:
    """The numbered lists of a directory, and the link to the one in force."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._directory = link.parent

    @property
    def file(self) -> Path:
        """The file in force."""
        return self.link.resolve()

    def ensure_one(self) -> None:
        """Let the link lead to a file, which need not be there, if it leads nowhere."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self.link.exists():
            self.begin()

    def begin(self) -> None:
        """Let the link lead to a file that is not there yet."""
        self._point_to(self._successor())

    def put_in_force(self, path: Path) -> None:
        """Let a finished file take over, in one atomic step."""
        successor = self._successor()
        path.rename(successor)
        # The link must not be durable before the name that it leads to.
        database.sync_directory(self._directory)
        self._point_to(successor)

    def set_aside(self) -> None:
        """Keep the damaged file in force under another name; the link leads nowhere."""
        database.set_aside(self.file)
        self.link.unlink(missing_ok=True)

    def remove_orphans(self) -> None:
        """Delete lists that a finished or an interrupted swap has left behind."""
        current = self.file.name
        for path in self._directory.glob("whitelist-[0-9]*.db*"):
            if not path.name.startswith(current) and ".damaged-" not in path.name:
                path.unlink(missing_ok=True)

    def _successor(self) -> Path:
        numbers = [
            int(number)
            for path in self._directory.glob("whitelist-*.db*")
            if (number := path.name.split("-")[1].split(".")[0]).isdigit()
        ]
        return self._directory / f"whitelist-{max(numbers, default=0) + 1}.db"

    def _point_to(self, target: Path) -> None:
        link = self.link.with_name(f"{self.link.name}.new")
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        os.replace(link, self.link)  # noqa: PTH105 - the one atomic step deserves its name
        database.sync_directory(self._directory)

"""A disk that forgets, as tests use it: mounted, stopped, cut, mounted again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

from tests.interop.environment import PROJECT_ROOT

if TYPE_CHECKING:
    from types import TracebackType

    from tests.torture.lossy_disk import Names


_CAP_SYS_ADMIN: Final = 21


def why_unavailable() -> str | None:
    """Say what is missing for a mount, None if nothing is."""
    if find_library("fuse3") is None:
        return "libfuse3 is not installed (Debian: libfuse3-3)"
    status = Path("/proc/self/status").read_text(encoding="ascii")
    rights = int(status.partition("CapEff:")[2].split()[0], 16)
    if not rights >> _CAP_SYS_ADMIN & 1:
        return "this process may not mount (CAP_SYS_ADMIN)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as err:
        return f"/dev/fuse: {err.strerror}"
    return None


class LossyMount:
    """A mounted disk, in a process of its own; a context manager.

    A step is a change of the disk, or a sync. They are counted from each cut on.
    """

    def __init__(self, rule: Names, *, honest: bool = True) -> None:
        self._home = TemporaryDirectory(prefix="lossy-")
        self.directory = Path(self._home.name)
        self._options = [self._home.name, rule.value, *["--dishonest"] * (not honest)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.lossy_server", *self._options],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            with self._process:  # Closes its input, which ends it, and waits.
                pass
        if os.path.ismount(self.directory):
            subprocess.run(["umount", "--lazy", self.directory], check=True)
        self._home.cleanup()

    def stop_at(self, step: int) -> None:
        """Let time stop before this step; whoever wants to make it waits for ever."""
        self._ask("stop_at", step=step)

    def release(self) -> None:
        """Let whoever waits fail, as everybody after it: it has been killed by now."""
        self._ask("release")

    def format(self, rule: Names, *, honest: bool = True) -> None:
        """Mount an empty disk instead of this one."""
        self._ask("format", rule=rule.value, honest=honest)

    def is_frozen(self) -> bool:
        """Whether somebody waits already."""
        return bool(self._ask("status")["frozen"])

    def step(self) -> int:
        """Count the steps so far."""
        return int(self._ask("status")["steps"])

    def steps(self) -> list[str]:
        """Name the steps so far."""
        return list(self._ask("steps")["steps"])

    def remember(self) -> None:
        """Keep the disk as it is before every step from now on, for `cut`."""
        self._ask("remember")

    def cut(self, seed: int | None, *, before: int | None = None) -> None:
        """Cut the power and mount what is left; every program in it has been killed.

        Nothing unsynced is left, or, with a seed, a random part of it. `before` cuts it
        in the past: before a step after `remember`, any number of times.
        """
        self._ask("cut", seed=seed, step=before)

    def _ask(self, command: str, **arguments: object) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command} | arguments) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the file system has ended"
        reply: dict[str, Any] = json.loads(line)
        return reply

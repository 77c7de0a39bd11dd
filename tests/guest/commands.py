"""Programs that set the guest up."""

from __future__ import annotations

import subprocess
from typing import IO, Final

_TIMEOUT_S: Final = 600


class UnavailableError(RuntimeError):
    """The guest cannot be set up; the message says why."""


def run(
    command: list[str], *, cwd: str | None = None, stdout: IO[bytes] | None = None
) -> str:
    """Run a program, and return what it says; UnavailableError if it fails."""
    try:
        done = subprocess.run(
            command,
            check=True,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as err:
        said = err.stderr.decode(errors="replace").strip()
        raise UnavailableError(f"{command[0]}: {said}") from err
    except (OSError, subprocess.TimeoutExpired) as err:
        raise UnavailableError(str(err)) from err
    return (done.stdout or b"").decode()

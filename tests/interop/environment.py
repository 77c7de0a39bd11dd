"""The isolated environment of the independent OCPI server.

The server pins old releases of the libraries the agent uses, so it never shares an
environment with it. `python -m tests.interop.environment` makes it in advance.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
LOCK_FILE: Final = Path(__file__).with_name("extrawest.lock")
CACHE_VARIABLE: Final = "RFID_AGENT_CACHE"
BUILD_TIMEOUT_S: Final = 300
# What the server pins does not run on 3.13; the agent itself starts at 3.11.
OLDEST: Final = (3, 11)
FIRST_TOO_NEW: Final = (3, 13)


class EnvironmentUnavailableError(RuntimeError):
    """The environment cannot be made here; the message says why."""


def ensure_environment() -> Path:
    """Return the environment's Python, making the environment once per lock file.

    Safe to call from several processes at once. Raises EnvironmentUnavailableError.
    """
    home = _home()
    if _is_complete(home):
        return _python(home)
    with _exclusive(home):
        if not _is_complete(home):
            _make(home)
    return _python(home)


def is_ready() -> bool:
    """Tell whether ensure_environment() would return at once."""
    return _is_complete(_home())


def _home() -> Path:
    cache = Path(os.environ.get(CACHE_VARIABLE) or PROJECT_ROOT / ".cache")
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()
    return cache.absolute() / f"extrawest-{digest[:16]}"


def _python(home: Path) -> Path:
    return home / "bin" / "python"


def _is_complete(home: Path) -> bool:
    # The interpreter is a symlink: it dangles once the Python it came from is gone.
    return (home / ".complete").exists() and _python(home).exists()


@contextmanager
def _exclusive(home: Path) -> Iterator[None]:
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        handle = home.with_suffix(".lock").open("w")
    except OSError as err:
        raise EnvironmentUnavailableError(
            f"expected a writable cache directory (set {CACHE_VARIABLE}): {err}"
        ) from err
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(home: Path) -> None:
    """Try every usable interpreter; the first complete environment stays."""
    reasons = []
    for interpreter in _interpreters():
        # A venv cannot be moved, so it is built in place and the marker comes last.
        shutil.rmtree(home, ignore_errors=True)
        try:
            _build(home, interpreter)
        except EnvironmentUnavailableError as err:
            reasons.append(f"{interpreter}: {err}")
            continue
        (home / ".complete").touch()
        return
    shutil.rmtree(home, ignore_errors=True)
    raise EnvironmentUnavailableError(
        "; ".join(reasons)
        or "expected Python 3.11 or 3.12 with venv on PATH, found neither"
    )


def _build(home: Path, interpreter: str) -> None:
    _run([interpreter, "-m", "venv", str(home)])
    python = str(_python(home))
    install = "install --quiet --no-input --disable-pip-version-check"
    flags = "--only-binary=:all: --require-hashes --requirement"
    _run([python, "-m", "pip", *install.split(), *flags.split(), str(LOCK_FILE)])
    # Late 3.12 releases break the pinned pydantic; only an import tells.
    _run([python, "-c", "import py_ocpi.main, uvicorn"])


def _interpreters() -> Iterator[str]:
    """Yield interpreters that run, are neither too old nor too new, and have venv."""
    probe = (
        "import sys, venv, ensurepip; "
        f"sys.exit(not {OLDEST} <= sys.version_info[:2] < {FIRST_TOO_NEW})"
    )
    seen = set()
    for name in (sys.executable, "python3.11", "python3.12"):
        path = shutil.which(name)
        if path is None or path in seen:
            continue
        seen.add(path)
        try:
            # A name on PATH may be a version manager's stub that only fails.
            _run([path, "-c", probe])
        except EnvironmentUnavailableError:
            continue
        yield path


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=BUILD_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as err:
        lines = [line for line in err.stderr.splitlines() if "WARNING" not in line]
        raise EnvironmentUnavailableError(" / ".join(lines[-3:])) from err
    except (OSError, subprocess.TimeoutExpired) as err:
        raise EnvironmentUnavailableError(str(err)) from err


def main() -> int:
    """Make the environment, print one line, return the exit status."""
    if not is_ready():
        sys.stdout.write("interop server: installing, once per lock file ... ")
        sys.stdout.flush()
    try:
        python = ensure_environment()
    except EnvironmentUnavailableError as err:
        sys.stdout.write(f"cannot be made, its tests will skip: {err}\n")
        return 1
    sys.stdout.write(f"ready: {python}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

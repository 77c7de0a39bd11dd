"""The isolated environments of the independent OCPI servers.

The servers pin old releases of the libraries the agent uses and share one import name,
so each has an environment of its own, named like its lock file.
`python -m tests.interop.environment` makes them in advance.
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
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
ServerName = Literal["extrawest", "py_ocpi"]
SERVERS: Final[tuple[ServerName, ...]] = get_args(ServerName)
CACHE_VARIABLE: Final = "RFID_AGENT_CACHE"
BUILD_TIMEOUT_S: Final = 300
# The agent starts at 3.11. What extrawest_ocpi pins does not run on 3.13; py_ocpi does,
# and was not tried on anything newer.
OLDEST: Final = (3, 11)
FIRST_TOO_NEW: Final[dict[ServerName, tuple[int, int]]] = {
    "extrawest": (3, 13),
    "py_ocpi": (3, 14),
}


class EnvironmentUnavailableError(RuntimeError):
    """The environment cannot be made here; the message says why."""


def ensure_environment(name: ServerName = "extrawest") -> Path:
    """Return the environment's Python, making the environment once per lock file.

    Safe to call from several processes at once. Raises EnvironmentUnavailableError.
    """
    home = _home(name)
    if _is_complete(home):
        return _python(home)
    with _exclusive(home):
        if not _is_complete(home):
            _make(home, name)
    return _python(home)


def is_ready(name: ServerName = "extrawest") -> bool:
    """Tell whether ensure_environment() would return at once."""
    return _is_complete(_home(name))


def _lock_file(name: ServerName) -> Path:
    return Path(__file__).with_name(f"{name}.lock")


def _home(name: ServerName) -> Path:
    cache = Path(os.environ.get(CACHE_VARIABLE) or PROJECT_ROOT / ".cache")
    digest = hashlib.sha256(_lock_file(name).read_bytes()).hexdigest()
    return cache.absolute() / f"{name}-{digest[:16]}"


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


def _make(home: Path, name: ServerName) -> None:
    """Try every usable interpreter; the first complete environment stays."""
    reasons = []
    for interpreter in _interpreters(name):
        # A venv cannot be moved, so it is built in place and the marker comes last.
        shutil.rmtree(home, ignore_errors=True)
        try:
            _build(home, interpreter, _lock_file(name))
        except EnvironmentUnavailableError as err:
            reasons.append(f"{interpreter}: {err}")
            continue
        (home / ".complete").touch()
        return
    shutil.rmtree(home, ignore_errors=True)
    raise EnvironmentUnavailableError(
        "; ".join(reasons)
        or f"expected Python {_dotted(OLDEST)} or newer, older than "
        f"{_dotted(FIRST_TOO_NEW[name])}, with venv on PATH, found none"
    )


def _build(home: Path, interpreter: str, lock_file: Path) -> None:
    _run([interpreter, "-m", "venv", str(home)])
    python = str(_python(home))
    install = "install --quiet --no-input --disable-pip-version-check"
    flags = "--only-binary=:all: --require-hashes --requirement"
    _run([python, "-m", "pip", *install.split(), *flags.split(), str(lock_file)])
    # Late 3.12 releases break the pinned pydantic; only an import tells.
    _run([python, "-c", "import py_ocpi.main, uvicorn"])


def _interpreters(name: ServerName) -> Iterator[str]:
    """Yield interpreters that run, are neither too old nor too new, and have venv."""
    probe = (
        "import sys, venv, ensurepip; "
        f"sys.exit(not {OLDEST} <= sys.version_info[:2] < {FIRST_TOO_NEW[name]})"
    )
    seen = set()
    for command in (sys.executable, "python3.11", "python3.12", "python3.13"):
        path = shutil.which(command)
        if path is None or path in seen:
            continue
        seen.add(path)
        try:
            # A name on PATH may be a version manager's stub that only fails.
            _run([path, "-c", probe])
        except EnvironmentUnavailableError:
            continue
        yield path


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(str(part) for part in version)


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


def main() -> None:
    """Make the environments and print a line for each.

    One that cannot be made is no error: its tests skip and say why.
    """
    for name in SERVERS:
        if not is_ready(name):
            sys.stdout.write(f"interop server {name}: installing, once per lock ... ")
            sys.stdout.flush()
        try:
            python = ensure_environment(name)
        except EnvironmentUnavailableError as err:
            sys.stdout.write(f"cannot be made, its tests will skip: {err}\n")
        else:
            sys.stdout.write(f"ready: {python}\n")


if __name__ == "__main__":
    main()

"""The real udev with the rules of `make install EXTRAS="gpio wedge"`."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAEMON: Final = "/usr/lib/systemd/systemd-udevd"


@contextmanager
def running() -> Iterator[None]:
    """Have it name devices, and give them to groups."""
    subprocess.run([_DAEMON, "--daemon"], check=True, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        settle()
        subprocess.run(["udevadm", "control", "--exit"], check=True)


def settle() -> None:
    """Wait until it has done everything that there is to do so far."""
    subprocess.run(["udevadm", "settle", "--timeout=60"], check=True)

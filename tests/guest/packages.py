"""The packages that are unpacked for the guest, and never installed on this machine.

`python -m tests.guest.packages` fetches them in advance, once per list of packages.
They come from wherever apt gets its packages.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.guest import modules, simulator
from tests.guest.commands import UnavailableError, run
from tests.interop.environment import CACHE_VARIABLE, PROJECT_ROOT

#: Lines of system-packages.txt that begin so are about these packages.
GROUP: Final = "unpacked"
#: Counts up whenever what is made of the packages changes.
_VERSION: Final = 2
_OF_THE_KERNEL: Final = (
    "linux-headers-",
    "linux-image-",
    "linux-kbuild-",
    "linux-source-",
)


class Unpacked:
    """What is left of the packages: a kernel, its modules, tools, and udev."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._complete = home / ".complete"
        self._modules = home / "modules"
        self.kernel = home / "vmlinuz"
        self.busybox = home / "busybox"
        #: A root directory with whatever else was in the packages.
        self.root = home / "root"

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return self._complete.exists()

    def modules(self) -> list[tuple[str, bytes]]:
        """Return names and contents, in the order in which they can be loaded."""
        files = sorted(self._modules.iterdir())
        return [(file.name.partition("-")[2], file.read_bytes()) for file in files]

    def make(self, packages: list[str]) -> None:
        """Fetch and unpack; UnavailableError says why that cannot be."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.root.mkdir(parents=True)
        for name in ("bin", "lib", "sbin"):
            # As on every Debian: otherwise a package's /lib would hide the real one.
            (self.root / "usr" / name).mkdir(parents=True)
            (self.root / name).symlink_to(f"usr/{name}")
        for package in _with_needs(packages):
            _unpack(package, self.root)
        (kernel,) = self.root.glob("boot/vmlinuz-*")
        kernel.rename(self.kernel)
        shutil.copy(self.root / "usr/bin/busybox", self.busybox)
        built = self.home / "built"
        simulator.build(self.root / "usr/src", built)
        self._modules.mkdir()
        loaded = modules.in_order(self.root / "usr/lib/modules", built)
        for number, (name, content) in enumerate(loaded):
            (self._modules / f"{number:02d}-{name}").write_bytes(content)
        shutil.rmtree(built)
        # Most of a kernel are modules for hardware that is not there.
        for rest in ("boot", "usr/lib/modules", "usr/share", "usr/src"):
            shutil.rmtree(self.root / rest)
        self._complete.touch()


def unpacked() -> Unpacked:
    """Return what is there, after making it if need be; UnavailableError."""
    found = find()
    if not found.is_complete:
        found.make(wanted())
    return found


def find() -> Unpacked:
    """Return where it belongs, complete or not."""
    digest = hashlib.sha256(" ".join([str(_VERSION), *wanted()]).encode()).hexdigest()
    cache = Path(os.environ.get(CACHE_VARIABLE) or PROJECT_ROOT / ".cache")
    return Unpacked(cache.absolute() / f"guest-{digest[:16]}")


def wanted() -> list[str]:
    """Read the list of packages."""
    lines = (PROJECT_ROOT / "system-packages.txt").read_text().splitlines()
    words = [line.split() for line in lines]
    return [line[1] for line in words if line and line[0] == GROUP]


def _unpack(package: str, root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(["apt-get", "download", package], cwd=folder)
        (archive,) = Path(folder).glob("*.deb")
        plain = Path(folder) / "content.tar"
        with plain.open("wb") as file:
            run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=file)
        run(
            ["tar", "-xf", str(plain), "--no-same-owner", "--keep-directory-symlink"],
            cwd=str(root),
        )


def _with_needs(packages: list[str]) -> list[str]:
    """Add what they need of the kernel, whose version is in its packages' names."""
    wanted: dict[str, None] = {}
    waiting = list(packages)
    while waiting:
        wanted[package := waiting.pop()] = None
        for line in run(["apt-cache", "depends", "--important", package]).splitlines():
            word, _, needed = line.strip().partition(" ")
            if word == "Depends:" and needed.startswith(_OF_THE_KERNEL):
                waiting += [needed] if needed not in wanted else []
    return list(wanted)


def main() -> int:
    """Fetch what is missing, and print a line."""
    if find().is_complete:
        return 0
    sys.stdout.write("guest: fetching and building its kernel, once per list ... ")
    sys.stdout.flush()
    try:
        unpacked()
    except UnavailableError as err:
        sys.stdout.write(f"cannot be had: {err}; try again after: apt-get update\n")
        return 1
    sys.stdout.write("done\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

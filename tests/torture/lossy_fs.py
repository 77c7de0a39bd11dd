"""A file system that forgets: the disk of `lossy_disk` in the words of FUSE.

The disk is in memory; nothing of it reaches the machine's own.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

# Chosen before the import, which looks for the library: the older one is no match.
os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")

import mfusepy  # type: ignore[import-untyped] # the library has no types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.torture.lossy_disk import Disk, Inode


_PLENTY: Final = 1_000_000  # Blocks that are free, always
_SECTOR_BYTES: Final = 512  # What st_blocks counts


class Gate:
    """Lets changes of the disk through one by one, up to the one where time stops."""

    def __init__(self, before_step: Callable[[], None]) -> None:
        self.steps: list[str] = []
        self._before_step = before_step
        self.frozen = threading.Event()
        self._stop_at: int | None = None
        self._over = threading.Event()
        self._stepping = threading.Lock()

    def stop_at(self, step: int) -> None:
        """Hold whoever wants to make this step, and everybody after it."""
        with self._stepping:
            self._stop_at = step

    def end(self) -> None:
        """Let nobody through any more; who was held fails."""
        self.stop_at(0)
        self._over.set()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Make a change inside."""
        with self._stepping:
            if self._stop_at is None or len(self.steps) < self._stop_at:
                self._before_step()
                self.steps.append(what)
                yield
                return
        self.frozen.set()
        self._over.wait()
        raise OSError(errno.EIO, "the power is off")


class LossyFs:
    """One mount, in the words of FUSE; a path is a slash and a name."""

    use_ns = True  # Times in nanoseconds, as the library wants it said

    def __init__(self, disk: Disk, gate: Gate, mounted: threading.Event) -> None:
        self._disk = disk
        self._gate = gate
        self._mounted = mounted
        self._root_mode = stat.S_IFDIR | 0o700
        self._open: dict[int, Inode] = {}
        self._handles = itertools.count(1)

    def init(self, _path: str) -> None:
        """Note that the kernel has taken the mount."""
        self._mounted.set()

    # ---- looking --------------------------------------------------------------------

    def getattr(self, path: str | None, handle: int | None = None) -> dict[str, Any]:
        """Describe a file; without a path, one that is open and has no name left."""
        if path == "/":
            return {"st_mode": self._root_mode, "st_nlink": 2, "st_ino": 1}
        inode = self._find(path, handle)
        links = sum(other is inode for other in self._disk.names.values())
        size = len(inode.target or inode.content)
        return {
            "st_mode": inode.mode,
            "st_nlink": links,
            "st_ino": inode.number,
            "st_size": size,
            "st_blocks": -(-size // _SECTOR_BYTES),
            "st_rdev": inode.device,
        }

    def statfs(self, _path: str) -> dict[str, int]:
        """Say that there is always space."""
        return {"f_bsize": 4096, "f_frsize": 4096} | dict.fromkeys(
            ("f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree"), _PLENTY
        )

    def readdir(
        self, _path: str, _handle: int
    ) -> list[tuple[str, dict[str, int], int]]:
        """List the names."""
        numbers = {name: inode.number for name, inode in self._disk.names.items()}
        return [
            # A number of zero would mean that there is nothing here any more.
            (name, {"st_ino": number}, 0)
            for name, number in ({".": 1, "..": 1} | numbers).items()
        ]

    def readlink(self, path: str) -> str:
        """Say where a link leads."""
        return self._find(path).target

    def read(self, _path: str | None, size: int, offset: int, handle: int) -> bytes:
        """Read what programs have written, synced or not."""
        return bytes(self._open[handle].content[offset : offset + size])

    # ---- names ----------------------------------------------------------------------

    def create(self, path: str, mode: int) -> int:
        """Make a file and open it."""
        with self._gate.step(f"create {path}"):
            return self._handle(self._disk.make(path[1:], mode))

    def mknod(self, path: str, mode: int, device: int) -> None:
        """Make a pipe or a socket."""
        with self._gate.step(f"mknod {path}"):
            self._disk.make(path[1:], mode, device=device)

    def symlink(self, path: str, target: str) -> None:
        """Make a link."""
        with self._gate.step(f"symlink {path} -> {target}"):
            self._disk.make(path[1:], stat.S_IFLNK | 0o777, target=target)

    def link(self, path: str, existing: str) -> None:
        """Give a file a further name."""
        inode = self._find(existing)
        with self._gate.step(f"link {existing} {path}"):
            self._disk.link(path[1:], inode)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._find(path)
        with self._gate.step(f"unlink {path}"):
            self._disk.unlink(path[1:])

    def rename(self, old: str, new: str) -> None:
        """Move a name."""
        self._find(old)
        with self._gate.step(f"rename {old} {new}"):
            self._disk.rename(old[1:], new[1:])

    # ---- content --------------------------------------------------------------------

    def open(self, path: str, _flags: int) -> int:
        """Open a file; the kernel has looked at the flags."""
        return self._handle(self._find(path))

    def release(self, _path: str | None, handle: int) -> None:
        """Forget a handle."""
        del self._open[handle]

    def write(self, path: str | None, data: bytes, offset: int, handle: int) -> int:
        """Write, as far as programs see."""
        with self._gate.step(f"write {path} {offset} {len(data)}"):
            self._open[handle].write(offset, data)
            return len(data)

    def truncate(self, path: str | None, size: int, handle: int | None = None) -> None:
        """Cut off or extend."""
        inode = self._find(path, handle)
        with self._gate.step(f"truncate {path} {size}"):
            inode.resize(size)

    def fallocate(
        self, path: str | None, mode: int, offset: int, size: int, handle: int
    ) -> None:
        """Take space for a file; what is not there yet reads as zeros."""
        if mode:
            raise OSError(errno.EOPNOTSUPP, "only mode 0 is modelled")
        inode = self._open[handle]
        with self._gate.step(f"allocate {path} {offset} {size}"):
            inode.resize(max(len(inode.content), offset + size))

    def fsync(self, path: str | None, _data_only: int, handle: int) -> None:
        """Make a file durable."""
        with self._gate.step(f"fsync {path}"):
            self._disk.sync(self._open[handle])

    def fsyncdir(self, path: str, _data_only: int, _handle: int) -> None:
        """Make the names durable."""
        with self._gate.step(f"fsync {path}"):
            self._disk.sync_names()

    # ---- what is not modelled -------------------------------------------------------

    def chmod(self, path: str | None, mode: int) -> None:
        """Change permissions, durably."""
        if path == "/":
            self._root_mode = mode
        else:
            self._find(path).mode = mode

    def chown(self, _path: str | None, _user: int, _group: int) -> None:
        """Ignore owners: everything is root's."""

    def utimens(self, _path: str | None, _times: tuple[int, int] | None) -> None:
        """Ignore times."""

    # ---- inside ---------------------------------------------------------------------

    def _find(self, path: str | None, handle: int | None = None) -> Inode:
        if handle is not None:
            return self._open[handle]
        if path is None or (inode := self._disk.names.get(path[1:])) is None:
            raise OSError(errno.ENOENT, "no such file")
        return inode

    def _handle(self, inode: Inode) -> int:
        handle = next(self._handles)
        self._open[handle] = inode
        return handle


class Fuse(mfusepy.FUSE):  # type: ignore[misc] # the library has no types
    """The library, with its one gap closed: cutting off a file without a name."""

    def truncate_fuse_3(self, path: bytes | None, size: int, info: Any) -> None:  # noqa: ANN401 - a C struct
        """Pass the handle on, too."""
        self.operations.truncate(
            path and path.decode(), size, info.contents.fh if info else None
        )

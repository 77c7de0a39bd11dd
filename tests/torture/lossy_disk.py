"""A disk that remembers what was synced, and forgets the rest: the model, no kernel.

One flat directory, because that is what a state directory is. A program sees `names`
and each file's `content`; what the disk itself holds lags behind until a sync:

* data and size of a file are durable after a sync of that file;
* a name that was made, moved or removed is durable after a sync of the directory;
  under JOURNALLED names, as on ext4, also after a sync of the file, together with every
  change of a name before it.

A sync that returned is a promise: `cut` keeps what it covers. Of the rest, `cut` keeps
nothing, or a random part, as a disk does that wrote some of its cache before the power
went: every page is one of its versions since the last sync, sizes are those of some
moment since then, and names change at random (STRICT) or up to some moment
(JOURNALLED). Permissions and a link's target are as durable as the inode's first name.
"""

from __future__ import annotations

import itertools
import stat
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from tests.torture.lossy_content import Change, Resized, Written, surviving_content

if TYPE_CHECKING:
    from random import Random


class Names(Enum):
    """What a file system promises about names beyond a sync of the directory."""

    STRICT = "strict"  # Nothing (POSIX)
    JOURNALLED = "journalled"  # In order, and a sync of the file is enough (ext4)


@dataclass(eq=False, slots=True, kw_only=True)
class Inode:
    """A file, link, pipe or socket: what programs see, and how far the disk lags."""

    number: int
    mode: int
    target: str = ""
    device: int = 0
    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    unsynced: list[Change] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        """Change some bytes, as far as programs see."""
        self._change(Written(offset, data))

    def resize(self, size: int) -> None:
        """Cut the file off, or extend it with zeros, as far as programs see."""
        self._change(Resized(size))

    def sync(self) -> None:
        """Make data and size durable."""
        self.synced = bytes(self.content)
        self.unsynced.clear()

    def _change(self, change: Change) -> None:
        change.apply(self.content)
        self.unsynced.append(change)


@dataclass(frozen=True, slots=True)
class NameChange:
    """One step in the directory: a name goes, another comes, or both at once."""

    removed: str | None
    added: str | None
    inode: Inode

    def apply(self, names: dict[str, Inode]) -> None:
        """Do it."""
        if self.removed is not None:
            names.pop(self.removed, None)
        if self.added is not None:
            names[self.added] = self.inode


#: Numbers are never used again, not even by what a cut has left.
_NUMBERS: Final = itertools.count(2)


class Disk:
    """What programs see, what is durable, and what may become of it in a power cut.

    `honest=False` is a disk that confirms every sync and does none.
    """

    def __init__(self, rule: Names, *, honest: bool = True) -> None:
        self.rule = rule
        self.honest = honest
        self.names: dict[str, Inode] = {}
        self._synced_names: dict[str, Inode] = {}
        self._unsynced_names: list[NameChange] = []

    def make(self, name: str, mode: int, *, target: str = "", device: int = 0) -> Inode:
        """Make a file, link, pipe or socket."""
        inode = Inode(number=next(_NUMBERS), mode=mode, target=target, device=device)
        self.link(name, inode)
        return inode

    def link(self, name: str, inode: Inode) -> None:
        """Give an inode a name, or one more."""
        self._rename(NameChange(None, name, inode))

    def rename(self, old: str, new: str) -> None:
        """Move a name, over another if there is one, in one step."""
        self._rename(NameChange(old, new, self.names[old]))

    def unlink(self, name: str) -> None:
        """Remove a name."""
        self._rename(NameChange(name, None, self.names[name]))

    def sync(self, inode: Inode) -> None:
        """Do what fsync of a file promises."""
        if not self.honest:
            return
        inode.sync()
        if self.rule is Names.JOURNALLED:
            changes = self._unsynced_names
            own = [n for n, change in enumerate(changes) if change.inode is inode]
            self._sync_names(own[-1] + 1 if own else 0)

    def sync_names(self) -> None:
        """Do what fsync of the directory promises."""
        if self.honest:
            self._sync_names(len(self._unsynced_names))

    def cut(self, chance: Random | None) -> Disk:
        """Return what a power cut leaves: nothing unsynced, or a random part of it."""
        left = Disk(self.rule, honest=self.honest)
        survivors: dict[int, Inode] = {}
        for name, inode in sorted(self._surviving_names(chance).items()):
            if inode.number not in survivors:
                survivors[inode.number] = _survivor(inode, chance)
            left.names[name] = left._synced_names[name] = survivors[inode.number]
        return left

    # ---- names ----------------------------------------------------------------------

    def _rename(self, change: NameChange) -> None:
        change.apply(self.names)
        self._unsynced_names.append(change)

    def _sync_names(self, count: int) -> None:
        for change in self._unsynced_names[:count]:
            change.apply(self._synced_names)
        del self._unsynced_names[:count]

    def _surviving_names(self, chance: Random | None) -> dict[str, Inode]:
        names = dict(self._synced_names)
        for change in self._surviving_changes(chance):
            change.apply(names)
        return names

    def _surviving_changes(self, chance: Random | None) -> list[NameChange]:
        changes = self._unsynced_names
        if chance is None:
            return []
        if self.rule is Names.JOURNALLED:
            return changes[: chance.randint(0, len(changes))]
        share = chance.random()
        return [change for change in changes if chance.random() < share]


def _survivor(inode: Inode, chance: Random | None) -> Inode:
    content = inode.synced
    if stat.S_ISREG(inode.mode):
        content = surviving_content(inode.synced, inode.unsynced, chance)
    return Inode(
        number=next(_NUMBERS),
        mode=inode.mode,
        target=inode.target,
        device=inode.device,
        content=bytearray(content),
        synced=content,
    )

"""Indicators while they show `ready`, most of a day."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from benchmarks.drivers import lamps
from benchmarks.drivers.peers import PtyPeer
from benchmarks.drivers.subject import Subject
from drivers.readers.serial_config import BAUDRATES, Format
from tests.drivers.readers.modules import Twn4Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


def subjects(directory: Path) -> list[AbstractContextManager[Subject]]:
    """All of them but that of PC/SC readers."""
    directory.mkdir()
    path = str(directory / "signals")
    return [
        nullcontext(_showing("none", {"kind": "none"})),
        nullcontext(_showing("file", {"kind": "file", "path": path})),
        nullcontext(_showing("gpio", {"kind": "gpio"}, "a blink every 3 s")),
        _on_module(),
    ]


@contextmanager
def _on_module() -> Iterator[Subject]:
    kind = Format.TWN4
    with PtyPeer(Twn4Emulator(), BAUDRATES[kind]) as peer:
        yield Subject(
            what="indicator module",
            opener=lamps.show_on_module,
            options={"port": peer.path, "format": kind.value},
            ready=lamps.Shown.__name__,
            idles=f"a blink every 3 s, and its reader, {kind.value}",
        )


def _showing(name: str, options: dict[str, str], idles: str = "sleeps") -> Subject:
    return Subject(
        what=f"indicator {name}",
        opener=lamps.show,
        options=options,
        ready=lamps.Shown.__name__,
        idles=idles,
    )

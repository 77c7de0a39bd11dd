"""The kernel's own simulator of GPIO chips, which Debian leaves out of its kernels.

It is built from the sources and with the headers of the very kernel that it is for,
together with the simulator of interrupts that it needs.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.guest.commands import UnavailableError, run

if TYPE_CHECKING:
    from collections.abc import Iterable

_SOURCES: Final = (
    "*/drivers/gpio/gpio-sim.c",
    "*/drivers/gpio/*.h",
    "*/kernel/irq/irq_sim.c",
)
#: No module may use the first; the second finds the same.
_PRIVATE: Final = "irq_to_desc(irqnum)"
_PUBLIC: Final = "irq_data_to_desc(irq_get_irq_data(irqnum))"
_MAKEFILE: Final = """\
obj-m := gpio-sim-module.o
gpio-sim-module-y := gpio-sim.o irq_sim.o
"""


def build(unpacked: Path, output: Path) -> None:
    """Build gpio-sim.ko in `output` from what the packages have in /usr/src."""
    archive = _only(unpacked.glob("linux-source-*.tar.*"))
    headers = _only(
        path
        for path in unpacked.glob("linux-headers-*")
        if not path.name.endswith("-common")
    )
    # It leads to the place where the package is installed, which it is not.
    makefile = headers / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src", str(unpacked)))
    output.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        _extract(archive, Path(folder))
        (Path(folder) / "Makefile").write_text(_MAKEFILE)
        run(["make", "-C", str(headers), f"M={folder}", "modules"])
        shutil.copy(Path(folder) / "gpio-sim-module.ko", output / "gpio-sim.ko")


def _extract(archive: Path, folder: Path) -> None:
    command = ["tar", "-xf", str(archive), "--wildcards", *_SOURCES]
    run([*command, "--transform", "s,.*/,,"], cwd=str(folder))
    interrupts = folder / "irq_sim.c"
    interrupts.write_text(interrupts.read_text().replace(_PRIVATE, _PUBLIC))


def _only(paths: Iterable[Path]) -> Path:
    found = list(paths)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UnavailableError(f"expected one package of its kind, found {names}")
    return found[0]

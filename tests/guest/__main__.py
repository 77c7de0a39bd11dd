"""Run pytest in the guest: `python -m tests.guest [--accel kvm|tcg] [argument]...`.

Arguments are pytest's; without any it runs all of tests/guest. The exit status is
pytest's, or 70 when the guest did not get so far.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.guest import image, machine
from tests.guest.commands import UnavailableError
from tests.guest.conftest import INSIDE
from tests.guest.packages import unpacked
from tests.interop.environment import PROJECT_ROOT

_EX_SOFTWARE: Final = 70  # sysexits(3)


def main() -> int:
    """Boot the guest, and again under emulation if it stays silent."""
    parser = argparse.ArgumentParser(prog="python -m tests.guest", add_help=False)
    parser.add_argument("--accel", choices=tuple(machine.PROCESSORS))
    options, arguments = parser.parse_known_args()
    accelerators = [options.accel] if options.accel else machine.accelerators()
    try:
        _look_at_host()
        parts = unpacked()
    except UnavailableError as err:
        sys.stderr.write(f"guest: cannot be set up: {err}\n")
        return _EX_SOFTWARE
    _compile()
    # Not below /run or /dev, which the guest has its own of.
    with tempfile.TemporaryDirectory(dir=parts.home) as folder:
        initial, order = Path(folder) / "initial", Path(folder) / "order"
        initial.write_bytes(image.build(parts))
        order.write_text(_order(arguments))
        for accelerator in accelerators:
            try:
                ended = machine.run(
                    parts, initial, order, accelerator=accelerator, output=sys.stdout
                )
            except machine.SilentError as err:
                sys.stdout.write(f"guest: {accelerator} does not work here: {err}\n")
                continue
            how = "emulated" if accelerator == "tcg" else f"by {accelerator}"
            sys.stdout.write(
                f"guest: {ended.total_s:.0f} s {how}, {ended.booted_s:.0f} s to boot; "
                f"{ended.used_s:.0f} s of processors\n"
            )
            return _EX_SOFTWARE if ended.status is None else ended.status
    return _EX_SOFTWARE


def _look_at_host() -> None:
    # The guest runs the host's programs.
    if platform.machine() != "x86_64":
        raise UnavailableError("it needs a machine with an x86-64 processor")
    if shutil.which(machine.QEMU) is None:
        raise UnavailableError(f"no {machine.QEMU} here; see: make test-guest")


def _compile() -> None:
    """Have pytest compile its tests here, where that is quick: it keeps the results."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "tests/guest"],
        check=False,
        env=os.environ | {INSIDE: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _order(arguments: list[str]) -> str:
    """Write the shell script that the guest runs."""
    if not any(argument.startswith("tests") for argument in arguments):
        arguments = [*arguments, "tests/guest"]
    colour = "yes" if sys.stdout.isatty() else "no"
    columns = shutil.get_terminal_size().columns
    path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    inside = ["sh", "tests/guest/inside", sys.executable]
    command = [*inside, f"--color={colour}", *arguments]
    # The guest's console has neither a size nor colours by itself.
    lines = (
        f"export {INSIDE}=1 HOME=/root",
        f"export COLUMNS={columns} PATH={shlex.quote(path)}",
        f"cd {shlex.quote(str(PROJECT_ROOT))}",
        "exec " + shlex.join(command),
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    os.chdir(PROJECT_ROOT)
    sys.exit(main())

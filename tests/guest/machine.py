"""The virtual machine: QEMU, with the processor's help where that works."""

from __future__ import annotations

import os
import resource
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.guest.packages import Unpacked

QEMU: Final = "qemu-system-x86_64"
KVM: Final = Path("/dev/kvm")
#: By the name of `-accel`; emulating a newer one takes no less time.
PROCESSORS: Final = {"kvm": "host", "tcg": "Nehalem"}
#: Said by tests/guest/init, and by tests/guest/inside before its tests.
UP: Final = "guest: up"
READY: Final = "guest: ready"
#: With /dev/kvm a kernel speaks at once; where that lies, it never does.
SILENCE_S: Final = 10.0
_ENDS_WITHIN_S: Final = 900.0
_MEMORY: Final = "1024M"
# Nothing to boot from, no screen, no network: what is not there costs no time.
_MACHINE: Final = ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")
_COMMAND_LINE: Final = (
    "console=ttyS0",
    "loglevel=2",
    "panic=-1",
    "oops=panic",
    "mitigations=off",
    "nokaslr",
    # Waits less for its own processors whenever something is unplugged.
    "rcupdate.rcu_expedited=1",
)


class SilentError(RuntimeError):
    """The machine has said nothing at all: this accelerator does not work here."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: pytest's status, None if the machine ended without one."""

    status: int | None
    booted_s: float
    total_s: float
    #: What it took of the host's processors.
    used_s: float


def accelerators() -> list[str]:
    """Name what may work, the fastest first."""
    return ["kvm", "tcg"] if os.access(KVM, os.R_OK | os.W_OK) else ["tcg"]


def run(
    parts: Unpacked, initial: Path, order: Path, *, accelerator: str, output: TextIO
) -> Ended:
    """Boot, show what is said, and wait for the end; SilentError."""
    began = ready = time.monotonic()
    command = _command(parts, initial, order, accelerator)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            within_s = _ENDS_WITHIN_S if accelerator == "tcg" else SILENCE_S
            said = _first_words(process, within_s)
            output.write(said)
            for text in _listen(process, began + _ENDS_WITHIN_S):
                output.write(text)
                output.flush()
                if ready == began:
                    said += text
                    ready = time.monotonic() if READY in said else began
        except BaseException:
            process.kill()
            raise
        # QEMU doubles what isa-debug-exit was told, and adds one.
        twice = process.wait()
    status = twice >> 1 if twice > 0 and twice & 1 else None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ended(
        status,
        booted_s=ready - began,
        total_s=time.monotonic() - began,
        used_s=used.ru_utime + used.ru_stime,
    )


def _command(
    parts: Unpacked, initial: Path, order: Path, accelerator: str
) -> list[str]:
    words = " ".join((*_COMMAND_LINE, f"rfid.order={order}"))
    shares = (("host", Path("/")), ("extra", parts.root))
    access = "security_model=none,readonly=on,multidevs=remap"
    command = [
        QEMU,
        *_MACHINE,
        *("-accel", accelerator, "-cpu", PROCESSORS[accelerator], "-m", _MEMORY),
        *("-smp", "1"),
        *("-kernel", str(parts.kernel), "-initrd", str(initial)),
        *("-append", words, "-serial", "stdio"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
    ]
    for name, path in shares:
        command += ["-fsdev", f"local,id={name},path={path},{access}"]
        command += ["-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
    return command


def _first_words(process: subprocess.Popen[bytes], within_s: float) -> str:
    """Wait for the guest itself; what QEMU says before is kept back."""
    said = ""
    try:
        for text in _listen(process, time.monotonic() + within_s):
            said += text
            if UP in said:
                return said[said.index(UP) :]
    except TimeoutError:
        said += f"nothing within {within_s:g} s"
    raise SilentError(said.strip().rpartition("\n")[2] or "it has said nothing")


def _listen(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """Yield what is said until the end."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    while True:
        left_s = max(deadline - time.monotonic(), 0)
        readable, _, _ = select.select([descriptor], [], [], left_s)
        if not readable:
            raise TimeoutError("the guest did not end in time")
        if not (data := os.read(descriptor, 65_536)):
            return
        yield data.decode(errors="replace").replace("\r", "")

"""Looking for attached card readers, and what to configure; opens no device."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drivers.errors import DriverError
from drivers.readers import nfc_usb, wedge_place
from drivers.readers.nfc_place import UsbPlace
from drivers.readers.pcsc_listing import list_readers
from drivers.readers.pcsc_names import is_sam_slot, without_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drivers.readers.wedge_place import Keyboard

ELATEC: Final = 0x09D8
#: Makers of chips that turn serial lines into USB; what is behind them is unknown.
ADAPTERS: Final = {
    0x0403: "FTDI",
    0x067B: "Prolific",
    0x10C4: "Silicon Labs",
    0x1A86: "QinHeng (CH340 and its like)",
}
#: Wedges whose names need not tell; the same as in 60-rfid-agent.rules.
WEDGES: Final = frozenset({(0xFFFF, 0x0035), (0x08FF, 0x0009)})

_WEDGE_NAME: Final = re.compile(
    r"\b(rfid|nfc|mifare|card ?reader)\b|sycreader", re.IGNORECASE
)
_NO_CARD_READER: Final = re.compile("barcode|scanner|magnetic|stripe", re.IGNORECASE)
_PARENTS: Final = 4  # From a tty up to the USB device that it is part of


@dataclass(frozen=True, slots=True)
class Found:
    """One attached device, or something that hides devices.

    `options` are the keys of a `driver` that reads cards with it; no driver means that
    there is nothing to configure. `note`: what a person has to know or do besides.
    """

    what: str
    driver: str = ""
    options: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where to look; the fields are for tests."""

    dev: Path = Path("/dev")
    sysfs: Path = Path("/sys")
    modules: Path = nfc_usb.MODULES
    list_pcsc: Callable[[], list[str]] = list_readers


def find_readers(around: Surroundings | None = None) -> list[Found]:
    """Find what may be a card reader, PC/SC first; may block shortly."""
    around = around or Surroundings()
    return [
        *_find_pcsc(around),
        *_find_nfc(around),
        *_find_wedges(around),
        *_find_serial(around),
        *_find_hiding_modules(around),
    ]


def _find_pcsc(around: Surroundings) -> Iterator[Found]:
    try:
        names = around.list_pcsc()
    except DriverError as err:
        yield Found("PC/SC", note=f"cannot be asked: {err}")
        return
    stems = [without_numbers(name) for name in names]
    for name, stem in zip(names, stems, strict=True):
        what = f"PC/SC reader {name}"
        if is_sam_slot(name):
            yield Found(what, note="is a slot for a SAM, which no card reaches")
        elif stems.count(stem) > 1:
            note = "there are equal ones, and their numbers may change with the plugs"
            yield Found(what, "pcsc", {"match": name}, note)
        else:
            # The numbers depend on what else is plugged in.
            yield Found(what, "pcsc", {"match": _escape(stem) + "*"})


def _find_nfc(around: Surroundings) -> Iterator[Found]:
    adapters = nfc_usb.find_adapters(
        None,
        sysfs=around.sysfs / "bus/usb/devices",
        nodes=around.dev / "bus/usb",
    )
    for adapter in adapters:
        if adapter.product == nfc_usb.ACR122U:
            continue  # Its firmware is better off with pcscd
        device = str(UsbPlace(adapter.product))
        twins = sum(other.product == adapter.product for other in adapters) > 1
        note = "there are equal ones, of which the first is taken" if twins else ""
        yield Found(f"NFC adapter {adapter.name}", "nfc", {"device": device}, note)


def _find_wedges(around: Surroundings) -> Iterator[Found]:
    keyboards = wedge_place.list_keyboards(
        sysfs=around.sysfs / "class/input", nodes=around.dev / "input"
    )
    readers = [one for one in keyboards if _is_wedge(one)]
    for one in readers:
        options = {"device": one.ids}
        if sum(other.product == one.product for other in readers) > 1:
            options["usb_port"] = one.usb_port
        note = "types card numbers; set it to the US layout, and Enter at the end"
        if names := _names_of(one.node, around.dev / "input/by-id"):
            note += f"; its path is {names[0]}"
        yield Found(f"keyboard {one.name} ({one.ids})", "wedge", options, note)


def _find_serial(around: Surroundings) -> Iterator[Found]:
    for pattern in ("ttyUSB*", "ttyACM*"):
        for node in sorted(around.dev.glob(pattern)):
            yield _describe_serial(node, around)


def _describe_serial(node: Path, around: Surroundings) -> Found:
    names = _names_of(node, around.dev / "serial/by-id")
    port = str(names[0] if names else node)
    note = "" if names else f"{node.name} may be another device after the next boot; "
    vendor_id, product = _usb_product(around.sysfs / "class/tty" / node.name / "device")
    label = f" ({product})" if product else ""
    if vendor_id == ELATEC:
        note += (
            "if it stays down, its firmware does not speak the Simple Protocol, or in "
            "binary: format = twn4"
        )
        return Found(
            f"ELATEC reader{label} at {node}",
            "serial",
            {"port": port, "format": "twn4-ascii"},
            note,
        )
    maker = ADAPTERS.get(vendor_id or 0)
    kind = f"serial adapter by {maker}" if maker else "serial device"
    note += (
        "what is behind it cannot be seen, and may be a charger or a meter; if it is a "
        "reader, set the format it speaks"
    )
    options = {"port": port, "format": "rdm6300"}
    return Found(f"{kind}{label} at {node}", "serial", options, note)


def _find_hiding_modules(around: Surroundings) -> Iterator[Found]:
    if grabbing := nfc_usb.find_grabbing_modules(around.modules):
        yield Found(
            f"kernel modules {', '.join(grabbing)}",
            note="keep NFC adapters and the ACR122U for themselves: copy "
            "rfid-agent-reader-blacklist.conf to /etc/modprobe.d and reboot",
        )


def _is_wedge(keyboard: Keyboard) -> bool:
    """Tell a reader by what it says it is: a person's keyboard is never proposed."""
    if keyboard.product in WEDGES or keyboard.product[0] == ELATEC:
        return True
    name = keyboard.name
    return bool(_WEDGE_NAME.search(name)) and not _NO_CARD_READER.search(name)


def _names_of(node: Path, folder: Path) -> list[Path]:
    """List the links in a folder that lead to a node."""
    links = sorted(folder.iterdir()) if folder.is_dir() else ()
    return [link for link in links if link.resolve() == node.resolve()]


def _usb_product(device: Path) -> tuple[int | None, str]:
    """Read the vendor and the name of the USB device that a tty is part of."""
    folder = device.resolve()
    for parent in (folder, *folder.parents[:_PARENTS]):
        try:
            vendor_id = int((parent / "idVendor").read_text(encoding="ascii"), 16)
        except (OSError, ValueError):
            continue
        try:
            name = (parent / "product").read_text(encoding="utf-8", errors="replace")
        except OSError:
            name = ""
        return vendor_id, name.strip()
    return None, ""


def _escape(name: str) -> str:
    """Keep a pattern from taking a name's own characters for its signs."""
    return re.sub(r"([*?\[])", r"[\1]", name)

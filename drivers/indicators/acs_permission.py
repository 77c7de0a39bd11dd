"""Whether the USB drivers of pcscd allow escape commands, as far as files tell."""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

BUNDLES: Final = Path("/usr/lib/pcsc/drivers")
LIBCCID: Final = "ifd-ccid.bundle"
#: Takes escapes whatever its options are.
LIBACSCCID: Final = "ifd-acsccid.bundle"
ESCAPE_ALLOWED: Final = 0x01
WITHOUT_ESCAPES: Final = (
    'or set way = "apdu": then only a card that lies there lets us show'
)


def find_refusal(bundles: Path = BUNDLES) -> str:
    """Say which file has to be changed; nothing if a driver allows escape commands.

    Nothing, too, if neither driver is installed here: then it is another one's affair.
    """
    if (bundles / LIBACSCCID).exists():
        return ""
    path = bundles / LIBCCID / "Contents" / "Info.plist"
    try:
        options = int(plistlib.loads(path.read_bytes())["ifdDriverOptions"], 16)
    except (OSError, ExpatError, plistlib.InvalidFileException):
        return ""
    except (KeyError, TypeError, ValueError):
        options = 0
    if options & ESCAPE_ALLOWED:
        return ""
    wanted = options | ESCAPE_ALLOWED
    return (
        f"not allowed: set ifdDriverOptions to 0x{wanted:04X} in {path.resolve()} "
        f"and restart pcscd; {WITHOUT_ESCAPES}"
    )

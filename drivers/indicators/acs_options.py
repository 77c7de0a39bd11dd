"""Whether the USB drivers of pcscd allow escape commands, read from their options."""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

BUNDLES: Final = Path("/usr/lib/pcsc/drivers")
#: libccid and libacsccid; either may serve an ACS reader.
PLISTS: Final = ("ifd-ccid.bundle", "ifd-acsccid.bundle")
ESCAPE_ALLOWED: Final = 0x01


def find_refusal(bundles: Path = BUNDLES) -> str:
    """Say which file has to be changed; nothing if a driver allows escape commands.

    Nothing, too, if neither driver is installed here: then it is another one's affair.
    """
    refusing: list[str] = []
    for name in PLISTS:
        path = bundles / name / "Contents" / "Info.plist"
        try:
            options = int(plistlib.loads(path.read_bytes())["ifdDriverOptions"], 16)
        except (OSError, ExpatError, plistlib.InvalidFileException):
            continue
        except (KeyError, TypeError, ValueError):
            options = 0
        if options & ESCAPE_ALLOWED:
            return ""
        wanted = options | ESCAPE_ALLOWED
        refusing.append(f"set ifdDriverOptions to 0x{wanted:04X} in {path.resolve()}")
    if not refusing:
        return ""
    return (
        f"not allowed: {' or '.join(refusing)} and restart pcscd; "
        'or set way = "apdu": then only a card that lies there lets us show'
    )

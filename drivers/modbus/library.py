"""The Modbus library, imported where it is needed, and kept quiet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from drivers.errors import UnsupportedDeviceError
from drivers.findings import Finding

if TYPE_CHECKING:
    from types import ModuleType

# Its interface changes from one minor release to the next.
SERIES: Final = "3.16"
ADVICE: Final = "install it with: sudo make install EXTRAS=modbus"


def load_library() -> ModuleType:
    """Import pymodbus and its clients; UnsupportedDeviceError says what to install."""
    try:
        # It is an optional extra, and takes long to import.
        import pymodbus.client  # noqa: PLC0415
    except ImportError as err:
        raise UnsupportedDeviceError(
            f"pymodbus is not installed ({err}); {ADVICE}"
        ) from err
    found = pymodbus.__version__
    if not found.startswith(f"{SERIES}."):
        raise UnsupportedDeviceError(
            f"expected pymodbus {SERIES}, got {found}; {ADVICE}"
        )
    # With every error it logs the last twenty frames; what matters of that is in the
    # errors that it raises.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    return pymodbus


def check_library() -> Finding:
    """Look whether the library is there."""
    what = f"pymodbus {SERIES}"
    try:
        load_library()
    except UnsupportedDeviceError as err:
        return Finding(what, str(err))
    return Finding(what)

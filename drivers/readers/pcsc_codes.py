"""PC/SC result codes, and what each one means to an installer."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from drivers.errors import AccessDeniedError, TransientDeviceError

if TYPE_CHECKING:
    from drivers.errors import DriverError

POLKIT_RULE: Final = "50-rfid-agent.rules"  # Shipped in systemd/
POLKIT_ACTIONS: Final = (
    "org.debian.pcsc-lite.access_pcsc",
    "org.debian.pcsc-lite.access_card",
)


class Code(IntEnum):
    """Results of PC/SC calls that this driver meets, named as in pcsclite.h."""

    SCARD_S_SUCCESS = 0
    SCARD_E_CANCELLED = 0x80100002
    SCARD_E_INVALID_HANDLE = 0x80100003
    SCARD_E_UNKNOWN_READER = 0x80100009
    SCARD_E_TIMEOUT = 0x8010000A
    SCARD_E_SHARING_VIOLATION = 0x8010000B
    SCARD_E_NO_SMARTCARD = 0x8010000C
    SCARD_E_PROTO_MISMATCH = 0x8010000F
    SCARD_F_COMM_ERROR = 0x80100013
    SCARD_E_NOT_TRANSACTED = 0x80100016
    SCARD_E_READER_UNAVAILABLE = 0x80100017
    SCARD_E_NO_SERVICE = 0x8010001D
    SCARD_E_SERVICE_STOPPED = 0x8010001E
    SCARD_E_UNSUPPORTED_FEATURE = 0x8010001F
    SCARD_E_NO_READERS_AVAILABLE = 0x8010002E
    SCARD_W_UNRESPONSIVE_CARD = 0x80100066
    SCARD_W_UNPOWERED_CARD = 0x80100067
    SCARD_W_RESET_CARD = 0x80100068
    SCARD_W_REMOVED_CARD = 0x80100069
    SCARD_W_SECURITY_VIOLATION = 0x8010006A


_NO_PCSCD: Final = (
    "pcscd is not running; start it with: systemctl start pcscd.socket "
    "(of the package pcscd)"
)
_LEFT: Final = "the card left the field"

_MEANING: Final = {
    Code.SCARD_E_UNKNOWN_READER: "the reader was unplugged",
    Code.SCARD_E_SHARING_VIOLATION: "another program holds the card for itself",
    Code.SCARD_E_NO_SMARTCARD: _LEFT,
    Code.SCARD_E_PROTO_MISMATCH: "the card's ATR names no usable protocol",
    # A client cannot tell a pcscd that stops now from one that never ran.
    Code.SCARD_F_COMM_ERROR: _NO_PCSCD,
    Code.SCARD_E_NOT_TRANSACTED: "the exchange with the card broke off",
    Code.SCARD_E_READER_UNAVAILABLE: "the reader was unplugged",
    Code.SCARD_E_NO_SERVICE: _NO_PCSCD,
    Code.SCARD_E_SERVICE_STOPPED: _NO_PCSCD,
    Code.SCARD_W_UNRESPONSIVE_CARD: "the card does not answer a reset",
    Code.SCARD_W_UNPOWERED_CARD: "the card has no power",
    Code.SCARD_W_RESET_CARD: "another program reset the card",
    Code.SCARD_W_REMOVED_CARD: _LEFT,
    Code.SCARD_W_SECURITY_VIOLATION: (
        f"pcscd refuses this user; install {POLKIT_RULE} in /etc/polkit-1/rules.d, "
        f"which grants {' and '.join(POLKIT_ACTIONS)}, look for hidepid on /proc, and "
        "whether it fails at its start: systemctl status pcscd"
    ),
}


class HangingPcscdError(TransientDeviceError, TimeoutError):
    """pcscd is there, and has not answered for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"pcscd has not answered for {seconds:g} s; "
            "restart it with: systemctl restart pcscd"
        )


class ScardError(TransientDeviceError):
    """A PC/SC call failed with `code`.

    Only SCARD_E_UNKNOWN_READER leaves the context usable.
    """

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call}: {explain(code)}")
        self.code = code


def explain(code: int) -> str:
    """Say what a result code means and what to do about it."""
    try:
        known = Code(code)
    except ValueError:
        return f"unknown PC/SC result 0x{code:08X}"
    name = f"{known.name}, 0x{known:08X}"
    meaning = _MEANING.get(known)
    if meaning == _NO_PCSCD:
        return meaning
    return f"{meaning} ({name})" if meaning else name


def error_for(call: str, code: int, *, opening: bool) -> DriverError:
    """Name the failure of `call` by the retry policy that fits its result code.

    Only a call that opens a context or a card can be refused.
    """
    if code == Code.SCARD_W_SECURITY_VIOLATION:
        if opening:
            return AccessDeniedError(f"{call}: {explain(code)}")
        # A pcscd that stops resets its connections, which its library reports so.
        code = Code.SCARD_F_COMM_ERROR
    return ScardError(call, code)

"""PC/SC calls to a reader itself, whether or not a card lies on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from drivers.readers.pcsc_codes import Code, ScardError, error_for
from drivers.readers.pcsc_scard import CODE_MASK, Scard
from drivers.readers.pcsc_turns import EXCHANGE_S, TURNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drivers.readers.pcsc_scard import Context

ESCAPE: Final = 3500  # IOCTL_SMARTCARD_VENDOR_IFD_EXCHANGE of libccid and libacsccid

# A driver that does not know escapes says the first; libccid and libacsccid, which
# know them and do not allow them, come out as the second. So does a broken line.
REFUSALS: Final = (Code.SCARD_E_UNSUPPORTED_FEATURE, Code.SCARD_E_NOT_TRANSACTED)


class NotEscapedError(ScardError):
    """An escape command failed in the way of one that is not allowed."""


class EscapingScard(Scard):
    """The calls of a reader driver, and escape commands."""

    __slots__ = ()

    @classmethod
    def load(cls) -> EscapingScard:
        """Load pyscard, as a reader driver does."""
        return cast("EscapingScard", super().load())  # It makes what it is called on

    @contextmanager
    def escaping(
        self, context: Context, reader: str
    ) -> Iterator[Callable[[bytes], bytes]]:
        """Give the call that sends an escape command; the card is not touched."""
        lib = self._library

        def exchange(command: bytes) -> bytes:
            control = lib.SCARD_CTL_CODE(ESCAPE)
            with TURNS.take(EXCHANGE_S):
                code, answer = lib.SCardControl(handle, control, list(command))
            failure = code & CODE_MASK
            if failure in REFUSALS:
                raise NotEscapedError("SCardControl", failure)
            if failure:
                raise error_for("SCardControl", failure, opening=False)
            return bytes(answer)

        # pcscd counts it among those that share: it locks nobody out.
        with self._connected(context, reader, lib.SCARD_SHARE_DIRECT, 0) as (handle, _):
            yield exchange

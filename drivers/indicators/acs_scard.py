"""PC/SC calls to a reader itself, whether or not a card lies on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from drivers.errors import UnsupportedDeviceError
from drivers.readers.pcsc_codes import Code, error_for, explain
from drivers.readers.pcsc_scard import CODE_MASK, Scard
from drivers.readers.pcsc_turns import EXCHANGE_S, TURNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drivers.readers.pcsc_scard import Context

# PC/SC part 10. The control code of escapes differs: libccid has SCARD_CTL_CODE(1) and
# names it only where escapes are allowed, libacsccid has 3500 as well, for everybody.
CM_IOCTL_GET_FEATURE_REQUEST: Final = 3400
FEATURE_CCID_ESC_COMMAND: Final = 0x13
CONTROL_CODE_BYTES: Final = 4

# What drivers say that have no list of features, which the reader is not asked for.
NO_FEATURES: Final = (Code.SCARD_E_UNSUPPORTED_FEATURE, Code.SCARD_E_NOT_TRANSACTED)


class NotEscapedError(UnsupportedDeviceError):
    """The reader's driver lets no escape command through; says how that showed."""


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
            failure, answer = self._control(handle, self._escape_code(handle), command)
            if failure:
                raise error_for("SCardControl", failure, opening=False)
            return answer

        # pcscd counts it among those that share: it locks nobody out.
        with self._connected(context, reader, lib.SCARD_SHARE_DIRECT, 0) as (handle, _):
            yield exchange

    def _escape_code(self, handle: int) -> int:
        """Ask the driver, not the reader, under which code it takes escapes."""
        code = self._library.SCARD_CTL_CODE(CM_IOCTL_GET_FEATURE_REQUEST)
        failure, features = self._control(handle, code, b"")
        if failure in NO_FEATURES:
            raise NotEscapedError(explain(failure))
        if failure:
            raise error_for("SCardControl", failure, opening=False)
        escape = find_feature(features, FEATURE_CCID_ESC_COMMAND)
        if escape is None:
            raise NotEscapedError("it does not offer FEATURE_CCID_ESC_COMMAND")
        return escape

    def _control(self, handle: int, code: int, command: bytes) -> tuple[int, bytes]:
        with TURNS.take(EXCHANGE_S):
            result, answer = self._library.SCardControl(handle, code, list(command))
        return result & CODE_MASK, bytes(answer)


def find_feature(features: bytes, tag: int) -> int | None:
    """Find the control code of a feature among tags, lengths and values."""
    while len(features) > 1:
        found, length = features[:2]
        value, features = features[2 : 2 + length], features[2 + length :]
        if found == tag and len(value) == CONTROL_CODE_BYTES:
            return int.from_bytes(value, "big")
    return None

"""Reading the uid of a card: GET DATA of PC/SC part 3, and a thread to wait in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from drivers.errors import AccessDeniedError
from drivers.readers.base import CardArrived, CardUnreadable, Technology
from drivers.readers.pcsc_codes import Code, ScardError
from drivers.readers.uids import UnreadableCardError, byte_0_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.pcsc_scard import Scard

GET_UID: Final = bytes.fromhex("FF CA 00 00 00")
SW_OK: Final = bytes.fromhex("90 00")
SW1_WRONG_LE: Final = 0x6C  # The right Le is in SW2

# ATR of a contactless storage card: the tag and length of its application
# identifier, the RID of the PC/SC workgroup, then the byte that names the standard.
STORAGE_CARD: Final = bytes.fromhex("4F 0C A0 00 00 03 06")
ISO15693_PARTS: Final = range(0x09, 0x0D)  # Parts 1 to 4 of ISO/IEC 15693

TRIES: Final = 5  # Of a card that answers wrongly, as one that moves does
RETRY_S: Final = 0.1

Outcome = CardArrived | CardUnreadable | Exception


def read_uid(transmit: Callable[[bytes], bytes]) -> bytes:
    """Ask for the uid, as the reader gives it; UnreadableCardError without one."""
    answer = transmit(GET_UID)
    if answer[:1] == bytes([SW1_WRONG_LE]) and len(answer) == len(SW_OK):
        answer = transmit(GET_UID[:-1] + answer[1:])
    if not answer:
        raise UnreadableCardError(
            "torn: the card moved while it was read; hold it still"
        )
    uid, status = answer[:-2], answer[-2:]
    if status != SW_OK:
        # Two bytes are a status word; more could be the card number without one.
        got = f"{status.hex(' ').upper()}" if not uid else f"{len(answer)} other bytes"
        raise UnreadableCardError(f"expected a uid and status 90 00, got {got}")
    if not uid:
        raise UnreadableCardError("expected a uid, got status 90 00 alone")
    return uid


def technology_of(atr: bytes) -> Technology:
    """Name the card's standard by its ATR (PC/SC part 3, contactless storage cards)."""
    _, _, standard = atr.partition(STORAGE_CARD)
    if standard and standard[0] in ISO15693_PARTS:
        return Technology.ISO15693
    return Technology.ISO14443


class Reading:
    """One card being read, in a thread of its own with a context of its own.

    A card that never answers blocks its thread until it is taken away, so the thread
    is never waited for. `done` is called in it, once, unless cancelled before.
    """

    def __init__(
        self,
        scard: Scard,
        reader: str,
        done: Callable[[Reading, Outcome], None],
        monotonic: Callable[[], float],
    ) -> None:
        #: Why there is no uid yet.
        self.obstacle = "the card does not answer"
        #: How much pcscd had counted when it was read.
        self.count = 0
        self._scard = scard
        self._reader = reader
        self._done = done
        self._monotonic = monotonic
        self._tries_left = TRIES
        self._cancelled = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"pcsc-card {reader}", daemon=True
        )

    @property
    def runs(self) -> bool:
        """Whether the thread has not ended; it may be stuck."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Lose interest in the outcome."""
        self._cancelled.set()

    def _run(self) -> None:
        outcome = self._outcome()
        while outcome is None and not self._cancelled.wait(RETRY_S):
            outcome = self._outcome()
        if outcome is not None and not self._cancelled.is_set():
            self._done(self, outcome)

    def _outcome(self) -> Outcome | None:
        """Try once; None asks for another try."""
        final: Outcome
        try:
            return self._read()
        except AccessDeniedError as err:
            # A pcscd that is about to stop refuses, too, and then this is cancelled.
            final = err
        except (UnreadableCardError, ScardError) as err:
            self.obstacle = str(err)
            if _is_held_elsewhere(err):
                return None  # For how long is up to the caller
            final = CardUnreadable(self.obstacle, self._monotonic(), self._reader)
        except Exception as err:  # noqa: BLE001 - raised again by events()
            return err
        self._tries_left -= 1
        return None if self._tries_left > 0 else final

    def _read(self) -> CardArrived:
        with (
            self._scard.context() as context,
            self._scard.card(context, self._reader) as card,
        ):
            technology = technology_of(card.atr)
            uid = byte_0_first(read_uid(card.transmit), technology)
            self.count = card.count
        return CardArrived(uid, technology, self._monotonic(), self._reader)


def _is_held_elsewhere(err: Exception) -> bool:
    return isinstance(err, ScardError) and err.code == Code.SCARD_E_SHARING_VIOLATION

"""Showing one light on every reader that is meant; blocks, so for a thread."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from drivers.errors import DeviceGoneError, DriverError
from drivers.indicators.acs_commands import NoCardError, dialect_of
from drivers.indicators.acs_permission import WITHOUT_ESCAPES
from drivers.indicators.acs_scard import NotEscapedError
from drivers.readers.pcsc_codes import Code, ScardError
from drivers.readers.pcsc_listing import explain_missing
from drivers.readers.pcsc_names import matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.indicators.acs_commands import Exchange, Light, Model
    from drivers.indicators.acs_scard import EscapingScard

HOW_TO_ALLOW: Final = (
    "set ifdDriverOptions to 0x0001 in libccid's Info.plist (/etc/libccid_Info.plist, "
    "or ifd-ccid.bundle/Contents in /usr/lib/pcsc/drivers) and restart pcscd"
)

NO_CARD: Final = (
    Code.SCARD_E_NO_SMARTCARD,
    Code.SCARD_E_PROTO_MISMATCH,
    Code.SCARD_E_NOT_TRANSACTED,
    Code.SCARD_W_UNRESPONSIVE_CARD,
    Code.SCARD_W_UNPOWERED_CARD,
    Code.SCARD_W_RESET_CARD,
    Code.SCARD_W_REMOVED_CARD,
)


class Way(StrEnum):
    """How a reader is told."""

    AUTO = "auto"
    APDU = "apdu"
    ESCAPE = "escape"


class Shown(Enum):
    """What became of a light, from best to worst."""

    BY_ESCAPE = 0
    BY_APDU = 1
    NO_CARD = 2  # Through which it could be told
    BUSY = 3  # Another program has the reader for itself


class Link:
    """The readers that match; `card_beep` is theirs, None to leave it as it is."""

    def __init__(
        self,
        match: str,
        model: Model,
        way: Way,
        *,
        card_beep: bool | None,
        load: Callable[[], EscapingScard],
    ) -> None:
        self._match = match
        self._model = model
        self._way = way
        self._card_beep = card_beep
        self._load = load
        #: Readers that were told of `card_beep` and have not failed since.
        self._prepared: set[str] = set()

    def put(self, light: Light) -> Shown:
        """Show it on each of them; tell the worst that became of it.

        One that fails does not keep the others from being told.
        """
        scard = self._load()
        with scard.context() as context:
            attached = scard.list_readers(context)
        readers = [name for name in attached if matches(name, self._match)]
        self._prepared &= set(readers)
        if not readers:
            raise DeviceGoneError(explain_missing(self._match, attached))
        became: list[Shown] = []
        failures: list[DriverError] = []
        for reader in readers:
            try:
                became.append(self._put_on(scard, reader, light))
            except DriverError as err:
                self._prepared.discard(reader)
                failures.append(err)
        if failures:
            raise failures[0]
        return max(became, key=lambda shown: shown.value)

    def _put_on(self, scard: EscapingScard, reader: str, light: Light) -> Shown:
        try:
            match self._way:
                case Way.APDU:
                    return self._by_apdu(scard, reader, light)
                case Way.ESCAPE:
                    return self._by_escape(scard, reader, light)
                case Way.AUTO:
                    return self._by_either(scard, reader, light)
        except ScardError as err:
            if err.code == Code.SCARD_E_SHARING_VIOLATION:
                return Shown.BUSY
            raise

    def _by_either(self, scard: EscapingScard, reader: str, light: Light) -> Shown:
        """Escape, which leaves cards alone, and else through a card."""
        try:
            return self._by_escape(scard, reader, light)
        except (NotEscapedError, ScardError):
            shown = self._by_apdu(scard, reader, light)
            if shown is Shown.NO_CARD:
                raise
            return shown

    def _by_apdu(self, scard: EscapingScard, reader: str, light: Light) -> Shown:
        try:
            with scard.context() as context, scard.card(context, reader) as card:
                self._tell(reader, card.transmit, light, escape=False)
        except NoCardError:
            return Shown.NO_CARD
        except ScardError as err:
            if err.code in NO_CARD:
                return Shown.NO_CARD
            raise
        return Shown.BY_APDU

    def _by_escape(self, scard: EscapingScard, reader: str, light: Light) -> Shown:
        try:
            with (
                scard.context() as context,
                scard.escaping(context, reader) as exchange,
            ):
                self._tell(reader, exchange, light, escape=True)
        except NotEscapedError as err:
            raise NotEscapedError(
                f"{reader}: its driver lets no escape command through ({err}); "
                f"{HOW_TO_ALLOW}, {WITHOUT_ESCAPES}"
            ) from err
        return Shown.BY_ESCAPE

    def _tell(
        self, reader: str, exchange: Exchange, light: Light, *, escape: bool
    ) -> None:
        dialect = dialect_of(self._model, escape=escape)
        dialect.show(exchange, light)
        if self._card_beep is not None and reader not in self._prepared:
            dialect.set_card_beep(exchange, on=self._card_beep)
            self._prepared.add(reader)

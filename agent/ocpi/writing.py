"""What we send, written strictly: text, moments and numbers as every version has them.

Whoever cannot write a value raises ValueError, which names the field and the rule and
never the value.
"""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, Struct

from agent.domain.instant import ocpi_datetime
from agent.domain.tokens import TokenType
from agent.ocpi.quirks import Quirk

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent.domain.instant import Instant

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_SECOND: Final = timedelta(seconds=1)
_FOUR_DECIMALS: Final = Decimal("0.0001")
_MAX_URL: Final = 255
#: Letters that are not another one with an accent, and what people write for them.
_PLAIN_LETTERS: Final = str.maketrans(
    dict(zip("øØłŁđĐðþ", "oOlLdDdt", strict=True))
    | {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
)


class Written(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An object of ours on the wire, with every field of its table, in its order.

    Absent fields are None, or empty where there may be many; those that are UNSET are
    not in the table.
    """


def encode(written: Struct, quirks: Collection[Quirk] = ()) -> bytes:
    """Write an object; absent fields are left out unless the server wants to see them.

    Then they are null, and those that may hold many are empty.
    """
    if Quirk.EXPLICIT_NULLS in quirks:
        return _ENCODER.encode(_spell_out(written))
    return _ENCODER.encode(written)


def _spell_out(value: object) -> object:
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return {
            name: _spell_out(inner)
            for name, inner in fields.items()
            if inner is not UNSET
        }
    return [_spell_out(inner) for inner in value] if isinstance(value, tuple) else value


# ---- text --------------------------------------------------------------------


def identifier(field: str, value: str, most: int = 36) -> str:
    """Check a CiString, or what identifies something: it is right or it is not."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{field}: expected printable ASCII")
    if not 1 <= len(value) <= most:
        raise ValueError(f"{field}: expected 1 to {most} characters, got {len(value)}")
    return value


def optional_identifier(field: str, value: str | None, most: int = 36) -> str | None:
    """Check a CiString that may be absent."""
    return identifier(field, value, most) if value else None


def text(value: str | None, most: int, *, is_ascii: bool = False) -> str | None:
    """Shorten words to what there is room for; None if nothing is left.

    `is_ascii` as OCPI 2.1.1 has it: accents are lost.
    """
    words = value or ""
    if is_ascii:
        decomposed = unicodedata.normalize("NFKD", words.translate(_PLAIN_LETTERS))
        words = "".join(char for char in decomposed if not unicodedata.combining(char))
        words = words.encode("ascii", "replace").decode()
    words = "".join(char if char.isprintable() else " " for char in words)
    return " ".join(words.split())[:most].rstrip() or None


def required_text(
    field: str, value: str | None, most: int, *, is_ascii: bool = False
) -> str:
    """Shorten words that must not be missing."""
    if (words := text(value, most, is_ascii=is_ascii)) is None:
        raise ValueError(f"{field}: expected some text, got none")
    return words


def url(field: str, value: str) -> str:
    """Check a URL."""
    identifier(field, value, _MAX_URL)
    if " " in value or not value.startswith(("http://", "https://")):
        raise ValueError(f"{field}: expected http:// or https:// and no spaces")
    return value


def language(value: str | None) -> str | None:
    """Write an ISO 639-1 code; what a server made up instead is dropped."""
    code = (value or "").lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None  # noqa: PLR2004 - see above


def token_type(kind: TokenType, known: Collection[TokenType]) -> str:
    """Name a type in a version that has only these."""
    return kind if kind in known else TokenType.OTHER


# ---- moments and numbers -----------------------------------------------------


def date_time(moment: Instant) -> str:
    """Write a moment: whole seconds and Z."""
    return ocpi_datetime(moment.wall)


def hours(duration: timedelta) -> Decimal:
    """Write a length of time in hours."""
    return number(Decimal(duration // _SECOND) / 3600)


def number(value: Decimal) -> Decimal:
    """Write a number with as few decimals as it needs, and at most OCPI's four."""
    rounded = value.quantize(_FOUR_DECIMALS, ROUND_HALF_UP)
    return Decimal(f"{rounded:f}".rstrip("0").rstrip("."))


def degrees(field: str, value: str, most: int) -> str:
    """Write a coordinate with the six decimals that every version accepts."""
    try:
        angle = Decimal(value)
    except InvalidOperation as err:
        raise ValueError(f"{field}: expected decimal degrees") from err
    if not (angle.is_finite() and abs(angle) <= most):
        raise ValueError(f"{field}: expected degrees from -{most} to {most}")
    return f"{angle:.6f}"

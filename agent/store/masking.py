"""Texts that may contain a card number, kept without it.

A contract id or a visual number often repeats the card number: as it is, with its
bytes reversed, or as the decimal that is printed on the card. In the text that is
stored a mark stands in its place, which says how it was spelled and not what it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.domain.uid import Uid, respell, spelling_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_START, _END = "\x01", "\x02"
_AS_IS, _REVERSED, _DECIMAL, _REVERSED_DECIMAL = "=", "r", "d", "e"
_MARKED = re.compile(f"{_START}(.)([^{_END}]*){_END}")
_SEPARATORS = " :-.\t\r\n"  # Those that `Uid.parse` folds
_BETWEEN_DIGITS = f"[{re.escape(_SEPARATORS)}]*"
_SEPARATOR_BYTES = _SEPARATORS.encode()
_SHORTEST_DECIMAL = 8  # Anything shorter stands in half of all texts by chance
_HEX_DIGITS = b"0123456789ABCDEFabcdef"
_TO_SHAPE = bytes(ord("0") if byte in _HEX_DIGITS else ord("-") for byte in range(256))


def forms_of(uid: str) -> dict[str, str]:
    """Every way a canonical uid could be written, by the letter of its mark."""
    if not uid:
        return {}
    forms = {_AS_IS: uid}
    try:
        raw = bytes.fromhex(uid)
    except ValueError:
        return forms
    forms[_REVERSED] = raw[::-1].hex().upper()
    for letter, value in ((_DECIMAL, raw), (_REVERSED_DECIMAL, raw[::-1])):
        decimal = str(int.from_bytes(value))
        if len(decimal) >= _SHORTEST_DECIMAL:
            forms[letter] = decimal
    return forms


def forms_in(text: str, uid: str) -> dict[str, str]:
    """The forms of a canonical uid, or none if this text can hold none of them.

    Nearly no text can, and a list has many, so a glance comes first: where there is no
    row of hex digits as long as the uid there is none of its forms. Its decimals are
    longer still, unless the number begins with a zero byte.
    """
    is_plain = uid.isalnum() and uid.isascii() and text.isascii()
    begins_with_zero = uid.startswith("00") or uid.endswith("00")
    if is_plain and not begins_with_zero and _shape(uid) not in _shape(text):
        return {}
    return forms_of(uid)


def mask(text: str, forms: Mapping[str, str]) -> str:
    """Take the card number out of a text, in any case and with any separators."""
    if not forms:
        return text
    folded = Uid.parse(text).value
    for letter, form in forms.items():
        if form in folded:
            number = re.compile(
                _BETWEEN_DIGITS.join(map(re.escape, form)), re.IGNORECASE
            )
            text = number.sub(
                lambda match, letter=letter: (  # type: ignore[misc] # inferred loosely
                    f"{_START}{letter}{spelling_of(match[0])}{_END}"
                ),
                text,
            )
            folded = Uid.parse(text).value
    return text


def unmask(text: str, uid: Uid) -> str:
    """Put the card number back in, spelled as it was."""
    if _START not in text:
        return text
    forms = forms_of(uid.value)
    return _MARKED.sub(lambda match: respell(Uid(forms[match[1]]), match[2]), text)


def veil(text: str) -> str:
    """Show that a card number stands there, not which."""
    return _MARKED.sub("…", text)


def _shape(text: str) -> bytes:
    """Tell hex digits from everything else, separators left out."""
    return text.encode().translate(_TO_SHAPE, _SEPARATOR_BYTES)

"""Strict reading of TOML tables: every mistake, each with its place and its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)
from urllib.parse import urlsplit

import msgspec

from agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
_LONGEST = timedelta(days=366)
_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    Path: "a path",
    timedelta: 'a duration such as "2s"',
}
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


#: The inner tables whose values are never shown.
SECRET_KEYS = ("token", "client_key", "proxy_login")


class Place(NamedTuple):
    """A table of the file: its name, its number among its like, an inner table."""

    table: str
    number: int = 0
    key: str = ""

    def __str__(self) -> str:
        if not self.number:
            return f"[{self.table}]"
        return f"[[{self.table}]] number {self.number}"


@dataclass
class Mistakes:
    """Everything wrong with one file; `text` is its source, for line numbers."""

    path: Path
    text: str
    found: list[str] = field(default_factory=list)

    def add(self, place: Place, key: str, problem: str, value: object = ...) -> None:
        """Note a mistake; `value` is shown when it is given."""
        line = _find_line(self.text, place, key)
        where = f"{self.path}:{line}" if line else str(self.path)
        shown = "" if value is ... else f" = {_show(value)}"
        what = f"{place} {key}" if key else f"{place}"
        self.found.append(f"{where}: {what}{shown}: {problem}")

    def add_table(self, name: str, known: Iterable[str]) -> None:
        """Note a table that does not exist."""
        line = _find_line(self.text, Place(name), "")
        where = f"{self.path}:{line}" if line else str(self.path)
        self.found.append(f"{where}: [{name}]: {_unknown(name, known)}")

    def raise_if_any(self) -> None:
        """Raise one ConfigError that lists all of them."""
        if self.found:
            raise ConfigError("\n".join(self.found))


def read_struct(
    cls: type[T],
    table: Mapping[str, Any],
    place: Place,
    mistakes: Mistakes,
    *,
    base_dir: Path,
) -> T | None:
    """Read a table into a Struct or dataclass; None if anything in it is wrong.

    Durations are texts like "2s"; relative paths are taken from `base_dir`. A field
    that is a dataclass is a table, read in the same way. A dataclass may refuse its
    values together, with a ValueError that names the key.
    """
    prefix = f"{place.key}." if place.key else ""
    known = _fields_of(cls)
    before = len(mistakes.found)
    for key in sorted(table.keys() - known.keys()):
        mistakes.add(place, prefix + key, _unknown(key, known))
    values = {}
    for key, (kind, required) in known.items():
        if key in table:
            values[key] = _read_value(
                table[key], kind, place, prefix + key, mistakes, base_dir=base_dir
            )
        elif required:
            mistakes.add(place, prefix + key, f"missing; expected {_describe(kind)}")
    if len(mistakes.found) > before:
        return None
    try:
        return cls(**values)
    except ValueError as err:
        key, _, problem = str(err).partition(": ")
        if key not in known:
            key, problem = "", str(err)
        mistakes.add(place, (prefix + key).removesuffix("."), problem)
    return None


def _read_value(  # noqa: PLR0913 - what read_struct knows
    value: object,
    kind: Any,  # noqa: ANN401 - any field type
    place: Place,
    key: str,
    mistakes: Mistakes,
    *,
    base_dir: Path,
) -> Any:  # noqa: ANN401 - of that type, or None after a mistake
    kind = _without_none(kind)
    inner = _bare(kind)
    if isinstance(value, dict) and _is_table(inner):
        return read_struct(
            inner, value, place._replace(key=key), mistakes, base_dir=base_dir
        )
    try:
        return _convert(value, kind, base_dir)
    except ValueError as err:
        is_secret = place.key in SECRET_KEYS or _extra(kind, "secret")
        mistakes.add(place, key, str(err), ... if is_secret else value)
        return None


def parse_duration(text: object) -> timedelta:
    """Read "500ms", "2s", "5min", "1h" or "1d"; ValueError says so."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('expected a duration such as "500ms", "2s", "5min" or "1h"')
    try:
        duration = float(match[1]) * _UNITS[match[2]]
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError("expected a duration of at most a year")
    return duration


def _fields_of(cls: type[Any]) -> dict[str, tuple[Any, bool]]:
    """Name, type and whether required, of a Struct's or dataclass's fields."""
    hints = get_type_hints(cls, include_extras=True)
    if is_dataclass(cls):
        names = {
            item.name: item.default is item.default_factory  # Both are MISSING.
            for item in fields(cls)
        }
    else:
        names = {item.name: item.required for item in msgspec.structs.fields(cls)}
    return {name: (hints[name], required) for name, required in names.items()}


def _is_table(kind: Any) -> bool:  # noqa: ANN401 - any field type
    return isinstance(kind, type) and (
        is_dataclass(kind) or issubclass(kind, msgspec.Struct)
    )


def _convert(value: object, kind: Any, base_dir: Path) -> Any:  # noqa: ANN401 - any field type
    kind = _without_none(kind)
    if _bare(kind) is timedelta:
        duration = parse_duration(value)
        if not duration and not _extra(kind, "may_be_zero"):
            raise ValueError("expected a duration longer than zero")
        return duration

    if _extra(kind, "amount"):
        return _read_amount(value, kind)

    def read_path(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str) and "\0" not in value:
            return base_dir / value
        raise ValueError("expected a path")

    try:
        read = msgspec.convert(value, kind, dec_hook=read_path)
    except msgspec.ValidationError as err:
        raise ValueError(f"expected {_describe(kind)}") from err
    (item,) = get_args(kind) if get_origin(kind) is list else (kind,)
    if _extra(item, "url"):
        for url in read if isinstance(read, list) else [read]:
            _check_url(url, item)
    return read


def _check_url(text: str, kind: Any) -> None:  # noqa: ANN401 - any field type
    """Find what a pattern cannot know: a port that there is not, half an address."""
    try:
        urlsplit(text if "://" in text else f"//{text}").port  # noqa: B018 - raises it
    except ValueError as err:
        raise ValueError(f"expected {_describe(kind)}: {err}") from err


def _read_amount(value: object, kind: Any) -> Decimal:  # noqa: ANN401 - any field type
    """Read a number that must not be a binary fraction, so text or a whole one."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        match = _AMOUNT.fullmatch(str(value))
        if match is not None:
            return Decimal(match[0])
    raise ValueError(f"expected {_describe(kind)}")


def _without_none(kind: Any) -> Any:  # noqa: ANN401 - any field type
    """Take the type of what may be left out; TOML cannot write nothing."""
    if NoneType not in get_args(kind):
        return kind
    (only,) = (arg for arg in get_args(kind) if arg is not NoneType)
    return only


def _bare(kind: Any) -> Any:  # noqa: ANN401 - any field type
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _extra(kind: Any, name: str) -> bool:  # noqa: ANN401 - any field type
    """Look for a mark that the schema has put on a type."""
    return any(
        isinstance(meta, msgspec.Meta) and bool((meta.extra or {}).get(name))
        for meta in getattr(kind, "__metadata__", ())
    )


def _describe(kind: Any) -> str:  # noqa: ANN401 - any field type
    """Say what would be right, in the words of the schema."""
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    kind = _bare(kind)
    choices = [choice.value for choice in getattr(kind, "__members__", {}).values()]
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
    if choices:
        return "one of " + ", ".join(f'"{choice}"' for choice in choices)
    if get_origin(kind) in (list, tuple):
        return f"a list, each {_describe(get_args(kind)[0])}"
    parts = [_describe(arg) for arg in get_args(kind) if arg is not type(None)]
    return _WORDS.get(kind) or " or ".join(parts) or "a table"


def _unknown(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key, known, n=1)
    if close:
        return f"unknown; did you mean {close[0]}?"
    return f"unknown; known are {', '.join(known) or 'none'}"


def _show(value: object) -> str:
    """Print a value as TOML would, shortened."""
    # JSON's escapes are TOML's, and keep control characters from the terminal.
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - one line


def _find_line(text: str, place: Place, key: str) -> int | None:
    """Find the line of a key, or of its table's header when the key is missing."""
    wanted = key.partition(".")[0]
    seen = 0
    inside = False
    header: int | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _HEADER.match(line):
            seen += match[2] == place.table
            inside = match[2] == place.table and seen == max(place.number, 1)
            header = number if inside else header
        elif inside and (match := _KEY.match(line)) and match[1] == wanted:
            return number
    return header

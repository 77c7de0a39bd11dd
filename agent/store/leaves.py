"""Table rows out of single pages, without the tree above them and without a schema.

A table's rows lie on its leaf pages. Those are found by looking at every page, so that
a broken header, schema or inner page loses nothing (the "SQLite Database File Format",
sections 1.6, 2 and 2.1).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.store.pages import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from agent.store.pages import Pages

Value = int | float | str | bytes | None

_TABLE_LEAF: Final = 13
#: Zero is an overflow page, a free one, or one that is not in use.
_OTHER_PAGES: Final = (0, 2, 5, 10)
_LEAF_HEADER: Final = struct.Struct(">BHHHB")
MAX_ROW_BYTES: Final = 256 * 1024  # A row of ours has a thousand
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8)
_FLOAT, _ZERO, _ONE, _FIRST_BLOB = 7, 8, 9, 12  # Serial types


class Row(NamedTuple):
    """One row; the column that is an alias of the rowid holds None."""

    rowid: int
    values: tuple[Value, ...]


class Leaves:
    """Reads pages and remembers which of them, and how many rows, were unreadable."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._broken_rows: dict[int, int] = {}
        self._broken_pages: set[int] = set()

    @property
    def broken_rows(self) -> int:
        """How many rows were found that make no sense."""
        return sum(self._broken_rows.values())

    @property
    def broken_pages(self) -> int:
        """How many pages hold nothing that could be taken for a page."""
        return len(self._broken_pages)

    def rows(self, number: int, widths: Collection[int]) -> Iterator[Row]:
        """Read a page's rows if their number of columns is one of these."""
        page = self._pages.read(number)
        offsets = None if page is None else _cell_offsets(page, number)
        if page is None or offsets is None:
            self._broken_pages.add(number)
            return
        broken = 0
        read = False
        for offset in offsets:
            try:
                row = _read_cell(page, offset, self._pages)
            except ValueError:
                broken += 1
                continue
            if len(row.values) not in widths:
                return  # All rows of a page are rows of one table.
            read = True
            yield row
        if broken and not read:
            self._broken_pages.add(number)
        elif broken:
            self._broken_rows[number] = broken


def _cell_offsets(page: bytes, number: int) -> list[int] | None:
    """Find where the rows of a leaf begin; None if this is no page at all."""
    if number == 1:  # It begins with the file's header and holds the schema.
        return [] if page.startswith(HEADER) else None
    if page[0] in _OTHER_PAGES:
        return []
    if page[0] != _TABLE_LEAF or len(page) < _LEAF_HEADER.size:
        return None
    _, _, cells, _, _ = _LEAF_HEADER.unpack_from(page)
    if _LEAF_HEADER.size + 2 * cells > len(page):
        return None
    return list(struct.unpack_from(f">{cells}H", page, _LEAF_HEADER.size))


def _read_cell(page: bytes, offset: int, pages: Pages) -> Row:
    """Read the row that begins there; raise ValueError if there is none."""
    length, offset = _read_varint(page, offset)
    rowid, offset = _read_varint(page, offset)
    if not 0 < length <= MAX_ROW_BYTES:
        raise ValueError(f"expected a row, got a length of {length}")
    local = _local_bytes(length, pages.page_bytes)
    record = page[offset : offset + local]
    if local < length:
        record += _read_overflow(page, offset + local, length - local, pages.read)
    return Row(rowid - (rowid >> 63 << 64), _read_record(record))


def _local_bytes(length: int, page_bytes: int) -> int:
    """How much of a row lies on its leaf; the rest overflows (section 1.6)."""
    if length <= page_bytes - 35:
        return length
    least = (page_bytes - 12) * 32 // 255 - 23
    local = least + (length - least) % (page_bytes - 4)
    return local if local <= page_bytes - 35 else least


def _read_overflow(
    page: bytes, offset: int, missing: int, read: Callable[[int], bytes | None]
) -> bytes:
    """Follow the chain of pages that holds the rest of a row."""
    rest = b""
    number = int.from_bytes(page[offset : offset + 4])
    while missing > len(rest):
        if number == 0 or (next_page := read(number)) is None:
            raise ValueError(f"expected {missing} bytes of overflow, got {len(rest)}")
        rest += next_page[4:]
        number = int.from_bytes(next_page[:4])
    return rest[:missing]


def _read_record(record: bytes) -> tuple[Value, ...]:
    header_bytes, offset = _read_varint(record, 0)
    if not offset <= header_bytes <= len(record):
        raise ValueError(f"expected a header, got a length of {header_bytes}")
    kinds = []
    while offset < header_bytes:
        kind, offset = _read_varint(record, offset)
        kinds.append(kind)
    values = []
    for kind in kinds:
        end = offset + _value_bytes(kind)
        values.append(_read_value(kind, record[offset:end]))
        offset = end
    if offset != len(record):
        raise ValueError(f"expected a row of {offset} bytes, got {len(record)}")
    return tuple(values)


def _value_bytes(kind: int) -> int:
    if kind < _FLOAT:
        return _INTEGER_BYTES[kind]
    if kind >= _FIRST_BLOB:
        return (kind - _FIRST_BLOB) // 2
    return {_FLOAT: 8, _ZERO: 0, _ONE: 0}.get(kind, -1)


def _read_value(kind: int, raw: bytes) -> Value:
    """Decode a value; a kind that is reserved, or text that is none, is ValueError."""
    if kind == 0:
        return None
    if kind < _FLOAT:
        return int.from_bytes(raw, signed=True)
    if kind == _FLOAT:
        (number,) = struct.unpack(">d", raw.ljust(8, b"\0"))
        return float(number)
    if kind in (_ZERO, _ONE):
        return kind - _ZERO
    if kind < _FIRST_BLOB:
        raise ValueError(f"expected a kind of value, got {kind}")
    return raw.decode() if kind % 2 else raw


def _read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """Read a number of one to nine bytes, unsigned; give also where it ends."""
    number = 0
    # Of nine bytes the last counts whole, of fewer the last has no highest bit.
    for place, byte in enumerate(data[offset : offset + 8], start=1):
        number = number << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the highest bit
            return number, offset + place
    if len(data) < offset + 9:
        raise ValueError("expected a number, got the end of the page")
    return number << 8 | data[offset + 8], offset + 9

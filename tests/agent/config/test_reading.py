"""Strict reading of tables, whatever they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.loading import _TABLES, _Loader
from agent.config.reading import Mistakes, Place, parse_duration, read_struct
from agent.config.schema import (
    AuthorizationConfig,
    ClockConfig,
    EvseConfig,
    ReaderConfig,
    ReportingConfig,
    ServerConfig,
    StationConfig,
    TariffConfig,
)
from agent.config.upstream import SecretSource, UpstreamConfig

SCHEMAS = (
    StationConfig,
    AuthorizationConfig,
    ReportingConfig,
    ClockConfig,
    TariffConfig,
    ServerConfig,
    EvseConfig,
    ReaderConfig,
    UpstreamConfig,
    SecretSource,
)
KEYS = sorted(
    {name for schema in SCHEMAS for name in schema.__struct_fields__}
    | {"driver", "path", "control", "log", "match", "card_timeout", "x"}
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.datetimes()
    | st.text(max_size=8)
    | st.sampled_from(["2s", "SE", "ABC", "pipe", "none", "simulated", "a\0b", "/"])
    | st.sampled_from(["39.5", "http://a:1", "https://[b", "[::1]:80", "a:99999"])
)


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Put values into the tables and lists that TOML can hold."""
    return st.lists(values, max_size=3) | st.dictionaries(
        st.sampled_from(KEYS) | st.text(max_size=5), values, max_size=5
    )


ANYTHING = st.recursive(VALUES, nested, max_leaves=12)
FILES = st.dictionaries(
    st.sampled_from(_TABLES) | st.text(max_size=5), ANYTHING, max_size=6
)


@given(FILES)
def test_no_table_is_more_than_a_mistake(tables: dict[str, Any]) -> None:
    """Whatever a file holds, it is read, or all that is wrong is said."""
    found = Mistakes(Path("/nowhere/config.toml"), "")
    config = _Loader(tables, found, None).load()

    assert config is not None or found.found


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
@given(table=st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8))
def test_a_table_is_read_whole_or_not_at_all(
    schema: type[Any], table: dict[str, Any]
) -> None:
    """There is a result exactly if there is no mistake."""
    found = Mistakes(Path("config.toml"), "")

    read = read_struct(schema, table, Place("x"), found, base_dir=Path("/base"))

    assert (read is None) == bool(found.found)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("2s", timedelta(seconds=2)),
        ("0.5s", timedelta(milliseconds=500)),
        ("5min", timedelta(minutes=5)),
        ("5 min", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("365d", timedelta(days=365)),
        ("0s", timedelta()),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    """A number and a unit, the space between them free."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "2",
        "2 S",
        "2sec",
        "2s ",
        " 2s",
        "1h30min",
        "-1s",
        "1e3s",
        "2m",
        2,
        None,
        [],
        True,
    ],
)
def test_what_is_no_duration(value: object) -> None:
    """Everything else is refused with examples."""
    with pytest.raises(ValueError, match='"500ms", "2s", "5min" or "1h"'):
        parse_duration(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A table inside a table; its two keys must differ."""

    number: int
    folder: Path = Path("there")
    other: int = 0

    def __post_init__(self) -> None:
        if self.number == self.other:
            raise ValueError(f"other: {self.other} is taken")
        if self.other > self.number:
            raise ValueError("expected number: to be above other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """A driver's table that has one inside."""

    inner: Inner | None = None
    text: str = ""


def read_outer(table: dict[str, Any]) -> tuple[Outer | None, list[str]]:
    """Read it as a charger's table; return it, and what is wrong with it."""
    found = Mistakes(Path("config.toml"), "")
    place = Place("evse", 1, "charger")
    outer = read_struct(Outer, table, place, found, base_dir=Path("/base"))
    return outer, [text.partition("number 1 ")[2] for text in found.found]


def test_a_table_inside_a_table() -> None:
    """A field that is a dataclass is read as its table is, paths and all."""
    outer, mistakes = read_outer({"inner": {"number": 1, "folder": "x"}})

    assert outer == Outer(inner=Inner(number=1, folder=Path("/base/x")))
    assert mistakes == []
    assert read_outer({}) == (Outer(), [])


@pytest.mark.parametrize(
    ("table", "mistakes"),
    [
        ({"inner": 5}, ["charger.inner = 5: expected a table"]),
        ({"inner": {}}, ["charger.inner.number: missing; expected a whole number"]),
        (
            {"inner": {"number": "a"}, "text": 1},
            [
                'charger.inner.number = "a": expected a whole number',
                "charger.text = 1: expected a text",
            ],
        ),
        (
            {"inner": {"number": 1, "numer": 2}},
            ["charger.inner.numer: unknown; did you mean number?"],
        ),
        (
            {"inner": {"number": 1, "other": 1}},
            ["charger.inner.other: 1 is taken"],
        ),
        (
            {"inner": {"number": 1, "other": 2}},
            ["charger.inner: expected number: to be above other"],
        ),
    ],
)
def test_mistakes_inside_a_table(table: dict[str, Any], mistakes: list[str]) -> None:
    """Each has the path of its key; keys that disagree are the table's own mistake."""
    assert read_outer(table) == (None, mistakes)


LINES = """\
# [station]
[station]
party_id = "ABC"

[[evse]]
uid = "E1"
[ [evse] ]
[[evse]]  # the second
  uid = "E2"
charger = { driver = "x" }

[[ reader ]]
name="front"
"""


@pytest.mark.parametrize(
    ("place", "key", "line"),
    [
        (Place("station"), "party_id", 3),
        (Place("station"), "location_id", 2),
        (Place("evse", 1), "uid", 6),
        (Place("evse", 2), "uid", 9),
        (Place("evse", 2), "charger.driver", 10),
        (Place("evse", 2), "meter_id", 8),
        (Place("reader", 1), "name", 13),
        (Place("reader", 2), "name", None),
        (Place("upstream", 1), "name", None),
        (Place("evse"), "", 5),
    ],
)
def test_a_mistake_has_its_line(place: Place, key: str, line: int | None) -> None:
    """The line of the key, else of its table's header, else none."""
    found = Mistakes(Path("config.toml"), LINES)

    found.add(place, key, "wrong")

    where = "config.toml" if line is None else f"config.toml:{line}"
    assert found.found[0].startswith(f"{where}: {place} {key}".rstrip())


def test_a_value_is_shown_in_one_line() -> None:
    """No text breaks the list of mistakes or reaches the terminal raw."""
    found = Mistakes(Path("config.toml"), "")

    found.add(Place("station"), "party_id", "wrong", "A\nB\x1b[31m")

    assert found.found[0].isprintable()

"""The field tables: good objects pass, and every broken rule is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.bad_values import bad_values
from tests.reference.checking import TABLES, check, check_patch
from tests.reference.errata import ERRATA, Erratum
from tests.reference.examples import EXAMPLES, example
from tests.reference.rules import Cardinality, Unchecked

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

OBJECTS = [(version, name) for version, table in TABLES.items() for name in table]
FIELDS = [
    (version, name, field)
    for version, name in OBJECTS
    for field in TABLES[version][name]
]
CHECKED = [
    one
    for one in FIELDS
    if not isinstance(TABLES[one[0]][one[1]][one[2]].rule, Unchecked)
]
REQUIRED = [
    one
    for one in FIELDS
    if TABLES[one[0]][one[1]][one[2]].cardinality in (Cardinality.ONE, Cardinality.SOME)
]


def _with(version: str, name: str, field: str, value: object) -> JsonObject:
    """Put a value in, as a list where the table has one; None stays null."""
    row = TABLES[version][name][field]
    is_single = row.cardinality in (Cardinality.ONE, Cardinality.MAYBE)
    return {**example(version, name), field: value if is_single else [value]}


def _says(problems: list[str], field: str) -> bool:
    return any(
        one.startswith((f"{field}:", f"{field}.", f"{field}[")) for one in problems
    )


@pytest.mark.parametrize(("version", "name"), OBJECTS)
def test_example_is_accepted(version: str, name: str) -> None:
    """A good object of every kind in every version has no problem."""
    assert check(version, name, example(version, name)) == []


def test_every_object_has_an_example() -> None:
    """A table without an example, or the other way round, fails here."""
    for version, table in TABLES.items():
        assert table.keys() == EXAMPLES[version].keys()


@pytest.mark.parametrize(("version", "name", "field"), REQUIRED)
def test_required_field(version: str, name: str, field: str) -> None:
    """Without a required field an object has that one problem."""
    problems = check(version, name, example(version, name, **{field: None}))
    assert problems == [f"{field}: required"]


@pytest.mark.parametrize(("version", "name", "field"), FIELDS)
def test_null(version: str, name: str, field: str) -> None:
    """A null is a problem in every field, required or not."""
    problems = check(version, name, {**example(version, name), field: None})
    assert problems == [f"{field}: null, where it should be absent"]


@pytest.mark.parametrize(("version", "name"), OBJECTS)
def test_unknown_field(version: str, name: str) -> None:
    """A field that the version does not have is a problem."""
    problems = check(version, name, example(version, name, never_heard=1))
    assert problems == ["never_heard: unknown field"]


@pytest.mark.parametrize(("version", "name", "field"), CHECKED)
def test_bad_value(version: str, name: str, field: str) -> None:
    """Each value that breaks the rule of a field is a problem of that field."""
    for value in bad_values(TABLES[version][name][field]):
        problems = check(version, name, _with(version, name, field, value))
        assert _says(problems, field), f"{value!r} was accepted"


@pytest.mark.parametrize(("version", "name", "field"), FIELDS)
def test_list_or_not(version: str, name: str, field: str) -> None:
    """A list where one is due, and one where a list is due, are problems."""
    row = TABLES[version][name][field]
    good = example(version, name)
    if isinstance(row.rule, Unchecked) or field not in good:
        good[field] = "x"
    is_list = row.cardinality in (Cardinality.ANY, Cardinality.SOME)
    if isinstance(row.rule, Unchecked) and not is_list:
        return
    good[field] = "x" if is_list else [good[field]]
    assert _says(check(version, name, good), field)


@pytest.mark.parametrize(
    ("version", "name", "field"),
    [
        one
        for one in FIELDS
        if TABLES[one[0]][one[1]][one[2]].cardinality is Cardinality.SOME
    ],
)
def test_empty_list(version: str, name: str, field: str) -> None:
    """A list of one or more must not be empty."""
    problems = check(version, name, {**example(version, name), field: []})
    assert problems == [f"{field}: expected at least one"]


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda one: f"{one.version} {one.name}")
def test_erratum(erratum: Erratum) -> None:
    """What the official examples got wrong is refused, with the right reason."""
    problems = check(erratum.version, erratum.object_name, erratum.value)
    assert len(problems) == 1
    assert erratum.says in problems[0]


OTHER_VERSIONS: list[tuple[str, str, JsonObject, str]] = [
    ("2.1.1", "Session", {"auth_method": "COMMAND"}, "auth_method: expected"),
    ("2.1.1", "Session", {"status": "RESERVATION"}, "status: expected"),
    ("2.1.1", "Session", {"start_date_time": "2026-03-04T17:00:00Z"}, "unknown field"),
    ("2.1.1", "CDR", {"end_date_time": "2026-03-04T18:30:00Z"}, "unknown field"),
    ("2.1.1", "Token", {"type": "APP_USER"}, "type: expected"),
    ("2.1.1", "Token", {"group_id": "G1"}, "unknown field"),
    ("2.1.1", "AuthorizationInfo", {"token": {}}, "unknown field"),
    ("2.1.1", "Endpoint", {"role": "SENDER"}, "unknown field"),
    ("2.1.1", "CDR", {"total_cost": {"excl_vat": 1}}, "total_cost: expected a number"),
    ("2.2.1", "CdrDimension", {"type": "FLAT"}, "type: expected"),
    ("2.2.1", "Token", {"type": "EMAID"}, "type: expected"),
    ("2.2.1", "LocationReferences", {"connector_ids": ["1"]}, "unknown field"),
    ("2.2.1", "Credentials", {"hub_party_id": "NLHUB"}, "unknown field"),
    ("2.2.1", "Price", {"before_taxes": 1}, "unknown field"),
    ("2.2.1", "Session", {"total_cost": 3.08}, "total_cost: expected an object"),
    ("2.2.1", "CdrLocation", {"country": "NL"}, "country: expected"),
    ("2.3.0", "Price", {"excl_vat": 1}, "unknown field"),
    ("2.3.0", "CredentialsRole", {"role": "HUB"}, "role: expected"),
    ("2.3.0", "CdrDimension", {"type": "FLAT"}, "type: expected"),
]


@pytest.mark.parametrize(("version", "name", "changes", "says"), OTHER_VERSIONS)
def test_other_version(
    version: str, name: str, changes: dict[str, Any], says: str
) -> None:
    """What only another version has is refused."""
    problems = check(version, name, example(version, name, **changes))
    assert len(problems) == 1
    assert says in problems[0]


ONLY_LATER: list[tuple[str, str, JsonObject]] = [
    ("2.2.1", "Session", {"auth_method": "COMMAND"}),
    ("2.2.1", "Session", {"status": "RESERVATION", "end_date_time": None}),
    ("2.3.0", "Token", {"type": "EMAID"}),
    ("2.3.0", "Credentials", {"hub_party_id": "NLHUB"}),
    ("2.2.1", "Token", {"last_updated": "2026-02-01T12:00:00.1234Z"}),
    ("2.3.0", "CdrLocation", {"connector_standard": "SAE_J3400"}),
]


@pytest.mark.parametrize(("version", "name", "changes"), ONLY_LATER)
def test_this_version(version: str, name: str, changes: dict[str, Any]) -> None:
    """What came with a version is accepted in it."""
    assert check(version, name, example(version, name, **changes)) == []


def test_list_of_objects() -> None:
    """A name with brackets checks a list and says which item is wrong."""
    good = example("2.2.1", "Token")
    assert check("2.2.1", "Token[]", [good, good]) == []
    assert check("2.2.1", "Token[]", [good, {**good, "uid": ""}]) == [
        "[1]: uid: empty, where it should be absent"
    ]
    assert check("2.2.1", "Token[]", good) == ["expected a list, got dict"]
    assert check("2.2.1", "Token", [good]) == ["expected an object, got list"]


def test_path_names_the_place() -> None:
    """A problem deep inside is told with the way to it."""
    session = example("2.2.1", "Session")
    session["charging_periods"][1]["dimensions"][0]["volume"] = "2"
    assert check("2.2.1", "Session", session) == [
        "charging_periods[1].dimensions[0].volume: expected a number, got '2'"
    ]


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_patch(version: str) -> None:
    """A part needs only last_updated, from 2.2 on, and its fields are checked."""
    part = {"kwh": 1.5, "last_updated": "2026-03-04T18:00:00Z"}
    assert check_patch(version, "Session", part) == []
    assert check_patch(version, "Session", part | {"kwh": -1}) != []
    assert check_patch(version, "Session", part | {"never_heard": 1}) != []
    assert check_patch(version, "Session", []) == ["expected an object, got list"]
    is_due = version != "2.1.1"
    found = check_patch(version, "Session", {"kwh": 1.5})
    assert found == ["last_updated: required in a PATCH"] * is_due


@pytest.mark.parametrize(
    ("version", "role", "is_one"),
    [
        ("2.2.1", "HUB", True),
        ("2.3.0", "HUB", False),
        ("2.2.1", "PTP", False),
        ("2.3.0", "PTP", False),
        ("2.3.0", "SCSP", True),
    ],
)
def test_roles(version: str, role: str, *, is_one: bool) -> None:
    """2.3.0 has no hubs among the roles, and no version payment terminals."""
    value = _with(version, "CredentialsRole", "role", role)
    assert (check(version, "CredentialsRole", value) == []) is is_one

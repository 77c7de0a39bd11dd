"""Every numbered case of the authorization rules has a test that bears its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
CASES = range(1, 81)
# Longer ones are status codes and versions.
_NUMBERS = re.compile(r"test_((?:\d{1,2}_)+)\w")
_DEFINITION = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


def _numbers_of(name: str) -> set[int]:
    """Read the numbers in front of a test's name: `test_19_20_each…` has two."""
    match = _NUMBERS.match(name)
    return {int(one) for one in match[1].rstrip("_").split("_")} if match else set()


def _names() -> list[str]:
    """Collect the names of all tests there are."""
    files = TESTS.rglob("test_*.py")
    texts = [file.read_text(encoding="utf-8") for file in files]
    return [name for text in texts for name in _DEFINITION.findall(text)]


def test_every_case_has_a_test() -> None:
    """A case whose last test is removed or renamed fails here."""
    tested = {number for name in _names() for number in _numbers_of(name)}
    assert set(CASES) - tested == set()


def test_no_test_bears_the_number_of_no_case() -> None:
    """A slip of the pen does not stand for a case."""
    strays = [name for name in _names() if not _numbers_of(name) <= set(CASES)]
    assert strays == []


def test_numbers_are_read_from_the_front_of_a_name() -> None:
    """Other numbers in a name mean other things."""
    assert _numbers_of("test_19_20_each_card") == {19, 20}
    assert _numbers_of("test_7_two_plug_ins") == {7}
    assert _numbers_of("test_verdict_lasts_2_seconds") == set()
    assert _numbers_of("helper_7_of_9") == set()

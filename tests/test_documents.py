"""What people read leads somewhere, and tells all that drivers can be told."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from agent import registry
from drivers.indicators.base import Signal

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
HARDWARE: Final = ROOT / "docs" / "hardware.md"
KINDS: Final = (
    registry.READERS,
    registry.CHARGERS,
    registry.METERS,
    registry.INDICATORS,
)
#: They stand in for hardware; config.example.toml says all there is to say.
WITHOUT_A_PAGE: Final = {"pipe", "simulated", "file", "none"}
DRIVERS: Final = [
    (kind, name)
    for kind in KINDS
    for name in registry.driver_names(kind)
    if name not in WITHOUT_A_PAGE
]
KIND_OF_PAGE: Final = re.compile(r"readers?-|charger-|indicator")
LINK: Final = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """To a file that is here, and to a heading that is in it."""
    for name, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        if ":" in name:
            continue
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), name
        if anchor:
            assert anchor in anchors_of(path), f"{name}#{anchor}"


def anchors_of(path: Path) -> set[str]:
    """Name the headings of a document as a link does."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize(("kind", "driver"), DRIVERS)
def test_every_driver_has_a_page_that_explains_its_keys(kind: str, driver: str) -> None:
    """The table of hardware leads there; signals are explained once for all lamps."""
    table = HARDWARE.read_text(encoding="utf-8")
    names = set(re.findall(rf"\[`{driver}`\]\(([\w.-]+)\)", table))
    assert names, "no page"
    pages = "".join((HARDWARE.parent / name).read_text("utf-8") for name in names)
    keys = {field.name for field in fields(registry.load_driver(kind, driver).Config)}
    if kind == registry.INDICATORS:
        keys -= {signal.value for signal in Signal}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", pages)] == []


def test_every_page_about_hardware_is_led_to() -> None:
    """From the table, which is where one looks."""
    table = HARDWARE.read_text(encoding="utf-8")
    pages = {
        path.name for path in DOCUMENTS if re.match(r"(reader|charger|ind)", path.name)
    }
    assert pages == {name for name, _ in LINK.findall(table) if name}

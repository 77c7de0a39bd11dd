"""Who may import whom, read from every import statement in the tree."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
OURS = ("agent", "drivers", "systemd", "benchmarks", "tests")

# Libraries that touch the world, or that let time and chance in.
IMPURE = {
    "asyncio",
    "concurrent",
    "ctypes",
    "http",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "queue",
    "random",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
# Calls that ask the world although their module is harmless.
IMPURE_CALLS = {
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "input",
    "open",
    "print",
}
MIDDLE = ("agent/store", "agent/ocpi", "agent/report")
# What the middle layers may use of ours, besides their own package. These modules
# stand on each other only, so nothing above can be reached through them.
BELOW = (
    "agent.domain",
    "agent.errors",
    "agent.clock",
    "agent.backoff",
    "agent.cancellation",
    "agent.health",
)


class Import(NamedTuple):
    """One module that a file names in an import statement, at any depth."""

    file: str
    line: int
    module: str

    def is_of(self, *packages: str) -> bool:
        """Whether it is one of these modules or lies inside."""
        return any(
            self.module == one or self.module.startswith(f"{one}.") for one in packages
        )


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _modules(node: ast.AST, package: list[str]) -> list[str]:
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module, names, level):
            above = package[: len(package) - (level or 1) + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            # `from agent import store` names the module `agent.store`.
            bare = base in OURS or module is None
            return [f"{base}.{one.name}" for one in names] if bare else [base]
        case _:
            return []


def _imports(folder: str) -> Iterator[Import]:
    for path in _files(folder):
        name = path.relative_to(ROOT)
        for node in ast.walk(_parse(path)):
            for module in _modules(node, list(name.parent.parts)):
                yield Import(str(name), getattr(node, "lineno", 0), module)


def _calls(folder: str) -> Iterator[Import]:
    for path in _files(folder):
        for node in ast.walk(_parse(path)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                yield Import(str(path.relative_to(ROOT)), node.lineno, name)


def test_the_rules_import_nothing_that_touches_the_world() -> None:
    """agent/domain knows msgspec, itself and the harmless part of Python."""
    allowed = set(sys.stdlib_module_names) - IMPURE | {"msgspec"}
    wrong = [
        one
        for one in _imports("agent/domain")
        if not one.is_of("agent.domain") and one.module.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_the_rules_have_no_clock_and_no_files() -> None:
    """agent/domain is handed the time and never asks for it."""
    assert [one for one in _calls("agent/domain") if one.module in IMPURE_CALLS] == []


def test_drivers_know_nothing_of_the_agent() -> None:
    """A driver can be used from a ten-line script."""
    above = [one for one in OURS if one != "drivers"]
    assert [one for one in _imports("drivers") if one.is_of(*above)] == []


@pytest.mark.parametrize("folder", MIDDLE)
def test_middle_layers_do_not_know_each_other(folder: str) -> None:
    """Store, OCPI and reports stand on the rules and meet through ports only."""
    own = folder.replace("/", ".")
    wrong = [
        one
        for one in _imports(folder)
        if one.is_of(*OURS) and not one.is_of(own, *BELOW)
    ]
    assert wrong == []


@pytest.mark.parametrize("module", BELOW[1:])
def test_modules_below_stand_on_each_other_only(module: str) -> None:
    """A module that every layer may use leads to none of the layers."""
    file = module.replace(".", "/") + ".py"
    imports = [one for one in _imports("agent") if one.file == file]
    assert [one for one in imports if one.is_of(*OURS) and not one.is_of(*BELOW)] == []


@pytest.mark.parametrize("folder", ["agent", "drivers"])
def test_programs_do_not_import_tests(folder: str) -> None:
    """Nothing that is installed needs what is not."""
    wrong = [one for one in _imports(folder) if one.is_of("tests", "benchmarks")]
    assert wrong == []


def test_files_are_found() -> None:
    """An empty folder would let every rule pass."""
    assert _files("agent/domain")
    assert _files("drivers")


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import agent.store", ["agent.store"]),
        ("from agent import store, ocpi", ["agent.store", "agent.ocpi"]),
        ("from agent.store.journal import Journal", ["agent.store.journal"]),
        ("def f():\n    import asyncio", ["asyncio"]),
        ("if TYPE_CHECKING:\n    from os import path", ["os"]),
        ("from . import step", ["agent.domain.step"]),
        ("from .step import step", ["agent.domain.step"]),
        ("from ..store import journal", ["agent.store"]),
        ("from .. import store", ["agent.store"]),
    ],
)
def test_every_way_to_import_is_seen(source: str, modules: list[str]) -> None:
    """Nested, aliased and relative imports count as much as plain ones."""
    seen = [
        module
        for node in ast.walk(ast.parse(source))
        for module in _modules(node, ["agent", "domain"])
    ]
    assert seen == modules

"""Printing for people and for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from agent.cli.output import count, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [["S1", 1234, None], ["S2", 0, "[bold]late[/bold] [/x]"]]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Pretend that somebody is looking; call it inside the test."""

    def look() -> None:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "dumb")
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True)

    return look


def test_a_pipe_gets_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per row, a heading, nothing to strip."""
    print_table(("id", "wh", "why"), ROWS, "nothing")

    assert capsys.readouterr().out.splitlines() == [
        "id\twh\twhy",
        "S1\t1234\t",
        "S2\t0\t[bold]late[/bold] [/x]",
    ]


def test_a_terminal_gets_a_table(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[], None]
) -> None:
    """A server's words are shown as they are, whatever they look like."""
    terminal()
    print_table(("id", "wh", "why"), ROWS, "nothing")

    out = capsys.readouterr().out
    assert "[bold]late[/bold] [/x]" in out
    assert len(out.splitlines()) == 3


def test_nothing_is_said_beside_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads the output is not told in words that there is none."""
    print_table(("id",), [], "no sessions")

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no sessions\n")


@pytest.mark.parametrize("value", [[], {}, [{"å": None}], {"a": [1, 2.5, True]}])
def test_json_is_json(capsys: pytest.CaptureFixture[str], value: object) -> None:
    """What is printed reads back as the same."""
    print_json(value)

    assert json.loads(capsys.readouterr().out) == value


def test_a_pipe_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps are counted in silence."""
    with progress_bar("fetching") as step:
        step(1, None)
        step(2, 10)

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_terminal_gets_a_bar_beside_the_data(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[], None]
) -> None:
    """The bar is no part of the output, also before the total is known."""
    terminal()
    with progress_bar("fetching") as step:
        step(1, None)
        step(10, 10)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fetching" in captured.err
    assert "10/10" in captured.err


def test_numbers_of_things() -> None:
    """One is not many, and none is."""
    assert [count(n, "reader") for n in (0, 1, 2)] == [
        "0 readers",
        "1 reader",
        "2 readers",
    ]

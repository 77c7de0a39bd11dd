"""Printing for people on a terminal, plainly into a pipe, or as JSON."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def count(number: int, thing: str) -> str:
    """Say how many of something there are."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str
) -> None:
    """Print rows under headings; `empty` is said when there are none."""
    if not rows:
        click.echo(empty, err=True)
        return
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *texts]:
            click.echo("\t".join(row))
        return
    from rich.console import Console  # noqa: PLC0415 - only where it is shown
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in texts:
        # As Text, because a server's words may look like markup.
        table.add_row(*map(Text, row))
    Console().print(table)


def tell_asking(whom: str) -> None:
    """Say who is asked, since the answer may take a while."""
    click.echo(f"asking {whom} …", err=True)


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep warnings off the terminal: who prints findings would say them twice."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on a terminal and nothing elsewhere; call with (done, total)."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where it is shown
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

"""Commands about card readers: what is there, and how a card reads."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

import click

from agent.cli.client import RefusedError, UnreachableError, ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import print_json, print_table
from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.config import Config

#: A card was held to the reader by now, and should have been seen.
SILENCE_S: Final = 10.0

_reader_option = click.option("--reader", help="Only this reader.")


@click.group(invoke_without_command=True)
@_reader_option
@click.option(
    "--next",
    "wait",
    is_flag=True,
    help="Wait for a card and show its number, in both byte orders and in decimal.",
)
@config_option
@json_option
@click.pass_context
def readers(
    context: click.Context,
    reader: str | None,
    config_path: Path,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Show the readers, and with --next what the next card reads as.

    The card is tapped for real: hold one that may start a session, or none.
    """
    if context.invoked_subcommand is not None:
        return
    config = load(config_path)
    if wait:
        card = _wait_for_card(config, "next-card", reader, as_json=as_json)
        _print_card(card, as_json=as_json)
        return
    _print_readers(config, reader, as_json=as_json)


@readers.command("list")
@click.option(
    "--probe",
    is_flag=True,
    help="Look for attached readers, and propose their configuration.",
)
@config_option
@json_option
def list_all(config_path: Path, *, probe: bool, as_json: bool) -> None:
    """Show the readers; with --probe, those that are attached, configured or not.

    What --probe prints can be pasted into the configuration, of which it reads nothing.
    No device is opened for it.
    """
    if not probe:
        _print_readers(load(config_path), None, as_json=as_json)
        return
    # Imported here, so that --help and completion stay quick.
    from agent.cli.found_readers import build_rows, build_text  # noqa: PLC0415
    from drivers.probing import find_readers  # noqa: PLC0415

    found = find_readers()
    if as_json:
        print_json(build_rows(found))
        return
    click.echo(build_text(found), nl=False)
    if not any(one.driver for one in found):
        click.echo("nothing is attached that looks like a card reader", err=True)


@readers.command()
@_reader_option
@config_option
@json_option
def identify(reader: str | None, config_path: Path, *, as_json: bool) -> None:
    """Show every spelling of the next card, which is listed, and what to configure.

    The card is tapped for real, under the spelling that is configured now.
    """
    config = load(config_path)
    found = _wait_for_card(config, "identify", reader, as_json=as_json)
    if as_json:
        print_json(found)
        return
    if found["problem"]:
        click.echo(
            f"reader {found['reader']}: unreadable: {found['problem']}", err=True
        )
    if not found["spellings"]:
        sys.exit(1)
    click.echo(f"reader {found['reader']}, read as {found['technology']}")
    print_table(
        ("spelling", "number", "listed", "to configure", "problem"),
        [
            (
                row["spelling"],
                row["uid"],
                "yes" if row["listed"] else "-",
                row["configuration"],
                row["problem"],
            )
            for row in found["spellings"]
        ],
        "nothing was read",
    )
    if not any(row["listed"] for row in found["spellings"]):
        click.echo(
            "it is in no list so far; fetch them anew with: rfid-agent sync", err=True
        )


def _wait_for_card(
    config: Config, command: str, reader: str | None, *, as_json: bool
) -> dict[str, Any]:
    for row in _list_readers(config):
        if reader in (None, row["name"]) and not row["up"]:
            click.echo(f"reader {row['name']} is not up: {row['detail']}", err=True)
    if not as_json:
        click.echo("hold a card to the reader … (Ctrl-C ends)", err=True)
    with nullcontext() if as_json else _reminder(config, reader):
        seen: dict[str, Any] = ask(config.station.state_dir, command, reader=reader)
        return seen


@contextmanager
def _reminder(config: Config, reader: str | None) -> Iterator[None]:
    """Say once how the readers are, if the block takes long."""

    def remind() -> None:
        with suppress(AgentError):  # Whoever waits is told the same
            rows = _list_readers(config)
            click.echo("no card was seen so far; this is how it stands:", err=True)
            for row in rows:
                if reader in (None, row["name"]):
                    state = "up" if row["up"] else "DOWN"
                    click.echo(
                        f"reader {row['name']}: {state}: {row['detail']}", err=True
                    )
            click.echo("the log may say more: journalctl -u rfid-agent -n 20", err=True)

    timer = threading.Timer(SILENCE_S, remind)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _print_readers(config: Config, reader: str | None, *, as_json: bool) -> None:
    known = _list_readers(config)
    rows = [row for row in known if reader in (None, row["name"])]
    if known and not rows:
        names = ", ".join(row["name"] for row in known)
        raise RefusedError(f"no reader is called {reader!r}; there are: {names}")
    if as_json:
        print_json(rows)
        return
    print_table(
        ("reader", "driver", "EVSEs", "state", "detail"),
        [
            (
                row["name"],
                row["driver"],
                " ".join(row["evses"]),
                "up" if row["up"] else "DOWN",
                row["detail"],
            )
            for row in rows
        ],
        "no reader is configured",
    )


def _list_readers(config: Config) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = ask(config.station.state_dir, "readers")
    except UnreachableError as err:
        hint = "see what is attached: rfid-agent readers list --probe"
        raise UnreachableError(f"{err}; {hint}") from err
    return rows


def _print_card(card: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(card)
        return
    for key in ("reader", "technology", "uid", "reversed", "decimal", "problem"):
        if card[key]:
            click.echo(f"{key + ':':12} {card[key]}")

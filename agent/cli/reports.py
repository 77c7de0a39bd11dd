"""Commands about what was charged and told: sessions, outbox."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from agent.cli.client import NotRunningError, ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import print_json, print_table
from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Config
    from agent.store.journal import Journal


@click.group()
def sessions() -> None:
    """Look at charging sessions."""


@sessions.command("list")
@click.option("--limit", default=50, show_default=True, help="How many at most.")
@config_option
@json_option
def list_sessions(limit: int, config_path: Path, *, as_json: bool) -> None:
    """List sessions, the newest first."""
    from agent.domain.instant import ocpi_datetime  # noqa: PLC0415 - start-up time
    from agent.domain.timeline import correct  # noqa: PLC0415

    with closing(_open(load(config_path))) as journal:
        bases = journal.times.bases()
        found = [(correct(one, bases), told) for one, told in journal.sessions(limit)]
    rows = [
        {
            "id": session.id,
            "evse_uid": session.evse_uid,
            "status": session.status,
            "started_at": ocpi_datetime(session.started_at.wall),
            "ended_at": session.ended_at and ocpi_datetime(session.ended_at.wall),
            "energy_wh": session.energy_wh,
            "auth_method": session.auth_method,
            "decided_by": session.decided_by,
            "stop_reason": session.stop_reason,
            "end_estimated": session.end_estimated,
            "flagged": session.flagged,
            "meter_suspect": session.meter_suspect,
            "upstream": session.upstream,
            "reported": reported,
        }
        for session, reported in found
    ]
    if as_json:
        print_json(rows)
        return
    columns = [*rows[0]] if rows else []
    print_table(
        columns, [[row[column] for column in columns] for row in rows], "no sessions"
    )


@click.group()
def outbox() -> None:
    """Look at reports that no backend has taken yet."""


@outbox.command("list")
@config_option
@json_option
def list_outbox(config_path: Path, *, as_json: bool) -> None:
    """List waiting and refused reports, in the order of delivery."""
    with closing(_open(load(config_path))) as journal:
        entries = journal.outbox.entries()
    if as_json:
        print_json(entries)
        return
    print_table(
        ("id", "session", "to", "report", "state", "why"),
        [
            (
                entry.id,
                entry.session_id,
                entry.sink,
                entry.change,
                "REFUSED" if entry.refused else "waiting",
                entry.why,
            )
            for entry in entries
        ],
        "everything has been delivered",
    )


@outbox.command()
@click.argument("number", type=int, required=False)
@config_option
def retry(number: int | None, config_path: Path) -> None:
    """Send refused reports again: the one with this id, or all."""
    config = load(config_path)
    try:
        retried = ask(config.station.state_dir, "retry", id=number)["retried"]
    except NotRunningError:
        with closing(_open(config, read_only=False)) as journal:
            retried = journal.outbox.retry_refused(number)
    click.echo(f"{retried} reports will be sent again")


@outbox.command()
@click.argument("number", type=int)
@click.confirmation_option(prompt="Nobody will ever be told. Give it up?")
@config_option
def drop(number: int, config_path: Path) -> None:
    """Give a refused report up: the one with this id."""
    config = load(config_path)
    try:
        dropped = ask(config.station.state_dir, "drop", id=number)["dropped"]
    except NotRunningError:
        with closing(_open(config, read_only=False)) as journal:
            dropped = journal.outbox.drop_refused(number)
    if not dropped:
        raise ConfigError(f"no refused report has the id {number}; see: outbox list")
    click.echo(f"report {number} was given up")


def _open(config: Config, *, read_only: bool = True) -> Journal:
    from agent.connections import subscriber  # noqa: PLC0415 - start-up time
    from agent.store.journal import FILE, Journal  # noqa: PLC0415

    path = config.station.state_dir / FILE
    if not path.exists():
        raise ConfigError(f"no journal yet at {path}; the agent has never run here")
    # If it has to be mended, then for the same backends as the daemon would.
    told = [subscriber(upstream) for upstream in config.upstreams]
    return Journal(path, read_only=read_only, subscribers=told)

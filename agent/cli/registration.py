"""Commands about registrations: register, rotate-credentials, unregister."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agent.cli.client import ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import print_json

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("upstream")
@click.option(
    "--again", is_flag=True, help="Begin anew, with a new token from its operator."
)
@config_option
@json_option
def register(upstream: str, config_path: Path, *, again: bool, as_json: bool) -> None:
    """Register with a backend, under the token that its operator has handed out."""
    done = ask(
        load(config_path).station.state_dir, "register", upstream=upstream, again=again
    )
    _show(upstream, done, as_json=as_json)


@click.command("rotate-credentials")
@click.argument("upstream")
@config_option
@json_option
def rotate_credentials(upstream: str, config_path: Path, *, as_json: bool) -> None:
    """Exchange both sides' tokens for new ones; once a month is good practice."""
    state_dir = load(config_path).station.state_dir
    done = ask(state_dir, "rotate-credentials", upstream=upstream)
    _show(upstream, done, as_json=as_json)


@click.command()
@click.argument("upstream")
@click.option(
    "--forget", is_flag=True, help="Do not tell the backend, which may be gone."
)
@config_option
def unregister(upstream: str, config_path: Path, *, forget: bool) -> None:
    """Leave a backend: it takes no more sessions, and its cards are not fetched."""
    ask(
        load(config_path).station.state_dir,
        "unregister",
        upstream=upstream,
        forget=forget,
    )
    click.echo(f"no longer registered with {upstream}")


def _show(upstream: str, done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    click.echo(f"registered with {upstream}, OCPI {done['version']}")
    for party in done["parties"]:
        click.echo(f"  {party['role']} {party['party']} {party['name']}")

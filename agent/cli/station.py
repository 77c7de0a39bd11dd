"""Commands about the station: status, tap, withdraw."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from agent.cli.client import ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_GOOD_OUTCOMES = ("started", "granted", "stopped", "withdrawn")


@click.command()
@config_option
@json_option
def status(config_path: Path, *, as_json: bool) -> None:
    """Show how the running agent is; exit 1 if something is wrong."""
    facts = ask(load(config_path).station.state_dir, "status")
    if as_json:
        print_json(facts)
    else:
        _print_status(facts)
    sys.exit(0 if facts["healthy"] else 1)


def _kwh(wh: int | None) -> str:
    return "" if wh is None else f"{wh / 1000:.3f}"


def _print_status(facts: dict[str, Any]) -> None:
    click.echo(
        f"rfid-agent {facts['version']} at {facts['station']}, up "
        f"{facts['uptime_s']} s, online {facts['online']}, offline {facts['offline']}"
    )
    click.echo()
    print_table(
        ("part", "state", "since", "detail"),
        [
            (part["part"], _state_of(part), part["since"], part["detail"])
            for part in facts["parts"]
        ],
        "nothing has reported yet",
    )
    click.echo()
    print_table(
        ("EVSE", "vehicle", "session", "since", "kWh", "meter"),
        [
            (
                evse["uid"],
                _vehicle_at(evse),
                evse["session_id"] or "-",
                evse["started_at"] or "",
                _kwh(evse["energy_wh"]),
                _kwh(evse["meter_wh"]),
            )
            for evse in facts["evses"]
        ],
        "no EVSE",
    )
    click.echo()
    for line in _backend_lines(facts):
        click.echo(line)


def _state_of(part: dict[str, Any]) -> str:
    return "up" if part["ok"] else "DOWN"


def _vehicle_at(evse: dict[str, Any]) -> str:
    if not evse["reachable"]:
        return "unreachable"
    return str(evse["fault"] or evse["vehicle"])


def _backend_lines(facts: dict[str, Any]) -> Iterator[str]:
    for upstream in facts["upstreams"]:
        details = [
            f"OCPI {upstream['version'] or 'version not known yet'}",
            upstream["party"],
            upstream["registration"],
        ]
        said = ", ".join(one for one in details if one)
        yield f"upstream {upstream['name']}: {said}"
    for upstream in facts["whitelist"]:
        yield (
            f"whitelist of {upstream['upstream']}: {upstream['tokens']} tokens, "
            f"synchronised {upstream['synchronized_at'] or 'never'}"
        )
    outbox = facts["outbox"]
    advice = "; see: rfid-agent outbox list" if outbox["refused"] else ""
    yield f"outbox: {outbox['waiting']} waiting, {outbox['refused']} refused{advice}"


@click.command()
@click.argument("uid")
@click.option("--reader", help="At which reader; the first one if not given.")
@config_option
@json_option
def tap(uid: str, reader: str | None, config_path: Path, *, as_json: bool) -> None:
    """Tap a card by its number: the same checks as a real tap, and real energy."""
    event = ask(load(config_path).station.state_dir, "tap", uid=uid, reader=reader)
    if as_json:
        print_json(event)
    else:
        details = [event["outcome"], event.get("reason"), event.get("info")]
        click.echo(" - ".join(str(detail) for detail in details if detail))
    sys.exit(0 if event["outcome"] in _GOOD_OUTCOMES else 1)


@click.command()
@click.option("--evse", help="Only at this EVSE.")
@click.option("--card", help="Only this card, by its number.")
@click.option("--session", help="Only this session, by its id.")
@click.option("--all", "everything", is_flag=True, help="Everything there is.")
@config_option
@json_option
def withdraw(  # noqa: PLR0913 - one parameter per option
    evse: str | None,
    card: str | None,
    session: str | None,
    config_path: Path,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """Take permissions back and stop sessions; exit 1 if there are none."""
    if everything == any((evse, card, session)):
        raise click.UsageError("say what: --evse, --card, --session, or --all")
    state_dir = load(config_path).station.state_dir
    found = ask(
        state_dir, "withdraw", evse_uid=evse, uid=card or "", session_id=session
    )
    if as_json:
        print_json(found)
    else:
        click.echo(
            f"withdrawn: {found['waiting']} waiting cards, {found['grants']} unused "
            f"grants; stopped: {found['sessions']} sessions"
        )
    sys.exit(0 if any(found.values()) else 1)

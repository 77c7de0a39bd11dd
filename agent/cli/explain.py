"""`rfid-agent explain`: what a card would do now, rule by rule and EVSE by EVSE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agent.cli.client import ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import print_json, print_table

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("uid")
@click.option("--reader", help="Only at this reader.")
@click.option("--offline", is_flag=True, help="Suppose that no backend answers.")
@config_option
@json_option
def explain(
    uid: str, reader: str | None, config_path: Path, *, offline: bool, as_json: bool
) -> None:
    """Say what a tap of this card would do now, and why; nothing is done."""
    state_dir = load(config_path).station.state_dir
    answer = ask(state_dir, "explain", uid=uid, reader=reader)
    if as_json:
        print_json(answer)
        return
    for explanation in answer["readers"]:
        _print(explanation, offline=offline)
    for spelling in answer["also_listed"]:
        click.echo(
            f"A list has this number in its {spelling} form: correct the reader, or "
            f'set also_match = ["{spelling}"] in [authorization].'
        )


def _print(explanation: dict[str, Any], *, offline: bool) -> None:
    click.echo(f"reader {explanation['reader']}: the card is {explanation['row']}")
    for rule in explanation["rules"]:
        click.echo(f"  {'->' if rule['settles'] else '  '} {rule['rule']}")
    click.echo(f"  = {_describe(explanation['prospect'], offline=offline)}")
    click.echo()
    print_table(
        ("EVSE", "now", "this card"),
        [
            (
                place["evse_uid"],
                place["state"],
                _describe(place["prospect"], offline=offline),
            )
            for place in explanation["places"]
        ],
        "the reader serves no EVSE",
    )
    click.echo()


def _describe(prospect: dict[str, Any], *, offline: bool) -> str:
    finding = prospect["finding"]
    text = str(finding["outcome"])
    if finding["reason"]:
        text += f" ({finding['reason']})"
    if finding["evse_uids"]:
        text += f" at {', '.join(finding['evse_uids'])}"
    if finding["decided_by"]:
        text += f", decided by {finding['decided_by']}"
    if not prospect["asks"]:
        return text
    return f"no answer: {text}" if offline else f"asks upstream; no answer: {text}"

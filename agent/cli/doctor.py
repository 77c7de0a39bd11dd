"""The command that looks at everything and names causes: doctor."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from agent.cli.client import UnreachableError, ask
from agent.cli.options import config_option, json_option, load
from agent.cli.output import count, print_json, quiet_log, tell_asking
from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Config
    from drivers.findings import Finding


@click.command()
@config_option
@json_option
def doctor(config_path: Path, *, as_json: bool) -> None:
    """Look at everything the station needs; exit 1 if something is wrong.

    Run it as root, and it looks with the rights of the service's user, so that it finds
    what that user may not open. It disturbs no device that is in use.
    """
    config = load(config_path)
    with quiet_log():
        findings = asyncio.run(_collect(config, as_json=as_json))
    if as_json:
        print_json(
            [
                {"what": one.what, "ok": one.ok, "problem": one.problem}
                for one in findings
            ]
        )
    wrong = [one for one in findings if not one.ok]
    if not as_json:
        click.echo(count(len(wrong), "problem") if wrong else "nothing is wrong")
    sys.exit(1 if wrong else 0)


async def _collect(config: Config, *, as_json: bool) -> list[Finding]:
    from agent.doctor import examine  # noqa: PLC0415 - start-up time

    findings = []

    def note(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            _print(finding)

    seen_by_root = _look_as_root(config)
    for finding in _look_as_the_service(config.path):
        note(finding)
    async for finding in examine(config, _ignore if as_json else tell_asking):
        note(seen_by_root.get(finding.what, finding) if finding.ok else finding)
    for finding in _look_at_daemon(config):
        note(finding)
    return findings


def _look_as_root(config: Config) -> dict[str, Finding]:
    """Return what is wrong with the drivers in root's eyes, if this is root.

    Only root sees, for one, who else has a port open.
    """
    from agent.doctor import look_at_drivers  # noqa: PLC0415 - start-up time

    if os.geteuid() != 0:
        return {}
    return {one.what: one for one in look_at_drivers(config) if not one.ok}


def _look_as_the_service(path: Path) -> list[Finding]:
    """Go on as its user from here; say what of the configuration it may not read."""
    from agent.cli.service_user import become_service_user  # noqa: PLC0415 - as below
    from drivers.findings import Finding  # noqa: PLC0415 - start-up time

    findings = become_service_user()
    if findings:
        try:
            load(path)
        except ConfigError as err:
            findings.append(Finding("configuration, read by that user", str(err)))
    return findings


def _look_at_daemon(config: Config) -> list[Finding]:
    """Repeat what the running agent complains about."""
    from drivers.findings import Finding  # noqa: PLC0415 - start-up time

    try:
        facts = ask(config.station.state_dir, "status")
    except UnreachableError as err:
        return [Finding("running agent", str(err))]
    return [Finding("running agent")] + [
        Finding(f"running agent: {item['part']}", item["detail"] or "down")
        for item in facts["parts"]
        if not item["ok"]
    ]


def _ignore(_: str) -> None:
    """Say nothing to a program."""


def _print(finding: Finding) -> None:
    if finding.ok:
        click.echo(f"ok   {finding.what}")
    else:
        click.echo(f"BAD  {finding.what}: {finding.problem}")

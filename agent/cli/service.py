"""Commands around the service itself: run, demo, check-config, completion."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.options import config_option, load
from agent.cli.output import count, quiet_log, tell_asking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.config import Config
    from drivers.findings import Finding


@click.command()
@config_option
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="How much to log.",
)
def run(config_path: Path, log_level: str) -> None:
    """Run the agent in the foreground, as the service does."""
    from agent.service import set_up_logging  # noqa: PLC0415 - start-up time

    set_up_logging(log_level)
    config = load(config_path)
    from agent.daemon import Daemon  # noqa: PLC0415 - start-up time
    from agent.event_loop import StationLoop  # noqa: PLC0415

    async def run_daemon() -> None:
        await Daemon(config).run()

    with asyncio.Runner(loop_factory=StationLoop) as runner:
        runner.run(run_daemon())


@click.command()
@click.option("--once", is_flag=True, help="Walk the tour, check each step, and end.")
def demo(*, once: bool) -> None:
    """See the agent at work: sample backend, simulated charger, no hardware."""
    from agent.demo.demo import run_demo  # noqa: PLC0415 - an optional extra

    sys.exit(run_demo(once=once or not sys.stdin.isatty()))


@click.command("check-config")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), required=False)
@config_option
@click.option(
    "--online", is_flag=True, help="Also try the backends, their tokens, the readers."
)
def check_config(path: Path | None, config_path: Path, *, online: bool) -> None:
    """Check a configuration file; every mistake is shown with its remedy."""
    config = load(path or config_path)
    click.echo(
        f"{config.path} is valid: {count(len(config.evses), 'EVSE')}, "
        f"{count(len(config.readers), 'reader')}, "
        f"{count(len(config.upstreams), 'upstream')}"
    )
    for note in config.notes:
        click.echo(f"note: {note}")
    if online:
        with quiet_log():
            problems = [*asyncio.run(_check_upstreams(config)), *_check_drivers(config)]
        for problem in problems:
            click.echo(problem, err=True)
        if problems:
            sys.exit(3)


async def _check_upstreams(config: Config) -> list[str]:
    """Discover every backend; print what is there and return what is not."""
    from agent.doctor import look_at_backends  # noqa: PLC0415 - start-up time

    found = [one async for one in look_at_backends(config, tell_asking)]
    return _sort_out(found)


def _check_drivers(config: Config) -> list[str]:
    """Let every driver look for what it needs; print what is there."""
    from agent.doctor import look_at_drivers  # noqa: PLC0415 - start-up time

    return _sort_out(look_at_drivers(config))


def _sort_out(findings: Iterable[Finding]) -> list[str]:
    problems = []
    for finding in findings:
        if finding.ok:
            click.echo(finding.what)
        else:
            problems.append(f"{finding.what}: {finding.problem}")
    return problems


@click.command()
@click.argument("shell", type=click.Choice(["bash", "fish", "zsh"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print the completion script for a shell.

    \b
    bash: eval "$(rfid-agent completion bash)"   in ~/.bashrc
    zsh:  eval "$(rfid-agent completion zsh)"    in ~/.zshrc
    fish: rfid-agent completion fish | source    in config.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root()
    variable = "_RFID_AGENT_COMPLETE"
    click.echo(script(root.command, {}, "rfid-agent", variable).source())

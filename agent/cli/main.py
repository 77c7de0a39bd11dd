"""`rfid-agent`: the entry point, its options, and what its exit codes mean."""

from __future__ import annotations

import sys
from typing import Any

import click

from agent.cli import (
    doctor,
    explain,
    readers,
    registration,
    reports,
    service,
    station,
    whitelist,
)
from agent.cli.client import BackendUnreachableError, UnreachableError
from agent.errors import (
    AgentError,
    ConfigError,
    CredentialsError,
    TransientUpstreamError,
)
from drivers.errors import DriverError

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
_UNREACHABLE = (
    UnreachableError,
    BackendUnreachableError,
    TransientUpstreamError,
    CredentialsError,
)


class _Group(click.Group):
    """Turns errors into one message and the exit code that belongs to it."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        try:
            return super().invoke(ctx)
        except ConfigError as err:
            _exit(err, EXIT_USAGE)
        except _UNREACHABLE as err:
            _exit(err, EXIT_UNREACHABLE)
        except (AgentError, DriverError) as err:
            _exit(err, EXIT_NO)


def _exit(err: Exception, code: int) -> None:
    click.echo(f"rfid-agent: {err}", err=True)
    sys.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rfid-agent")
def main() -> None:
    """Authorize RFID cards at a charge point, and report what was charged.

    Exit codes: 0 fine, 1 the answer is no, 2 usage or configuration, 3 cannot reach
    something.
    """


for command in (
    service.run,
    service.demo,
    service.check_config,
    service.completion,
    doctor.doctor,
    station.status,
    station.tap,
    station.withdraw,
    explain.explain,
    readers.readers,
    whitelist.sync,
    whitelist.tokens,
    registration.register,
    registration.rotate_credentials,
    registration.unregister,
    reports.sessions,
    reports.outbox,
):
    main.add_command(command)

if __name__ == "__main__":
    main()

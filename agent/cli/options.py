"""Options that many commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from agent.config import Config

#: Where the running service has what systemd hands it; root may look there.
SERVICE_CREDENTIALS: Final = Path("/run/credentials/rfid-agent.service")

config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="/etc/rfid-agent/config.toml",
    envvar="RFID_AGENT_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def load(path: Path) -> Config:
    """Load the configuration the way the daemon does."""
    # Imported here, so that --help and completion stay quick.
    from agent.config import load_config  # noqa: PLC0415
    from agent.service import credentials_directory  # noqa: PLC0415

    return load_config(path, credentials_directory() or _of_the_service())


def _of_the_service() -> Path | None:
    """Find the service's secrets; None if it does not run or they are not for us."""
    is_open = os.access(SERVICE_CREDENTIALS, os.R_OK | os.X_OK)
    return SERVICE_CREDENTIALS if is_open else None

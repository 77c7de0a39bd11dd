"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.config import Config

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
    from agent.service import visible_credentials  # noqa: PLC0415

    return load_config(path, visible_credentials())

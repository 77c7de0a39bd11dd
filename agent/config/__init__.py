"""The configuration: one TOML file, checked whole before anything starts."""

from agent.config.loading import load_config
from agent.config.schema import Config, DriverTable, TokenSource, Upstream

__all__ = ["Config", "DriverTable", "TokenSource", "Upstream", "load_config"]

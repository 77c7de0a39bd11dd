"""The configuration: one TOML file, checked whole before anything starts."""

from agent.config.config import Config, DriverTable
from agent.config.loading import load_config
from agent.config.upstream import SecretSource, Upstream

__all__ = ["Config", "DriverTable", "SecretSource", "Upstream", "load_config"]

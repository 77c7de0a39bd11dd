"""The OCPI server of a station that backends can reach.

Importing it needs nothing beyond the agent; opening it needs the extra `web`.
"""

from __future__ import annotations

from agent.ocpi.server.options import Limits, ServerOptions
from agent.ocpi.server.ports import (
    Access,
    CredentialsRefusedError,
    Peer,
    SessionBook,
    TokenBook,
)
from agent.ocpi.server.server import OcpiServer

__all__ = [
    "Access",
    "CredentialsRefusedError",
    "Limits",
    "OcpiServer",
    "Peer",
    "ServerOptions",
    "SessionBook",
    "TokenBook",
]

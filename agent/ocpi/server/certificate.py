"""TLS for those who call us: our certificate and its key."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from agent.ocpi.pem import make_bare_context, present

if TYPE_CHECKING:
    from pathlib import Path


def make_server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Speak TLS >= 1.2 with this chain; raise ConfigError naming file and reason."""
    context = make_bare_context(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    present(context, ("[server] certificate", certificate), ("[server] key", key))
    return context

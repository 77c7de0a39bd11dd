"""Where the server listens: one address, on this machine only unless there is TLS."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address
from typing import Final

from agent.errors import ConfigError

_MAX_PORT: Final = 65_535
_REASONS: Final = {
    errno.EADDRINUSE: "another program uses this port; which one, says: ss -ltnp",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 are not for everybody; take a higher one, and a "
    "proxy or a firewall rule in front",
}


def listen(address: str, *, has_tls: bool, backlog: int) -> socket.socket:
    """Take the port; raise ConfigError saying what is wrong with the address."""
    family, place = _resolve(address)
    if not (has_tls or ip_address(place[0].partition("%")[0]).is_loopback):
        raise ConfigError(
            f"[server] listen: {address} can be reached from outside, and credentials "
            "tokens would travel readable for everybody; set certificate and key, or "
            "listen on 127.0.0.1 behind a proxy that speaks TLS"
        )
    try:
        listener = socket.create_server(
            place,
            family=family,
            backlog=backlog,
            dualstack_ipv6=place[0] == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as err:
        reason = _REASONS.get(err.errno or 0, err.strerror or str(err))
        raise ConfigError(f"[server] listen: {address}: {reason}") from err
    listener.setblocking(False)
    # Accepted sockets inherit this. Without it an answer, sent as head and body,
    # waits for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _resolve(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Find the one address that is meant; a name's first one."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > _MAX_PORT:
        raise ConfigError(
            f"[server] listen: {address}: expected a port from 0 to {_MAX_PORT}"
        )
    try:
        found = socket.getaddrinfo(
            host.strip("[]"),
            int(port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as err:
        raise ConfigError(
            f"[server] listen: {address}: this name leads to no address"
        ) from err
    family, _, _, _, place = found[0]
    return family, (str(place[0]), int(place[1]))

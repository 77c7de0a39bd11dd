"""Where a serial line is, as an installer writes it into a table."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit


def check_port(port: str) -> None:
    """Raise ValueError unless it is the path of a tty, or socket://host:port."""
    if port.startswith("/"):
        return
    try:
        parse_server(port)
    except ValueError as err:
        raise ValueError(f"port: {err}") from err


def parse_server(url: str) -> tuple[str, int]:
    """Take host and port out of socket://host:port; ValueError says what it must be."""
    with suppress(ValueError):
        parts = urlsplit(url)
        host, number = parts.hostname, parts.port
        is_whole = parts.scheme == "socket" and not (parts.path or parts.query)
        if is_whole and host and number:
            return host, number
    raise ValueError(
        "expected the path of a serial port, such as "
        f"/dev/serial/by-id/usb-..., or socket://host:port, got {url}"
    )

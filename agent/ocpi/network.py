"""The way to a backend: TLS, and a proxy if there is one."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import httpx
from msgspec import Struct

from agent.errors import ConfigError
from agent.ocpi.tls import TlsOptions, make_context
from agent.ocpi.urls import resolve_url

if TYPE_CHECKING:
    import ssl


class Proxy(Struct, frozen=True):
    """An HTTP proxy; its `username` and `password` are never printed.

    Raise ConfigError for a URL that is none, or that holds the password.
    """

    url: str
    username: str = ""
    password: str = ""

    def __post_init__(self) -> None:
        """Check the URL without repeating it: there may be a password in it."""
        url = resolve_url(self.url, "")
        if url is None:
            raise ConfigError("proxy: url: expected an http or https URL")
        if url.userinfo:
            raise ConfigError(
                "proxy: url: expected no user name and password in the URL; they have "
                "settings of their own: username and password"
            )

    def __repr__(self) -> str:
        return f"Proxy({self.url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show the same to those who print in colours."""
        return [("url", self.url)]

    def secrets(self) -> tuple[str, ...]:
        """All that must be removed from a text before a person sees it."""
        pair = b64encode(f"{self.username}:{self.password}".encode()).decode()
        return (self.password, pair)


class Network(Struct, frozen=True, kw_only=True):
    """How one backend is reached; environment variables change nothing about it."""

    tls: TlsOptions = TlsOptions()
    proxy: Proxy | None = None

    @property
    def via(self) -> str:
        """The end of every message about a failure: what else may be its cause."""
        return "" if self.proxy is None else f" (through the proxy {self.proxy.url})"

    def secrets(self) -> tuple[str, ...]:
        """All that must be removed from a text before a person sees it."""
        return () if self.proxy is None else self.proxy.secrets()


DIRECT: Final = Network()


def open_transport(
    network: Network, context: ssl.SSLContext
) -> httpx.AsyncBaseTransport:
    """Make the connections; `context` is for the backend."""
    return httpx.AsyncHTTPTransport(
        verify=context,
        proxy=None if network.proxy is None else _describe(network.proxy, network.tls),
        trust_env=False,
    )


def _describe(proxy: Proxy, tls: TlsOptions) -> httpx.Proxy:
    # The proxy is no business partner: it is not shown our client certificate.
    is_tls = httpx.URL(proxy.url).scheme == "https"
    trust = make_context(TlsOptions(ca_file=tls.ca_file)) if is_tls else None
    has_user = proxy.username or proxy.password
    return httpx.Proxy(
        proxy.url,
        ssl_context=trust,
        auth=(proxy.username, proxy.password) if has_user else None,
    )

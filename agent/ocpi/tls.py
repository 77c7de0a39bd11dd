"""TLS to a backend: whom we trust, who we are, and what a failed handshake means."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from agent.errors import ConfigError
from agent.ocpi.pem import make_bare_context, present, trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What OpenSSL found wrong with a certificate (x509_vfy.h).
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_UNKNOWN_AUTHORITY: Final = (2, 18, 19, 20, 21)
_WRONG_NAME: Final = (62, 64)

# What OpenSSL calls a handshake that failed, without "…ALERT_" for alerts received.
_OURS_REFUSED: Final = (
    "ACCESS_DENIED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "UNSUPPORTED_CERTIFICATE",
)
# The most used web server finishes the handshake and says it in a page.
_NGINX_DEMANDS: Final = b"No required SSL certificate was sent"
_NGINX_REFUSES: Final = b"The SSL certificate error"

_DEMANDED: Final = (
    "the server demands a client certificate; set client_certificate to the one that "
    "the backend's operator issued for us"
)
_REFUSED: Final = (
    "the server did not accept our client_certificate{}; ask the backend's operator "
    "which one is expected"
)
_OLD: Final = "the server's TLS is too old or switched off; expected 1.2 or newer"
_NOT_TLS: Final = "the server does not speak TLS on this port; is it http, not https?"
_ADVICE: Final = {
    "UNSUPPORTED_PROTOCOL": _OLD,
    "PROTOCOL_VERSION": _OLD,
    "NO_PROTOCOLS_AVAILABLE": _OLD,
    "WRONG_VERSION_NUMBER": _NOT_TLS,
    "RECORD_LAYER_FAILURE": _NOT_TLS,
    "HTTP_REQUEST": _NOT_TLS,
    "CERTIFICATE_REQUIRED": _DEMANDED,
}


class TlsOptions(Struct, frozen=True, kw_only=True):
    """The configuration of TLS to one backend; all files are PEM.

    `ca_file` holds authorities trusted beside the system's; `certificate` is what we
    show to a server that asks who we are, and may hold its `key`.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """Trust the system's authorities and `ca_file`, check names, speak TLS >= 1.2.

    Raise ConfigError naming the file that cannot be used, and why.
    """
    if options == TlsOptions():
        return _system_trust()
    context = _make_bare_context()
    if options.ca_file is not None:
        trust(context, "ca_file", options.ca_file)
    if options.certificate is not None:
        _present(context, options.certificate, options.key)
    elif options.key is not None:
        raise ConfigError("client_key: expected a client_certificate beside it")
    return context


@cache
def _system_trust() -> ssl.SSLContext:
    """Load the system's certificates once; there is no bundle of our own."""
    return _make_bare_context()


def _make_bare_context() -> ssl.SSLContext:
    context = make_bare_context(ssl.PROTOCOL_TLS_CLIENT)
    # Whoever names an intermediate authority as ca_file means to trust it.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_default_certs()
    return context


def _present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Show our certificate, which may hold its key as well."""
    shown = ("client_certificate", certificate)
    present(context, shown, shown if key is None else ("client_key", key))


def explain(
    err: ssl.SSLError,
    options: TlsOptions,
    *,
    clock_is_synchronized: Callable[[], bool],
) -> str:
    """Say why the handshake failed and what a reader can do about it."""
    # Errors that Python itself makes up lack what OpenSSL would have said.
    if isinstance(err, ssl.SSLCertVerificationError):
        complaint = getattr(err, "verify_message", str(err))
        code = getattr(err, "verify_code", 0)
        advice = _advise(code, is_time_known=clock_is_synchronized())
        return f"the server's certificate was not accepted ({complaint}); {advice}"
    reason: str = getattr(err, "reason", None) or ""
    kind = reason.rpartition("ALERT_")[2]
    if kind in _ADVICE:
        return _ADVICE[kind]
    if kind in _OURS_REFUSED:
        return _REFUSED.format(f" ({kind.lower().replace('_', ' ')})")
    # Before TLS 1.3 a server has no other word for a certificate that is missing.
    if kind == "HANDSHAKE_FAILURE" and options.certificate is None:
        return (
            "the server refused the TLS handshake; if it demands a client "
            "certificate, set client_certificate"
        )
    return f"TLS failed: {reason.lower().replace('_', ' ') or err.strerror or err}"


def find_certificate_trouble(status: int, body: bytes) -> str | None:
    """Recognise the page by which a web server says that our certificate is missing."""
    if status != 400:  # noqa: PLR2004 - its bad request
        return None
    if _NGINX_DEMANDS in body:
        return _DEMANDED
    return _REFUSED.format("") if _NGINX_REFUSES in body else None


def _advise(code: int, *, is_time_known: bool) -> str:
    # TLS compares with the system's clock, right or wrong; so it is that one we show.
    clock = f"the clock of this machine reads {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    unset = "" if is_time_known else " and was not set yet"
    if code == _NOT_YET_VALID:
        if unset:
            return f"{clock}{unset}: this ends when a time server has been reached"
        return f"{clock}; unless that is wrong, the backend must change its certificate"
    if code == _EXPIRED:
        return f"{clock}{unset}; unless that is wrong, the backend must renew it"
    if code in _UNKNOWN_AUTHORITY:
        return (
            "its authority is not known here; if it is a private one, set ca_file to "
            "the authority's certificate"
        )
    if code in _WRONG_NAME:
        return "it belongs to another host name; check the URL"
    return "its owner must replace it"

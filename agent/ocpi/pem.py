"""Certificates and keys in PEM files, and a TLS context to load them into.

Every ConfigError names the setting, the file and the reason.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, NoReturn

from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_BEGIN_CERTIFICATE: Final = (
    b"-----BEGIN CERTIFICATE-----",
    b"-----BEGIN TRUSTED CERTIFICATE-----",
)
_BEGIN_KEY: Final = (b"PRIVATE KEY-----",)
_KEY_MISMATCH: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")


def make_bare_context(protocol: int) -> ssl.SSLContext:
    """Speak TLS >= 1.2, trusting nobody and showing nothing yet."""
    # Not ssl.create_default_context(): it writes the keys of every connection to a
    # file that an environment variable names, and grows stricter with each Python.
    context = ssl.SSLContext(protocol)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


def trust(context: ssl.SSLContext, setting: str, path: Path) -> None:
    """Trust the authorities in a file."""
    _check(setting, path, _BEGIN_CERTIFICATE, "a certificate")
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError) as err:
        raise ConfigError(
            f"{setting}: {path}: expected certificates in PEM, got a damaged one "
            f"({err.strerror})"
        ) from err


def present(
    context: ssl.SSLContext, certificate: tuple[str, Path], key: tuple[str, Path]
) -> None:
    """Show a certificate; each file comes with the name of its setting."""
    # Loading both at once would not tell which of the files is damaged.
    trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *certificate)
    setting, holder = key
    _check(setting, holder, _BEGIN_KEY, "a private key")

    # OpenSSL's own way to ask for a passphrase is to stop at the terminal.
    def refuse() -> NoReturn:
        raise ConfigError(
            f"{setting}: {holder}: the private key is encrypted, and nobody is there "
            "to type the passphrase; store it without one, readable by the agent only"
        )

    try:
        context.load_cert_chain(certificate[1], holder, password=refuse)
    except (ssl.SSLError, OSError) as err:
        if getattr(err, "reason", None) in _KEY_MISMATCH:
            raise ConfigError(
                f"{setting}: the private key in {holder} does not belong to the "
                f"certificate in {certificate[1]}"
            ) from err
        raise ConfigError(
            f"{setting}: {holder}: expected a private key in PEM, got a damaged one "
            f"({err.strerror})"
        ) from err


def _check(setting: str, path: Path, marks: tuple[bytes, ...], what: str) -> None:
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{setting}: cannot read {path}: {err.strerror}") from err
    if not any(mark in content for mark in marks):
        raise ConfigError(f"{setting}: {path}: expected {what} in PEM, found none")

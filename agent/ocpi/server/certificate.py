"""TLS for those who call us: our certificate and its key."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, NoReturn

from agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_MARKS: Final = {
    "certificate": b"-----BEGIN CERTIFICATE-----",
    "key": b"PRIVATE KEY-----",
}
_MISMATCH: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")


def make_server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Speak TLS >= 1.2 with this chain; raise ConfigError naming file and reason."""
    for setting, path in (("certificate", certificate), ("key", key)):
        _check_pem(setting, path)
    # Not ssl.create_default_context(): it writes the keys of every connection to a
    # file that an environment variable names, and grows stricter with each Python.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])

    # OpenSSL's own way to ask for a passphrase is to stop at the terminal.
    def refuse() -> NoReturn:
        raise ConfigError(
            f"[server] key: {key} is encrypted, and nobody is there to type the "
            "passphrase; store it without one, readable by the agent only"
        )

    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except (ssl.SSLError, OSError) as err:
        if getattr(err, "reason", None) in _MISMATCH:
            raise ConfigError(
                f"[server] key: {key} does not belong to the certificate in "
                f"{certificate}"
            ) from err
        raise ConfigError(
            f"[server] certificate, key: {certificate} and {key}: expected a chain "
            f"and its private key in PEM, got damaged ones ({err.strerror})"
        ) from err
    return context


def _check_pem(setting: str, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ConfigError(
            f"[server] {setting}: cannot read {path}: {err.strerror}"
        ) from err
    if _MARKS[setting] not in content:
        raise ConfigError(f"[server] {setting}: {path}: found no {setting} in PEM")

"""Results of PC/SC in words that somebody can act on."""

from __future__ import annotations

from typing import Final

import pytest

from drivers.errors import AccessDeniedError
from drivers.readers.pcsc_codes import Code, ScardError, error_for, explain

REFUSED: Final = Code.SCARD_W_SECURITY_VIOLATION


def test_refused_access_names_the_rule() -> None:
    """A user whom polkit refuses learns which file grants which actions."""
    error = error_for("SCardEstablishContext", REFUSED, opening=True)
    assert isinstance(error, AccessDeniedError)
    for word in (
        "50-rfid-agent.rules",
        "org.debian.pcsc-lite.access_pcsc",
        "org.debian.pcsc-lite.access_card",
        "0x8010006A",
    ):
        assert word in str(error)


def test_connection_reset_is_no_refusal() -> None:
    """Inside an open context the code of a refusal means that pcscd went away."""
    error = error_for("SCardGetStatusChange", REFUSED, opening=False)
    assert isinstance(error, ScardError)
    assert explain(error.code) == explain(Code.SCARD_E_NO_SERVICE)


@pytest.mark.parametrize("code", [code for code in Code if code])
def test_every_code_has_a_message(code: Code) -> None:
    """A message names the code, or says how to start pcscd."""
    message = str(error_for("SCardConnect", code, opening=True))
    assert message.startswith("SCardConnect: ")
    assert f"{code.name}, 0x{code:08X}" in message or "systemctl start" in message


def test_unknown_code() -> None:
    """A code without a name is shown as it is."""
    assert explain(0x801000FF) == "unknown PC/SC result 0x801000FF"

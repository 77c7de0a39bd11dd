"""The token in the header, and nowhere else."""

from __future__ import annotations

from base64 import b64encode

import pytest

from agent.errors import ConfigError
from agent.ocpi.authorization import CredentialsToken, Encoding


def test_encodings() -> None:
    """Base64 is that of the bare token: no newline sneaks in."""
    token = CredentialsToken("example-token\n")
    assert token.header(Encoding.BASE64) == "Token ZXhhbXBsZS10b2tlbg=="
    assert token.header(Encoding.RAW) == "Token example-token"


def test_other_encoding_is_the_other_one() -> None:
    """Two encodings, each the other's alternative."""
    assert Encoding.BASE64.other is Encoding.RAW
    assert Encoding.RAW.other is Encoding.BASE64


@pytest.mark.parametrize("value", ["", " \n", "two words", "tok\ten", "tök", "a\x7fb"])
def test_impossible_tokens(value: str) -> None:
    """What no header can hold is a configuration mistake, told without the value."""
    with pytest.raises(ConfigError) as caught:
        CredentialsToken(value)
    assert "credentials token" in str(caught.value)
    assert not value.strip() or value.strip() not in str(caught.value)


def test_prints_as_dots() -> None:
    """Neither repr nor str nor format shows the secret."""
    token = CredentialsToken("very-secret")
    assert "very-secret" not in f"{token!r} {token} {[token]}"


@pytest.mark.parametrize(
    ("value", "is_trap"),
    [
        (b64encode(b"example-token").decode(), True),
        (b64encode(b"example-token\n").decode(), True),
        ("6f1c2b9e-8f6d-4c1a-9d0f-2f7b4c0a1e55", False),
        ("example-token", False),
        (b64encode(bytes(range(200, 230))).decode(), False),
    ],
)
def test_encoding_trap(value: str, *, is_trap: bool) -> None:
    """A token pasted in its Base64 form is warned about, never decoded silently."""
    warning = CredentialsToken(value).find_encoding_trap()
    assert (warning is not None) == is_trap
    assert value not in (warning or "")
    assert "example-token" not in (warning or "")

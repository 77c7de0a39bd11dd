"""The secrets of an upstream: where they may be, and that nobody is shown one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.config import load_config
from agent.config.reading import SECRET_KEYS
from agent.errors import ConfigError
from tests.agent.config.station_file import GOOD, SECRET, extend, load, write

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = ("client_key", "proxy_login")
#: What each of them needs beside itself.
NEEDS = {
    "client_key": 'client_certificate = "client.pem"',
    "proxy_login": 'proxy = "http://proxy.example:3128"',
}
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n"


def with_secret(key: str, value: str) -> str:
    """Write a good file with this secret."""
    return extend(GOOD, upstream=f"{key} = {value}\n{NEEDS[key]}")


def keep(folder: Path, content: str = SECRET, mode: int = 0o600) -> Path:
    """Put a secret where it belongs."""
    path = folder / "secret"
    path.write_text(content)
    path.chmod(mode)
    return path


def mistake(folder: Path, text: str) -> str:
    """Read a file with one mistake."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    [message] = str(caught.value).splitlines()
    return message


def test_a_secret_that_is_missing_is_the_only_mistake(tmp_path: Path) -> None:
    """What its upstream would have been needed for is not missing besides."""
    offline = 'offline = "allow-unknown"'
    party = 'authorize_unknown = true\ncountry_code = "NL"\nparty_id = "TNM"'
    text = extend(GOOD, authorization=offline, upstream=party)
    load(tmp_path, text)
    (tmp_path / "cpo.token").unlink()
    text = text.replace('"cpo.token"', '"gone.token"')
    assert "gone.token" in mistake(tmp_path, text)


def test_every_secret_is_in_the_table() -> None:
    """A new one fails here until it is tested like the others."""
    assert {"token", *OTHERS} == set(SECRET_KEYS)


@pytest.mark.parametrize("key", OTHERS)
def test_a_secret_is_found_beside_the_configuration(tmp_path: Path, key: str) -> None:
    """And not shown with what was read."""
    path = keep(tmp_path)
    config = load(tmp_path, with_secret(key, '{ file = "secret" }'))
    source = getattr(config.upstreams[0], key)
    assert source.file == path
    assert source.read() == SECRET
    assert SECRET not in repr(config)


@pytest.mark.parametrize("key", OTHERS)
def test_what_is_not_written_is_not_there(tmp_path: Path, key: str) -> None:
    """A secret that nobody needs is not looked for."""
    assert getattr(load(tmp_path).upstreams[0], key) is None


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize(
    "value",
    [
        f'"{SECRET}"',
        f'["{SECRET}"]',
        f'{{ file = ["{SECRET}"] }}',
        f'{{ credential = "{SECRET} " }}',
    ],
)
def test_a_secret_in_the_file_itself_is_not_repeated(
    tmp_path: Path, key: str, value: str
) -> None:
    """Whoever writes it in the wrong place does not find it in the log as well."""
    message = mistake(tmp_path, with_secret(key, value))
    assert SECRET not in message
    assert f"[[upstream]] number 1 {key}" in message


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{SECRET}@proxy.example:3128",
        f"http://{SECRET}@proxy.example",
        f"{SECRET}",
    ],
)
def test_a_password_in_the_address_of_a_proxy_is_not_repeated(
    tmp_path: Path, proxy: str
) -> None:
    """Its place is proxy_login."""
    message = mistake(tmp_path, extend(GOOD, upstream=f'proxy = "{proxy}"'))
    assert SECRET not in message
    assert "proxy: expected a URL without a password" in message


@pytest.mark.parametrize("key", OTHERS)
def test_a_secret_open_to_everybody_is_refused(tmp_path: Path, key: str) -> None:
    """With the way to close it."""
    path = keep(tmp_path, mode=0o644)
    message = mistake(tmp_path, with_secret(key, '{ file = "secret" }'))
    assert f"chmod o= {path}" in message


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize(
    ("file", "why"), [("none", "No such file"), (".", "directory")]
)
def test_a_secret_that_is_not_there_is_found_out_now(
    tmp_path: Path, key: str, file: str, why: str
) -> None:
    """Not at the first request."""
    message = mistake(tmp_path, with_secret(key, f'{{ file = "{file}" }}'))
    assert f"number 1 {key}" in message
    assert why in message


@pytest.mark.parametrize("key", OTHERS)
def test_a_credential_is_looked_up_where_systemd_puts_it(
    tmp_path: Path, key: str
) -> None:
    """Outside the service that is a note."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    path = write(tmp_path, with_secret(key, '{ credential = "mine" }'))
    with pytest.raises(ConfigError, match="LoadCredential="):
        load_config(path, credentials)
    (credentials / "mine").write_text(SECRET)
    (credentials / "mine").chmod(0o400)
    config = load_config(path, credentials)
    assert getattr(config.upstreams[0], key).file == credentials / "mine"
    assert config.notes == ()
    [note] = load_config(path).notes
    assert f"number 1 {key}" in note


def test_a_private_key_has_several_lines(tmp_path: Path) -> None:
    """It is a file for the TLS library, and no word."""
    keep(tmp_path, PEM)
    config = load(tmp_path, with_secret("client_key", '{ file = "secret" }'))
    assert config.upstreams[0].client_key is not None


@pytest.mark.parametrize("content", ["", "two\nlines", "a word and another"])
def test_a_login_that_cannot_be_one_is_refused(tmp_path: Path, content: str) -> None:
    """It goes into a header."""
    keep(tmp_path, content)
    message = mistake(tmp_path, with_secret("proxy_login", '{ file = "secret" }'))
    assert "number 1 proxy_login" in message
    assert not content or content not in message

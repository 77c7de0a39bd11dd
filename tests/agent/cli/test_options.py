"""Loading the configuration beside the service, secrets included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent import service
from agent.cli import options
from agent.errors import ConfigError
from tests.agent.config.station_file import GOOD, write

if TYPE_CHECKING:
    from pathlib import Path

WITH_CREDENTIAL = GOOD.replace('{ file = "cpo.token" }', '{ credential = "cpo-token" }')


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Say where the service's secrets would be; nothing is there yet."""
    folder = tmp_path / "rfid-agent.service"
    monkeypatch.setattr(service, "SERVICE_CREDENTIALS", folder)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return folder


def test_the_secrets_of_the_running_service_are_used(
    tmp_path: Path, credentials: Path
) -> None:
    """So root can try the backends' tokens, and doctor has nothing to complain of."""
    path = write(tmp_path, WITH_CREDENTIAL)
    (note,) = options.load(path).notes
    assert "was not looked at" in note
    credentials.mkdir()
    (credentials / "cpo-token").write_text("its-secret")
    (credentials / "cpo-token").chmod(0o400)
    config = options.load(path)
    assert config.notes == ()
    assert config.upstreams[0].token.read() == "its-secret"


def test_a_secret_that_the_service_lacks_is_named(
    tmp_path: Path, credentials: Path
) -> None:
    """The service would not start with it either."""
    credentials.mkdir()
    with pytest.raises(ConfigError, match=r"token: .*LoadCredential="):
        options.load(write(tmp_path, WITH_CREDENTIAL))


def test_a_reload_is_checked_where_its_secrets_are_hidden(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Debian a closed directory lies on them then; the service has them still.

    A directory of our own that is merely empty is none of that.
    """
    path = write(tmp_path, WITH_CREDENTIAL)
    told = tmp_path / "credentials/rfid-agent.service"
    told.mkdir(parents=True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(told))
    with pytest.raises(ConfigError, match="token: the service was not given"):
        options.load(path)
    monkeypatch.setattr("os.access", lambda path, _: path != told.parent)
    (note,) = options.load(path).notes
    assert "was not looked at" in note
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "nowhere/at/all"))
    with pytest.raises(ConfigError, match="token: the service was not given"):
        options.load(path)
    assert not credentials.exists()


def test_secrets_that_are_not_for_us_are_left_alone(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is not root checks all the rest."""
    credentials.mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert options.load(write(tmp_path, WITH_CREDENTIAL)).notes != ()

"""The configuration file as a whole: what it means, and each way to get it wrong."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from agent.config import load_config
from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.settings import Owner
from agent.errors import ConfigError
from tests.agent.config.mistakes import TABLE
from tests.agent.config.station_file import GOOD, SECRET, load, spoil, write


def mistakes(folder: Path, text: str) -> list[str]:
    """Read a bad file and return its mistakes, a line each, without the path."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(path)) for line in lines)
    return [line.removeprefix(str(path)).removeprefix(":") for line in lines]


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    """Tables, drivers' options and relative paths arrive where they belong."""
    config = load(tmp_path)

    state = tmp_path / "state"
    assert config.station.state_dir == state
    assert [evse.uid for evse in config.evses] == ["SE*ABC*E1", "SE*ABC*E2"]
    assert config.evses[0].charger.options.control == state / "e1.ctl"
    assert [reader.evses for reader in config.readers] == [
        ("SE*ABC*E1", "SE*ABC*E2"),
        ("SE*ABC*E2",),
    ]
    assert config.readers[0].indicator.options.path == state / "front.signals"
    assert config.readers[1].indicator.driver == "none"
    assert [upstream.token.read() for upstream in config.upstreams] == [SECRET] * 2
    assert config.upstreams[0].token.file == tmp_path / "cpo.token"
    assert config.notes == ()


def test_absolute_paths_stay(tmp_path: Path) -> None:
    """Only relative paths are taken from the state directory."""
    text = spoil(('"e1.ctl"', '"/run/e1.ctl"'), ('"state"', '"/var/lib/station"'))

    config = load(tmp_path, text)

    assert str(config.evses[0].charger.options.control) == "/run/e1.ctl"
    assert str(config.evses[0].charger.options.log) == "/var/lib/station/e1.jsonl"


def test_the_rules_get_their_parameters(tmp_path: Path) -> None:
    """What the station machine is told follows from the file alone."""
    text = spoil(
        (
            "[authorization]\n",
            '[authorization]\noffline = "allow-unknown"\nonline = "online-first"\n',
        ),
        (
            'name = "hub"\n',
            'name = "hub"\nparty_id = "TNM"\n',
        ),
        ('party_id = "TNM"\n', 'party_id = "TNM"\ncountry_code = "NL"\n'),
        ('party_id = "TNM"\n', 'party_id = "TNM"\nauthorize_unknown = true\n'),
        ("[reporting]\n", '[reporting]\nmeter_every = "30s"\nupdate_every = "90s"\n'),
    )

    settings = load(tmp_path, text).settings()

    assert settings.readers["side"] == ("SE*ABC*E2",)
    assert settings.modes == Modes(
        OnlineMode.ONLINE_FIRST, OfflineMode.ALLOW_UNKNOWN, ask_unknown=True
    )
    assert settings.unknown_owner == Owner("hub", "NL", "TNM")
    assert settings.meter_every == timedelta(seconds=30)
    assert settings.report_every == timedelta(seconds=90)


def test_nobody_is_asked_about_unknown_cards_by_default(tmp_path: Path) -> None:
    """An upstream opts in to being asked about cards that it has not listed."""
    settings = load(tmp_path).settings()

    assert settings.modes == Modes(
        OnlineMode.LOCAL_FIRST, OfflineMode.WHITELIST, ask_unknown=False
    )
    assert settings.unknown_owner is None


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_a_mistake_is_named_with_its_place_and_remedy(
    tmp_path: Path, old: str, new: str, line: int | None, parts: tuple[str, ...]
) -> None:
    """One mistake makes one message: line, table, key, value, and what is right."""
    found = mistakes(tmp_path, spoil((old, new)))

    [message] = found
    if line is not None:
        assert message.startswith(f"{line}: ")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("old", "key"),
    [
        ('"SE"', "country_code"),
        ('"ABC"', "party_id"),
        ('"LOC-1"', "location_id"),
        ('"SE*ABC*E1"', "uid"),
        ('"front"', "name"),
        ('"https://hub.example/ocpi/versions"', "versions_url"),
    ],
)
def test_a_newline_at_the_end_is_no_part_of_a_name(
    tmp_path: Path, old: str, key: str
) -> None:
    """It would break a header or a URL much later."""
    path = write(tmp_path, spoil((old, old[:-1] + '\\n"')))

    with pytest.raises(ConfigError, match=rf"{key} = "):
        load_config(path)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody has to fix one mistake to hear of the next, whatever table it is in."""
    text = spoil(
        ('"ABC"', '"abc"'),
        ('deadline = "2s"', 'deadline = "2"\ntap_to_stop = 1'),
        ("[reporting]", "[reporting]\nmeter_evry = 1"),
        ('"e1.ctl"', "1"),
        ('driver = "pipe"', 'driver = "pip"'),
        ('name = "cpo"', 'name = "CPO"'),
        ('"hub.token"', '"none"'),
    )

    found = mistakes(tmp_path, text)

    for part in (
        "party_id",
        "deadline",
        "tap_to_stop",
        "meter_evry",
        "charger.control",
        'driver = "pip"',
        'name = "CPO"',
        "[[upstream]] number 2 token",
    ):
        assert sum(part in message for message in found) == 1, part
    assert len(found) == 8


def test_an_empty_file_lists_everything_that_is_needed(tmp_path: Path) -> None:
    """Each needed table and key is named; there is no line to name."""
    found = mistakes(tmp_path, "")

    for part in (
        "country_code",
        "party_id",
        "location_id",
        "[[evse]]",
        "[[reader]]",
        "[[upstream]]",
    ):
        assert sum(part in message for message in found) == 1, part


@pytest.mark.parametrize(
    "text",
    [
        'evse = ["x"]',
        "evse = [1]",
        "evse = 1",
        "evse = {}",
        "reader = [[]]",
        "reader = [{name = [1]}]",
        'upstream = ["x"]',
        "station = []",
        "station = 7",
        "authorization = [1]",
        "[[station]]",
        "[evse]\nuid = 1",
        "x = " + "[" * 3000,
        "x = 1979-05-27T07:32:00Z",
        'a."b c".d = 1',
        "[station]\nparty_id = nan",
        "[station]\nstate_dir = [1]",
    ],
)
def test_any_shape_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    """Tables where none belong, and the reverse, are mistakes like others."""
    path = write(tmp_path, text)

    with pytest.raises(ConfigError, match=str(path)):
        load_config(path)


@pytest.mark.parametrize(
    "content", [b"[station", b"a = 1\na = 2", b"\xff\xfe", b"\0", b"a = 'x"]
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """The parser's words and the place it names are passed on."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=f"{path}(:1)?: not valid TOML: "):
        load_config(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or a folder: one line, with the reason."""
    with pytest.raises(
        ConfigError, match=r"config\.toml: cannot be read: No such file"
    ):
        load_config(tmp_path / "config.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_file_of_roots_comes_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed to whoever installs it."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match="Permission denied; try sudo"):
        load_config(tmp_path / "config.toml")


# ---- secrets ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601])
def test_a_secret_that_everybody_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """The message says how to close the file."""
    path = write(tmp_path)
    (tmp_path / "cpo.token").chmod(mode)

    with pytest.raises(ConfigError, match=f"chmod o= {tmp_path / 'cpo.token'}"):
        load_config(path)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_a_secret_may_be_read_by_its_owner_and_group(tmp_path: Path, mode: int) -> None:
    """The service's group may share it."""
    path = write(tmp_path)
    (tmp_path / "cpo.token").chmod(mode)

    assert load_config(path).upstreams[0].token.read() == SECRET


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"two\nlines"])
def test_a_secret_that_cannot_be_one_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, no text, or several lines: found now, not at the first request."""
    path = write(tmp_path)
    (tmp_path / "cpo.token").write_bytes(content)

    with pytest.raises(ConfigError, match="number 1 token") as caught:
        load_config(path)
    assert "two" not in str(caught.value).replace(str(path), "")


def test_a_credential_is_looked_up_where_systemd_puts_it(tmp_path: Path) -> None:
    """With a credentials directory the secret must be there."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    path = write(tmp_path, spoil(('{ file = "cpo.token" }', '{ credential = "cpo" }')))
    with pytest.raises(ConfigError, match="LoadCredential="):
        load_config(path, credentials)
    (credentials / "cpo").write_text("from-systemd\n")
    (credentials / "cpo").chmod(0o400)

    config = load_config(path, credentials)

    assert config.upstreams[0].token.read() == "from-systemd"
    assert config.notes == ()


def test_a_credential_outside_the_service_is_a_note(tmp_path: Path) -> None:
    """check-config by hand cannot look, and says so; reading it then is an error."""
    path = write(tmp_path, spoil(('{ file = "cpo.token" }', '{ credential = "cpo" }')))

    config = load_config(path)

    [note] = config.notes
    assert "'cpo'" in note
    assert "number 1" in note
    with pytest.raises(ConfigError, match="handed to the running service only"):
        config.upstreams[0].token.read()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[authorization]", '[authorization]\nalso_match = ["reversed"]', "also_match"),
        ('"side.cards"', '"side.cards"\nuid = { cut = 4 }', "[[reader]] number 2 uid"),
        ('"side.cards"', '"side.cards"\nuid = { strip = "3B" }', "number 2 uid"),
    ],
)
def test_what_may_make_one_card_of_two_is_a_note(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    """It is there for those who need it, and nobody gets it unwarned."""
    [note] = load(tmp_path, spoil((before, after))).notes
    assert words in note


def test_a_secret_that_goes_away_is_a_configuration_error(tmp_path: Path) -> None:
    """The file may be gone by the time it is read."""
    config = load(tmp_path)
    (tmp_path / "cpo.token").unlink()

    with pytest.raises(ConfigError, match=r"cpo\.token: No such file"):
        config.upstreams[0].token.read()


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Neither the configuration nor any part of it shows a secret."""
    config = load(tmp_path)

    assert SECRET not in repr(config)
    assert SECRET not in repr([upstream.token for upstream in config.upstreams])
    assert SECRET.encode() not in msgspec.json.encode(config, enc_hook=str)


def test_a_secret_in_the_file_itself_is_not_repeated(tmp_path: Path) -> None:
    """Who writes the token where its source belongs does not find it in the journal."""
    text = spoil(('{ file = "cpo.token" }', f'"{SECRET}"'))

    [message] = mistakes(tmp_path, text)

    assert SECRET not in message
    assert "token: expected" in message


@pytest.mark.parametrize(
    "place",
    [
        f'{{ credential = "{SECRET} " }}',
        f'{{ file = ["{SECRET}"] }}',
        f'["{SECRET}"]',
    ],
)
def test_a_secret_in_a_wrong_place_is_not_repeated(tmp_path: Path, place: str) -> None:
    """Nothing that stands where a secret belongs is shown."""
    [message] = mistakes(tmp_path, spoil(('{ file = "cpo.token" }', place)))

    assert SECRET not in message


def test_the_good_file_is_good() -> None:
    """The table above replaces things that are there, once."""
    assert all(row[1] in GOOD for row in TABLE)

"""What a connection remembers, and what becomes of a file that cannot be believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.errors import ConfigError, StoreFailedError
from agent.ocpi.authorization import CredentialsToken, Encoding
from agent.ocpi.credentials import PartyRole, Role
from agent.ocpi.memory import Memory, Registration, State
from agent.ocpi.station import Party
from tests.agent.ocpi.examples import JSON
from tests.agent.ocpi.partner import Disk

URL = "https://emsp.example/ocpi/versions"
NL, DE = Party("NL", "TNM"), Party("DE", "HUB")


def role(kind: Role, party: Party = NL) -> PartyRole:
    """Be somebody."""
    return PartyRole(role=kind, party=party, name="Example")


WHOLE = Registration(
    state=State.ROTATING,
    version="2.2.1",
    serial="17",
    our_token_for_them=CredentialsToken("ours"),
    our_next_token_for_them=CredentialsToken("ours-next"),
    our_previous_token_for_them=CredentialsToken("ours-previous"),
    their_token_for_us=CredentialsToken("theirs"),
    their_roles=(role(Role.EMSP),),
    hub=DE,
)


def values(registration: Registration | None) -> list[str | None]:
    """Give the tokens, which compare by identity only."""
    assert registration is not None
    tokens = (
        *registration.tokens_for_them(),
        registration.their_token_for_us,
    )
    return [token.value if token else None for token in tokens]


def test_everything_comes_back() -> None:
    """A registration and the encodings are the same after a restart."""
    disk = Disk()
    memory = Memory(URL, disk)
    memory.keep(WHOLE)
    memory.note_encodings({"versions": Encoding.RAW})
    again = Memory(URL, disk)
    told = again.registration
    assert values(told) == ["ours", "ours-next", "ours-previous", "theirs"]
    assert told is not None
    plain = {
        "our_token_for_them": WHOLE.our_token_for_them,
        "our_next_token_for_them": None,
        "our_previous_token_for_them": None,
        "their_token_for_us": None,
    }
    assert replace(told, **plain) == replace(WHOLE, **plain)
    assert again.encodings == {"versions": Encoding.RAW}
    assert again.problem == ""


def test_without_a_file() -> None:
    """Nothing is needed to remember for as long as we run."""
    memory = Memory(URL)
    memory.keep(WHOLE)
    memory.note_encodings({"versions": Encoding.RAW})
    assert memory.registration is WHOLE
    assert memory.encodings == {"versions": Encoding.RAW}


STATES = [
    # state, whether requests are made, whether they may show our tokens
    (State.REGISTERING, False, True),
    (State.REGISTERED, True, True),
    (State.ROTATING, True, True),
    (State.ENDED, False, False),
]


@pytest.mark.parametrize(("state", "is_usable", "is_open"), STATES)
def test_states(state: State, *, is_usable: bool, is_open: bool) -> None:
    """Each state has one answer to both directions."""
    memory = Memory(URL)
    memory.keep(replace(WHOLE, state=state))
    shown = memory.their_token_for_us
    assert (shown is not None) is is_usable
    assert memory.registered_version == ("2.2.1" if is_usable else None)
    assert memory.registration is not None
    assert len(memory.registration.tokens_for_them()) == (3 if is_open else 0)


def test_states_are_complete() -> None:
    """A new state fails here until it has its row."""
    assert [row[0] for row in STATES] == list(State)


PARTIES: list[tuple[Party | None, tuple[PartyRole, ...], Party | None]] = [
    # the hub by name, the roles, who the backend is
    (None, (), None),
    (None, (role(Role.EMSP),), NL),
    (None, (role(Role.CPO, DE), role(Role.EMSP)), NL),
    (None, (role(Role.EMSP), role(Role.EMSP, DE)), None),
    (None, (role(Role.OTHER),), None),
    (None, (role(Role.EMSP), role(Role.HUB, DE)), DE),
    (DE, (role(Role.EMSP),), DE),
    (DE, (), DE),
]


@pytest.mark.parametrize(("hub", "roles", "expected"), PARTIES)
def test_their_party(
    hub: Party | None, roles: tuple[PartyRole, ...], expected: Party | None
) -> None:
    """A hub is the hub; an eMSP is one if there is no other."""
    memory = Memory(URL)
    memory.keep(replace(WHOLE, hub=hub, their_roles=roles))
    assert memory.their_party == expected
    assert Memory(URL).their_party is None


@pytest.mark.parametrize(
    ("hub", "roles", "expected"),
    [
        (None, (role(Role.EMSP),), True),
        (None, (role(Role.EMSP), role(Role.EMSP, DE)), True),
        (None, (role(Role.EMSP, DE),), False),
        (None, (role(Role.CPO),), False),
        (None, (role(Role.EMSP), role(Role.HUB, DE)), False),
        (DE, (role(Role.EMSP),), False),
        (None, (), False),
    ],
)
def test_is_emsp(
    hub: Party | None,
    roles: tuple[PartyRole, ...],
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A party is an eMSP by its role, in any case, and never behind a hub."""
    memory = Memory(URL)
    assert not memory.is_emsp(NL)
    memory.keep(replace(WHOLE, hub=hub, their_roles=roles))
    assert memory.is_emsp(NL) is expected
    small = Party(NL.country_code.lower(), NL.party_id.lower())
    assert memory.is_emsp(small) is expected


def test_another_url() -> None:
    """What was agreed on with one server is not shown to another, and is not lost."""
    disk = Disk()
    Memory(URL, disk).keep(WHOLE)
    before = disk.content
    other = Memory("https://other.example", disk)
    assert other.registration is None
    assert "another versions_url" in other.problem
    assert disk.content == before
    assert values(Memory(URL, disk).registration)[0] == "ours"
    other.keep(None)
    assert other.problem == ""
    assert Memory(URL, disk).registration is None


def test_encodings_of_another_url_are_no_problem() -> None:
    """A backend that moved is found out about anew, without a word."""
    disk = Disk()
    Memory(URL, disk).note_encodings({"versions": Encoding.RAW})
    other = Memory("https://other.example", disk)
    assert (dict(other.encodings), other.problem) == ({}, "")


def test_a_full_disk() -> None:
    """What cannot be kept did not happen; an encoding is no tragedy."""
    disk = Disk()
    memory = Memory(URL, disk)
    memory.keep(WHOLE)
    disk.is_full = True
    with pytest.raises(StoreFailedError):
        memory.keep(None)
    assert memory.registration is WHOLE
    memory.note_encodings({"versions": Encoding.RAW})
    assert values(Memory(URL, disk).registration)[0] == "ours"


def test_held_without_a_file_until_there_is_room() -> None:
    """A registration that could not be kept is in use, and is kept at next chance."""
    disk = Disk()
    memory = Memory(URL, disk)
    memory.hold(WHOLE)
    assert memory.their_token_for_us is WHOLE.their_token_for_us
    assert disk.content is None
    memory.note_encodings({"versions": Encoding.RAW})
    assert values(Memory(URL, disk).registration)[0] == "ours"


def test_a_command_beside_the_daemon_overwrites_nothing() -> None:
    """What somebody else has written since is newer than what was found out."""
    disk = Disk()
    Memory(URL, disk).keep(WHOLE)
    daemon, command = Memory(URL, disk), Memory(URL, disk)
    daemon.keep(replace(WHOLE, our_token_for_them=CredentialsToken("newer")))
    command.note_encodings({"versions": Encoding.RAW})
    assert command.encodings == {"versions": Encoding.RAW}
    again = Memory(URL, disk)
    assert values(again.registration)[0] == "newer"
    assert again.encodings == {}


def kept_json() -> dict[str, Any]:
    """Write a whole file."""
    disk = Disk()
    memory = Memory(URL, disk)
    memory.keep(WHOLE)
    memory.note_encodings({"versions": Encoding.RAW})
    content: dict[str, Any] = disk.read_json()
    return content


DAMAGE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    json.dumps(kept_json())[:-20].encode(),
    json.dumps(kept_json() | {"registration": {"state": "registered"}}).encode(),
    json.dumps(kept_json()).replace('"theirs"', '"the irs"').encode(),
    json.dumps(kept_json()).replace('"theirs"', "17").encode(),
    json.dumps(kept_json()).replace("rotating", "resting").encode(),
    json.dumps(kept_json()).replace("as it is", "ROT13").encode(),
]


@pytest.mark.parametrize("content", DAMAGE, ids=range(len(DAMAGE)))
def test_damage(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file says so, stays as it is, and gives way to a new registration."""
    disk = Disk(content)
    memory = Memory(URL, disk)
    assert "damaged" in memory.problem
    assert memory.problem in caplog.text
    assert (memory.registration, dict(memory.encodings)) == (None, {})
    assert disk.content == content
    memory.keep(WHOLE)
    assert memory.problem == ""
    assert Memory(URL, disk).problem == ""


def test_a_file_that_is_shut(caplog: pytest.LogCaptureFixture) -> None:
    """A file of somebody else stops no station, and is replaced by registering."""

    class Shut(Disk):
        def read(self) -> bytes | None:
            raise ConfigError("connection.json: Permission denied")

    disk = Shut()
    memory = Memory(URL, disk)
    assert memory.problem == "connection.json: Permission denied"
    assert memory.problem in caplog.text
    memory.note_encodings({"versions": Encoding.RAW})
    assert disk.content is None
    memory.keep(WHOLE)
    assert memory.registration is WHOLE
    assert disk.content is not None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_file_stops_a_station(content: bytes) -> None:
    """Whatever is in it, the agent starts."""
    memory = Memory(URL, Disk(content))
    assert memory.problem
    assert memory.registration is None


@given(st.sampled_from(sorted(kept_json()["registration"])), JSON)
def test_any_field_may_be_damaged(name: str, value: object) -> None:
    """A field that holds something else is damage, or harmless."""
    content = kept_json()
    content["registration"] |= {name: value}
    memory = Memory(URL, Disk(json.dumps(content).encode()))
    assert (memory.registration is None) is bool(memory.problem)
    assert "theirs" not in memory.problem


def test_nothing_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a registration nor the trouble with its file shows a token."""
    whole = json.dumps(kept_json())
    for part in range(0, len(whole), 7):
        memory = Memory(URL, Disk(whole[:part].encode()))
        assert "ours" not in memory.problem.replace("yours", "")
    assert "ours" not in repr(WHOLE)
    assert "theirs" not in repr(WHOLE)
    assert "ours-next" not in caplog.text

"""What all parts of the backend share: settings, books and what was recorded."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.reference.messages import Problem, RefusalError, Reply
from tests.reference.moments import write_moment
from tests.reference.tokens import fold_party, owner, render

if TYPE_CHECKING:
    from tests.reference.keys import Keys
    from tests.reference.messages import Request
    from tests.reference.settings import Settings
    from tests.reference.tokens import Party
    from tests.reference.values import JsonObject

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What authorize says of one uid; the defaults are those of a friendly eMSP."""

    allowed: str = "ALLOWED"
    #: Where it is allowed, as LocationReferences; None says what was asked.
    location: JsonObject | None = None
    #: A reference of its own for every answer unless this names one; "" gives none.
    authorization_reference: str | None = None
    info: str | None = None
    #: Token fields that differ from the list, or the whole of an unlisted card.
    token: JsonObject = field(default_factory=dict)


Verdict = Answer | Literal["unknown"]


@dataclass(slots=True)
class Given:
    """An authorize answer that was sent for a Token."""

    answer: JsonObject
    request: Request


@dataclass(slots=True)
class State:
    """One backend's memory; any thread may look at it."""

    settings: Settings
    keys: Keys
    origin: str = ""
    tokens: list[JsonObject] = field(default_factory=list)
    answers: dict[str, Verdict] = field(default_factory=dict)
    #: Every (uid or auth_id, contract) that was told to the station, folded.
    told: set[tuple[str, ...]] = field(default_factory=set)
    #: The whitelist kind of each Token as the station knows it.
    delivered: dict[Key, str] = field(default_factory=dict)
    given: dict[Key, list[Given]] = field(default_factory=dict)
    #: Parties behind the hub that cannot be reached, and the code that says why.
    hub_trouble: dict[Party, int] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    request_ids: set[str] = field(default_factory=set)
    cpo: Party | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find_token(self, uid: str, token_type: str) -> JsonObject | None:
        """Look a Token up by uid, in any case, and type."""
        wanted = key_of(uid, token_type)
        found = (
            one for one in self.tokens if key_of(one["uid"], one["type"]) == wanted
        )
        return next(found, None)

    def remember_told(self, one: JsonObject) -> None:
        """Note that the station has been told of a Token."""
        for version in self.settings.versions:
            rendered = render(version, one, self.settings.party)
            self.told.add(facts_of(version, rendered))
        if "whitelist" in one and "uid" in one:
            key = key_of(one["uid"], one.get("type", "RFID"))
            self.delivered[key] = one["whitelist"]

    def parties(self) -> set[Party]:
        """Tell who stands behind this backend."""
        known = {owner(one, self.settings.party) for one in self.tokens}
        return {fold_party(one) for one in known | {self.settings.party}}


@dataclass(slots=True)
class Asked:
    """A request on its way through the backend."""

    state: State
    request: Request
    version: str
    module: str
    rest: list[str]
    #: The credentials token that was shown.
    token: str = field(default="", repr=False)

    def object_to(self, rule: str, *messages: str) -> None:
        """Record what is forbidden."""
        for message in messages:
            problem = Problem(str(self.request), rule, message, self.request)
            self.state.problems.append(problem)

    def refuse(self, rule: str, *messages: str, http_status: int = 200) -> None:
        """Record what is forbidden and answer 2001; nothing at all is fine."""
        if messages:
            self.object_to(rule, *messages)
            raise RefusalError(2001, f"{rule}: {messages[0]}", http_status)

    def wrong_method(self) -> RefusalError:
        """Record and word that this URL has no such method."""
        message = f"{self.request.method} is not foreseen here"
        self.object_to("method", message)
        return RefusalError(2000, message, 405)

    def wrong_url(self) -> RefusalError:
        """Record and word that nothing is at this URL."""
        self.object_to("url", "nothing is there")
        return RefusalError(2000, "nothing is there", 404)

    def succeed(self, data: object = None, *, status: int = 200) -> Reply:
        """Build the answer of success; data of None is left out."""
        return build_reply(self.state, 1000, "Success", data, status)


def build_reply(
    state: State, code: int, message: str, data: object = None, status: int = 200
) -> Reply:
    """Build an envelope."""
    envelope = {
        "status_code": code,
        "status_message": message,
        "timestamp": write_moment(state.settings.now()),
    }
    return Reply.of(envelope | ({} if data is None else {"data": data}), status)


def key_of(uid: str, token_type: str) -> Key:
    """Make the key under which a Token is unique within its owner."""
    return uid.casefold(), token_type


def facts_of(version: str, shown: JsonObject) -> tuple[str, ...]:
    """Reduce a Token or CdrToken to what a Session repeats of it."""
    names = (
        ("auth_id",)
        if version == "2.1.1"
        else ("country_code", "party_id", "uid", "type", "contract_id")
    )
    return tuple(str(shown.get(name, "")).casefold() for name in names)

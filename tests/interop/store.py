"""What an eMSP under test knows; shared by the apps of both independent servers.

Needs the standard library only. A restart keeps everything but PATCHes: tokens and
outcomes stand in `seed.json`, what happened since stands in `journal.jsonl`.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

JsonObject = dict[str, Any]
Page = tuple[list[JsonObject], int, bool]
SEED: Final = "seed.json"
JOURNAL: Final = "journal.jsonl"
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)


class Store:
    """Tokens and outcomes, accepted sessions and CDRs, invitations, registrations."""

    def __init__(
        self, directory: Path, *, invitation: str, secret: str, page_cap: int = 0
    ) -> None:
        self._seed, self._journal = directory / SEED, directory / JOURNAL
        self._first = (invitation, secret)
        self.page_cap = page_cap
        self.tokens: list[JsonObject] = []
        self.outcomes: dict[str, JsonObject] = {}
        self._load(json.loads(self._seed.read_bytes()))
        self._reset()
        for line in self._journal.read_bytes().splitlines():
            self._apply(json.loads(line))

    @classmethod
    def from_environment(cls) -> Self:
        """Read INTEROP_DIRECTORY, INTEROP_PAGE_CAP, OCPI_TOKEN_A and OCPI_TOKEN_C."""
        return cls(
            Path(os.environ["INTEROP_DIRECTORY"]),
            invitation=os.environ["OCPI_TOKEN_A"],
            secret=os.environ["OCPI_TOKEN_C"],
            page_cap=int(os.environ["INTEROP_PAGE_CAP"]),
        )

    # ---- what the harness asks for --------------------------------------------------

    def history(self) -> JsonObject:
        """Return what was accepted and who is registered, each oldest first."""
        return {
            "sessions": self.sessions,
            "cdrs": self.cdrs,
            "registrations": self.registrations,
        }

    def seed(self, seed: JsonObject) -> None:
        """Replace tokens and authorize outcomes."""
        scratch = self._seed.with_suffix(".new")
        scratch.write_text(json.dumps(seed))
        scratch.replace(self._seed)
        self._load(seed)

    def invite(self, token: str | None) -> str:
        """Accept this TOKEN_A, or a fresh one, for one registration; return it."""
        token = token or secrets.token_hex(16)
        self._keep("invited", token=token)
        return token

    def keep(self, kind: str, version: str, body: JsonObject) -> None:
        """Append one accepted `session` or `cdr` exactly as it was sent."""
        self._keep(kind, version=version, body=body)

    def forget(self) -> None:
        """Go back to the first day; tokens and outcomes stay."""
        self._journal.write_text("")
        self._reset()

    # ---- what the server asks for ---------------------------------------------------

    def find_token(self, uid: str, kind: str) -> JsonObject | None:
        """Return a listed token, or one that only an outcome brings along."""
        for token in self.tokens:
            if token["uid"].casefold() == uid.casefold() and token["type"] == kind:
                return token
        outcome = self.outcomes.get(uid.casefold(), {})
        return outcome.get("token")

    def page(self, filters: JsonObject, kinds: Iterable[str] | None = None) -> Page:
        """Return tokens, how many match, and whether it is the last page.

        Lowers the limit in `filters` to the page cap: both servers build Link and
        X-Limit from it after the call.
        """
        filters["limit"] = min(filters["limit"], self.page_cap or filters["limit"])
        start = _utc(filters["date_from"] or EARLIEST)
        end = _utc(filters["date_to"] or LATEST)
        matches = [
            token
            for token in self.tokens
            if start <= _utc(datetime.fromisoformat(token["last_updated"])) < end
            and (kinds is None or token["type"] in kinds)
        ]
        stop = filters["offset"] + filters["limit"]
        return matches[filters["offset"] : stop], len(matches), stop >= len(matches)

    def authorize(self, data: JsonObject) -> JsonObject | None:
        """Return an OCPI 2.2.1 AuthorizationInfo; None: the question lacks a place."""
        uid, asked_at = data["token_uid"], data["location_reference"]
        token = self.find_token(uid, data["token_type"])
        default = {"allowed": "ALLOWED" if token and token["valid"] else "BLOCKED"}
        outcome = self.outcomes.get(uid.casefold(), default)
        if outcome.get("requires_location") and not asked_at:
            return None
        info = {"token": token, "location": asked_at, "allowed": outcome["allowed"]}
        if asked_at and "evse_uids" in outcome:
            info["location"] = {**asked_at, "evse_uids": outcome["evse_uids"]}
        if "info" in outcome:
            info["info"] = {"language": "en", "text": outcome["info"]}
        return info | {
            "authorization_reference": outcome.get("authorization_reference")
        }

    def find_session(self, version: str, key: str) -> JsonObject | None:
        """Return the last state of a session, as sent or as the server patched it."""
        return self._current.get((version, key.casefold()))

    def put_session(self, version: str, body: JsonObject) -> None:
        """Note the state of a session as the server understood it."""
        self._current[version, body["id"].casefold()] = body

    def find_cdr(self, version: str, key: str) -> JsonObject | None:
        """Return the last CDR with this id."""
        same = [
            one["body"]
            for one in self.cdrs
            if one["version"] == version
            and one["body"]["id"].casefold() == key.casefold()
        ]
        return same[-1] if same else None

    def register(self, version: str, used: str | None, data: JsonObject) -> str:
        """Note a party's credentials and endpoints; return its fresh token.

        The token it has used dies, be it an invitation or an older credentials token.
        """
        fresh = secrets.token_hex(16)
        party = {"version": version, "token_for_station": fresh, **data}
        self._keep("registered", used=used, party=party)
        return fresh

    def unregister(self, token: str) -> None:
        """Let a credentials token die."""
        self._keep("unregistered", used=token)

    # ---- inside ---------------------------------------------------------------------

    def _reset(self) -> None:
        invitation, secret = self._first
        #: TOKEN_A of everybody who may register.
        self.invitations = {invitation}
        #: The credentials tokens of everybody who may use the modules.
        self.valid = {secret}
        self.registrations: list[JsonObject] = []
        self.sessions: list[JsonObject] = []
        self.cdrs: list[JsonObject] = []
        self._current: dict[tuple[str, str], JsonObject] = {}

    def _load(self, seed: JsonObject) -> None:
        self.tokens = seed["tokens"]
        self.outcomes = {
            uid.casefold(): {"allowed": outcome}
            if isinstance(outcome, str)
            else outcome
            for uid, outcome in seed["authorize"].items()
        }

    def _keep(self, kind: str, **content: object) -> None:
        entry = {"kind": kind, **content}
        with self._journal.open("a") as journal:
            journal.write(json.dumps(entry) + "\n")
        self._apply(entry)

    def _apply(self, entry: JsonObject) -> None:
        match entry["kind"]:
            case "session":
                self.sessions.append(entry)
                self.put_session(entry["version"], entry["body"])
            case "cdr":
                self.cdrs.append(entry)
            case "invited":
                self.invitations.add(entry["token"])
            case "registered":
                self._retire(entry["used"])
                self.valid.add(entry["party"]["token_for_station"])
                self.registrations.append(entry["party"])
            case "unregistered":
                self._retire(entry["used"])

    def _retire(self, token: str | None) -> None:
        self.invitations.discard(token or "")
        self.valid.discard(token or "")
        self.registrations = [
            one for one in self.registrations if one["token_for_station"] != token
        ]


def _utc(moment: datetime) -> datetime:
    # OCPI: a time without a zone is UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

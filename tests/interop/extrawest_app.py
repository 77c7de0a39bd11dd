"""The independent OCPI 2.2.1 server as an eMSP; an ASGI app with faults on demand.

Runs in the environment of `environment.py`, under its uvicorn, one process.
Environment: the server's own settings, and EXTRAWEST_SEED (tokens and authorize
outcomes), EXTRAWEST_JOURNAL (accepted sessions and CDRs), EXTRAWEST_PAGE_CAP,
OCPI_TOKEN_C, OCPI_TOKEN_A.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from py_ocpi.core.authentication.authenticator import Authenticator
from py_ocpi.core.crud import Crud
from py_ocpi.core.enums import ModuleID, RoleEnum
from py_ocpi.main import get_application
from py_ocpi.modules.versions.enums import VersionNumber

from tests.interop.extrawest_faults import JsonObject, Recorder

Page = tuple[list[JsonObject], int, bool]
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)


class Store:
    """What the eMSP knows; a restart keeps all but the credentials it issued."""

    def __init__(self) -> None:
        self._seed = Path(os.environ["EXTRAWEST_SEED"])
        self._journal = Path(os.environ["EXTRAWEST_JOURNAL"])
        self.page_cap = int(os.environ.get("EXTRAWEST_PAGE_CAP", "0"))
        self.valid_a = {os.environ["OCPI_TOKEN_A"]}
        self.valid_c = {os.environ["OCPI_TOKEN_C"]}
        self.tokens: list[JsonObject] = []
        self.outcomes: dict[str, JsonObject] = {}
        #: Every accepted session PUT exactly as sent, oldest first, by session id.
        self.sessions: dict[str, list[JsonObject]] = {}
        self.cdrs: list[JsonObject] = []
        #: The last state of each session as the server understood it.
        self.current: dict[str, JsonObject] = {}
        self._load(json.loads(self._seed.read_bytes()))
        for line in self._journal.read_bytes().splitlines():
            self._apply(json.loads(line))

    def seed(self, seed: JsonObject) -> None:
        """Replace tokens and authorize outcomes."""
        scratch = self._seed.with_suffix(".new")
        scratch.write_text(json.dumps(seed))
        scratch.replace(self._seed)
        self._load(seed)

    def keep(self, kind: str, body: JsonObject) -> None:
        """Append one accepted `session` or `cdr`."""
        entry = {"kind": kind, "body": body}
        with self._journal.open("a") as journal:
            journal.write(json.dumps(entry) + "\n")
        self._apply(entry)

    def find_token(self, uid: str, kind: str) -> JsonObject | None:
        """Return a listed token, or one that only an outcome brings along."""
        for token in self.tokens:
            if token["uid"].casefold() == uid.casefold() and token["type"] == kind:
                return token
        outcome = self.outcomes.get(uid.casefold(), {})
        return outcome.get("token")

    def _load(self, seed: JsonObject) -> None:
        self.tokens = seed["tokens"]
        self.outcomes = {
            uid.casefold(): {"allowed": outcome}
            if isinstance(outcome, str)
            else outcome
            for uid, outcome in seed["authorize"].items()
        }

    def _apply(self, entry: JsonObject) -> None:
        body = entry["body"]
        if entry["kind"] == "cdr":
            self.cdrs.append(body)
        else:
            self.sessions.setdefault(body["id"], []).append(body)
            self.current[body["id"].casefold()] = body


STORE: Final = Store()


class StoreAuthenticator(Authenticator):  # type: ignore[misc]  # library without types
    """Accepts the credentials tokens of the store."""

    @classmethod
    async def get_valid_token_c(cls) -> list[str]:
        """Return the tokens of registered parties."""
        return list(STORE.valid_c)

    @classmethod
    async def get_valid_token_a(cls) -> list[str]:
        """Return the tokens that may only register."""
        return list(STORE.valid_a)


class StoreCrud(Crud):  # type: ignore[misc]  # library without types
    """Answers the server's questions from the store."""

    @classmethod
    async def get(
        cls,
        module: str,
        _role: str,
        key: str,
        *_: object,
        token_type: str | None = None,
        **__: object,
    ) -> JsonObject | None:
        """Return one token, session, CDR or the credentials, or None."""
        match module:
            case ModuleID.tokens:
                return STORE.find_token(key, token_type or "RFID")
            case ModuleID.sessions:
                return STORE.current.get(key.casefold())
            case ModuleID.cdrs:
                same = [c for c in STORE.cdrs if c["id"].casefold() == key.casefold()]
                return same[-1] if same else None
        return _credentials(key) if key in STORE.valid_c else None

    @classmethod
    async def list(
        cls, _module: str, _role: str, filters: JsonObject, *_: object, **__: object
    ) -> Page:
        """Return one page of tokens; also lower the limit to the page cap."""
        # The server builds Link and X-Limit from this dict after the call.
        filters["limit"] = min(filters["limit"], STORE.page_cap or filters["limit"])
        start = _utc(filters["date_from"] or EARLIEST)
        end = _utc(filters["date_to"] or LATEST)
        matches = [
            token
            for token in STORE.tokens
            if start <= _utc(datetime.fromisoformat(token["last_updated"])) < end
        ]
        stop = filters["offset"] + filters["limit"]
        return matches[filters["offset"] : stop], len(matches), stop >= len(matches)

    @classmethod
    async def create(
        cls,
        module: str,
        _role: str,
        data: JsonObject,
        *_: object,
        auth_token: str,
        **__: object,
    ) -> JsonObject:
        """Take a session or CDR, or register a party."""
        if module == ModuleID.credentials_and_registration:
            STORE.valid_a.discard(auth_token)
            STORE.valid_c.discard(auth_token)
            STORE.valid_c.add(fresh := secrets.token_hex(16))
            return _credentials(fresh)
        if module == ModuleID.sessions:
            STORE.current[data["id"].casefold()] = data
        return data

    @classmethod
    async def update(
        cls,
        module: str,
        role: str,
        data: JsonObject,
        *_: object,
        auth_token: str,
        **__: object,
    ) -> JsonObject:
        """Replace a session, or rotate the credentials."""
        return await cls.create(module, role, data, auth_token=auth_token)

    @classmethod
    async def delete(cls, _module: str, _role: str, key: str, **_: object) -> None:
        """Unregister a party."""
        STORE.valid_c.discard(key)

    @classmethod
    async def do(
        cls, _module: str, _role: str, _action: str, *, data: JsonObject, **_: object
    ) -> JsonObject | None:
        """Authorize a token; None means the question lacks the location."""
        uid, asked_at = data["token_uid"], data["location_reference"]
        token = STORE.find_token(uid, data["token_type"])
        default = {"allowed": "ALLOWED" if token and token["valid"] else "BLOCKED"}
        outcome = STORE.outcomes.get(uid.casefold(), default)
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


def _credentials(token: str) -> JsonObject:
    role = {
        "role": "EMSP",
        "business_details": {"name": "Interop eMSP"},
        "party_id": os.environ["PARTY_ID"],
        "country_code": os.environ["COUNTRY_CODE"],
    }
    url = f"http://{os.environ['OCPI_HOST']}/ocpi/versions"
    return {"token": token, "url": url, "roles": [role]}


def _utc(moment: datetime) -> datetime:
    # OCPI: a time without a zone is UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


app = Recorder(
    get_application(
        version_numbers=[VersionNumber.v_2_2_1],
        roles=[RoleEnum.emsp],
        crud=StoreCrud,
        modules=[
            ModuleID.credentials_and_registration,
            ModuleID.tokens,
            ModuleID.sessions,
            ModuleID.cdrs,
        ],
        authenticator=StoreAuthenticator,
    ),
    STORE,
)

"""extrawest_ocpi as an eMSP; an ASGI app with faults on demand.

Runs in the environment of `environment.py`, under its uvicorn, one process.
Environment: the server's own settings, INTEROP_VERSIONS, and what `Store` and
`Recorder` read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from py_ocpi.core.authentication.authenticator import Authenticator
from py_ocpi.core.crud import Crud
from py_ocpi.core.enums import ModuleID, RoleEnum
from py_ocpi.main import get_application
from py_ocpi.modules.versions.enums import VersionNumber

from tests.interop.recorder import Recorder
from tests.interop.shapes import (
    TOKEN_TYPES_211,
    authorization_in,
    credentials_in,
    is_211,
    token_in,
)
from tests.interop.store import Store

if TYPE_CHECKING:
    from tests.interop.store import JsonObject, Page

STORE: Final = Store.from_environment()
VERSIONS_URL: Final = f"http://{os.environ['OCPI_HOST']}/ocpi/versions"


class StoreAuthenticator(Authenticator):  # type: ignore[misc]  # library without types
    """Accepts the credentials tokens of the store."""

    @classmethod
    async def get_valid_token_c(cls) -> list[str]:
        """Return the tokens of registered parties."""
        return list(STORE.valid)

    @classmethod
    async def get_valid_token_a(cls) -> list[str]:
        """Return the tokens that may only register."""
        return list(STORE.invitations)


class StoreCrud(Crud):  # type: ignore[misc]  # library without types
    """Answers the server's questions from the store, in the version it asks for."""

    @classmethod
    async def get(
        cls,
        module: str,
        _role: str,
        key: str,
        *_: object,
        version: VersionNumber,
        token_type: str | None = None,
        **__: object,
    ) -> JsonObject | None:
        """Return one token, session, CDR or the credentials, or None."""
        match module:
            case ModuleID.tokens:
                token = STORE.find_token(key, token_type or "RFID")
                return token and token_in(version.value, token)
            case ModuleID.sessions:
                return STORE.find_session(version.value, key)
            case ModuleID.cdrs:
                return STORE.find_cdr(version.value, key)
        if key not in STORE.valid:
            return None
        return credentials_in(version.value, key, VERSIONS_URL)

    @classmethod
    async def list(
        cls,
        _module: str,
        _role: str,
        filters: JsonObject,
        *_: object,
        version: VersionNumber,
        **__: object,
    ) -> Page:
        """Return one page of tokens."""
        kinds = TOKEN_TYPES_211 if is_211(version.value) else None
        tokens, total, is_last = STORE.page(filters, kinds)
        return [token_in(version.value, one) for one in tokens], total, is_last

    @classmethod
    async def create(
        cls,
        module: str,
        _role: str,
        data: JsonObject,
        *_: object,
        auth_token: str,
        version: VersionNumber,
        **__: object,
    ) -> JsonObject:
        """Take a session or CDR, or register a party."""
        if module == ModuleID.credentials_and_registration:
            fresh = STORE.register(version.value, auth_token, data)
            return credentials_in(version.value, fresh, VERSIONS_URL)
        if module == ModuleID.sessions:
            STORE.put_session(version.value, data)
        return data

    @classmethod
    async def update(
        cls,
        module: str,
        role: str,
        data: JsonObject,
        *_: object,
        auth_token: str,
        version: VersionNumber,
        **__: object,
    ) -> JsonObject:
        """Replace a session, or rotate the credentials."""
        return await cls.create(
            module, role, data, auth_token=auth_token, version=version
        )

    @classmethod
    async def delete(cls, _module: str, _role: str, key: str, **_: object) -> None:
        """Unregister a party."""
        STORE.unregister(key)

    @classmethod
    async def do(
        cls,
        _module: str,
        _role: str,
        _action: str,
        *,
        data: JsonObject,
        version: VersionNumber,
        **_: object,
    ) -> JsonObject | None:
        """Authorize a token; None means the question lacks the location."""
        info = STORE.authorize(data)
        return info and authorization_in(version.value, info)


app = Recorder(
    get_application(
        version_numbers=[
            VersionNumber(one) for one in os.environ["INTEROP_VERSIONS"].split()
        ],
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

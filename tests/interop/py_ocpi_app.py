"""py_ocpi as an eMSP; an ASGI app with faults on demand.

Runs in the environment of `environment.py`, under its uvicorn, one process.
Environment: the server's own settings, INTEROP_REFUSES_STRANGERS, and what `Store`
and `Recorder` read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from py_ocpi.core.adapter import Adapter
from py_ocpi.core.crud import Crud
from py_ocpi.core.enums import Action, ModuleID, RoleEnum
from py_ocpi.core.exceptions import AuthorizationOCPIError, NotFoundOCPIError
from py_ocpi.main import get_application
from py_ocpi.modules.cdrs.v_2_2_1.schemas import Cdr
from py_ocpi.modules.credentials.v_2_2_1.schemas import Credentials
from py_ocpi.modules.sessions.v_2_2_1.schemas import Session
from py_ocpi.modules.tokens.v_2_2_1.schemas import AuthorizationInfo, Token
from py_ocpi.modules.versions.enums import VersionNumber

from tests.interop.recorder import Recorder
from tests.interop.shapes import credentials_in
from tests.interop.store import Store

if TYPE_CHECKING:
    from tests.interop.store import JsonObject, Page

STORE: Final = Store.from_environment()
VERSION: Final = "2.2.1"
VERSIONS_URL: Final = f"http://{os.environ['OCPI_HOST']}/ocpi/versions"
REFUSES_STRANGERS: Final = bool(os.environ["INTEROP_REFUSES_STRANGERS"])


class SchemaAdapter(Adapter):  # type: ignore[misc]  # library without types
    """Puts the store's dicts, which have the right shape, into the library's models."""

    @classmethod
    def token_adapter(cls, data: JsonObject, *_: object) -> Token:
        """Return a Token."""
        return Token(**data)

    @classmethod
    def authorization_adapter(cls, data: JsonObject, *_: object) -> AuthorizationInfo:
        """Return an AuthorizationInfo."""
        return AuthorizationInfo(**data)

    @classmethod
    def session_adapter(cls, data: JsonObject, *_: object) -> Session:
        """Return a Session; None, which the library passes for an unknown one, fails.

        There is no better way: the PUT of a new session needs the same None.
        """
        return Session(**data)

    @classmethod
    def cdr_adapter(cls, data: JsonObject, *_: object) -> Cdr:
        """Return a CDR."""
        return Cdr(**data)

    @classmethod
    def credentials_adapter(cls, data: JsonObject, *_: object) -> Credentials:
        """Return Credentials."""
        return Credentials(**data)


class StoreCrud(Crud):  # type: ignore[misc]  # library without types
    """Answers the server's questions from the store."""

    @classmethod
    async def get(
        cls,
        module: str,
        _role: str,
        key: str,
        *,
        auth_token: str | None,
        token_type: str | None = None,
        **_: object,
    ) -> JsonObject | None:
        """Return one token, session, CDR or the credentials, or None."""
        match module:
            case ModuleID.tokens:
                _check(auth_token)
                token = STORE.find_token(key, token_type or "RFID")
                if token is None:
                    # The library's own way to 404 with 2004.
                    raise NotFoundOCPIError
                return token
            case ModuleID.sessions:
                _check(auth_token)
                return STORE.find_session(VERSION, key)
            case ModuleID.cdrs:
                _check(auth_token)
                return STORE.find_cdr(VERSION, key)
        if key not in STORE.valid:
            return None
        return credentials_in(VERSION, key, VERSIONS_URL)

    @classmethod
    async def list(
        cls,
        _module: str,
        _role: str,
        filters: JsonObject,
        *,
        auth_token: str | None,
        **_: object,
    ) -> Page:
        """Return one page of tokens."""
        _check(auth_token)
        return STORE.page(filters)

    @classmethod
    async def create(
        cls,
        module: str,
        _role: str,
        data: JsonObject,
        *_: object,
        auth_token: str | None,
        **__: object,
    ) -> JsonObject:
        """Take a session or CDR, or register a party."""
        if module == ModuleID.credentials_and_registration:
            fresh = STORE.register(VERSION, auth_token, data)
            return credentials_in(VERSION, fresh, VERSIONS_URL)
        _check(auth_token)
        if module == ModuleID.sessions:
            STORE.put_session(VERSION, data)
        return data

    @classmethod
    async def update(
        cls,
        module: str,
        role: str,
        data: JsonObject,
        *_: object,
        auth_token: str | None,
        **__: object,
    ) -> JsonObject:
        """Replace a session, or rotate the credentials."""
        return await cls.create(module, role, data, auth_token=auth_token)

    @classmethod
    async def delete(cls, _module: str, _role: str, key: str, **_: object) -> None:
        """Unregister a party."""
        STORE.unregister(key)

    @classmethod
    async def do(
        cls,
        _module: str,
        _role: str | None,
        action: str,
        *,
        auth_token: str | None,
        data: JsonObject | None = None,
        **_: object,
    ) -> JsonObject | str | None:
        """Authorize a token, or tell who has sent this credentials token.

        Who: None is nobody, empty may register, anything else is registered.
        """
        if action == Action.authorize_token and data is not None:
            return STORE.authorize(data)
        if auth_token in STORE.invitations:
            return {}
        return auth_token if auth_token in STORE.valid else None


def _check(auth_token: str | None) -> None:
    if REFUSES_STRANGERS and auth_token not in STORE.valid:
        raise AuthorizationOCPIError


app = Recorder(
    get_application(
        version_numbers=[VersionNumber.v_2_2_1],
        roles=[RoleEnum.emsp],
        crud=StoreCrud,
        adapter=SchemaAdapter,
    ),
    STORE,
)

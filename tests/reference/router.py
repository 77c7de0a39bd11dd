"""From a request to its answer: who asks, what for, and is it in order."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from tests.reference.faults import MOVED
from tests.reference.headers import answer_headers, check_headers
from tests.reference.keys import read_authorization
from tests.reference.messages import RefusalError
from tests.reference.state import Asked, build_reply

if TYPE_CHECKING:
    from tests.reference.cdr_module import CdrModule
    from tests.reference.credentials_module import CredentialsModule
    from tests.reference.messages import Reply, Request
    from tests.reference.session_module import SessionModule
    from tests.reference.settings import Encoding
    from tests.reference.state import State
    from tests.reference.token_module import TokenModule

#: The module of an opaque page, which is one of tokens.
PAGE: Final = "page"
SENDERS: Final = ("tokens",)


class Module(Protocol):
    """One functional module."""

    def answer(self, asked: Asked) -> Reply:
        """Answer one request; raise RefusalError if it is refused."""


class Router:
    """The whole backend as one function of requests."""

    def __init__(
        self,
        state: State,
        credentials: CredentialsModule,
        tokens: TokenModule,
        sessions: SessionModule,
        cdrs: CdrModule,
    ) -> None:
        self._state = state
        self._credentials = credentials
        self._tokens = tokens
        self._modules: dict[str, Module] = {
            "tokens": tokens,
            "sessions": sessions,
            "cdrs": cdrs,
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request; whatever is wrong with it has been recorded then."""
        asked = self._find(request)
        try:
            self._authenticate(asked)
            self._check(asked)
            # A handshake calls the station, which may call back meanwhile.
            is_alone = asked.module != "credentials"
            with self._state.lock if is_alone else nullcontext():
                reply = self._dispatch(asked)
        except RefusalError as err:
            code, status = err.ocpi_status, err.http_status
            reply = build_reply(self._state, code, str(err), status=status)
        reply.headers = answer_headers(asked) | reply.headers
        return reply

    def url(self, version: str, module: str) -> str:
        """Write the URL that version details give for a module."""
        base = f"{self._state.origin}{self._state.settings.base}/{version}"
        if module == "credentials":
            return f"{base}/credentials"
        return f"{base}/emsp/{module}" + "/" * self._state.settings.has_slash

    def _find(self, request: Request) -> Asked:
        """Find what a URL stands for; an empty module is nothing at all."""
        settings = self._state.settings
        segments = request.segments
        if segments[:2] == MOVED.split("/"):
            segments = ["", *segments[2:]]
        paths = settings.next_path.split("/") if settings.next_path else None
        if paths and segments[:-1] == paths:
            saved = self._tokens.links.find(segments[-1])
            version = saved[0] if saved else settings.versions[-1]
            return Asked(self._state, request, version, PAGE, segments[-1:])
        base = settings.base.split("/")
        version, module, rest = "", "", segments[len(base) :]
        if segments[: len(base)] == base:
            match rest:
                case ["versions"]:
                    module, rest = "versions", []
                case [found] if found in settings.versions:
                    version, module, rest = found, "details", []
                case [found, "credentials", *more] if found in settings.versions:
                    version, module, rest = found, "credentials", more
                case [found, "emsp", name, *more] if (
                    found in settings.versions and name in settings.modules
                ):
                    version, module, rest = found, name, more
        return Asked(self._state, request, version, module, rest)

    def _authenticate(self, asked: Asked) -> None:
        state, request = asked.state, asked.request
        encoding: Encoding = "raw" if asked.version == "2.1.1" else "base64"
        if not asked.version:
            is_found = asked.module == "versions"
            encoding = state.settings.versions_encoding if is_found else "either"
        problem = ""
        if request.count("authorization") != 1:
            problem = f"expected one header, got {request.count('authorization')}"
        else:
            header = request.headers["authorization"]
            try:
                asked.token = read_authorization(header, encoding, state.keys)
            except ValueError as err:
                problem = str(err)
        is_setup = asked.module in ("versions", "details", "credentials")
        if not problem and not is_setup and not state.keys.is_full(asked.token):
            problem = "this token is for versions and credentials only"
        if problem:
            asked.refuse("Authorization", problem, http_status=401)

    def _check(self, asked: Asked) -> None:
        if not asked.module:
            raise asked.wrong_url()
        self._check_url(asked)
        with self._state.lock:
            check_headers(asked)
        is_posted = asked.module in ("cdrs", "credentials")
        is_due = asked.request.method == "POST" and is_posted
        if asked.request.body or is_due:
            try:
                asked.request.json()
            except ValueError as err:
                asked.refuse("JSON", str(err), http_status=400)

    def _check_url(self, asked: Asked) -> None:
        """Demand the published form of a collection, and no empty segments."""
        slash = asked.state.settings.has_slash
        if asked.module in self._modules and asked.rest == [""] * (not slash):
            word = "with" if slash else "without"
            asked.refuse("url", f"published {word} a slash at its end", http_status=404)
        if asked.rest == [""] and slash:
            asked.rest = []
        if "" in asked.rest:
            asked.refuse("url", "an empty segment", http_status=404)

    def _dispatch(self, asked: Asked) -> Reply:
        if asked.module == "credentials":
            return self._credentials.answer(asked)
        if asked.module in self._modules:
            return self._modules[asked.module].answer(asked)
        if asked.request.method != "GET":
            raise asked.wrong_method()
        if asked.request.query and asked.module != PAGE:
            asked.refuse("query", "no parameter is foreseen here")
        match asked.module:
            case "versions":
                return asked.succeed(self._list_versions())
            case "details":
                return asked.succeed(self._describe(asked.version))
            case _:
                return self._tokens.open_link(asked)

    def _list_versions(self) -> list[dict[str, str]]:
        base = f"{self._state.origin}{self._state.settings.base}"
        versions = self._state.settings.versions
        return [{"version": one, "url": f"{base}/{one}"} for one in versions]

    def _describe(self, version: str) -> dict[str, object]:
        endpoints = []
        for name in ("credentials", *self._state.settings.modules):
            endpoint = {"identifier": name, "url": self.url(version, name)}
            if version != "2.1.1":
                is_sender = name in (*SENDERS, "credentials")
                endpoint["role"] = "SENDER" if is_sender else "RECEIVER"
            endpoints.append(endpoint)
        return {"version": version, "endpoints": endpoints}

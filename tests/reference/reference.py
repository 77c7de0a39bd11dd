"""The reference backend as tests use it: a context manager with everything on it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from tests.reference.caller import Caller
from tests.reference.cdr_module import CdrModule
from tests.reference.credentials_module import CredentialsModule
from tests.reference.faults import Armed, Faults, HangUp, Pause
from tests.reference.keys import Keys, make_token
from tests.reference.router import Router
from tests.reference.server import Server
from tests.reference.session_module import SessionModule
from tests.reference.settings import Settings
from tests.reference.state import State
from tests.reference.station import Station
from tests.reference.token_module import TokenModule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from tests.reference.cdr_module import Bill
    from tests.reference.faults import Kind
    from tests.reference.keys import Registration
    from tests.reference.messages import Problem, Reply, Request
    from tests.reference.session_module import Told
    from tests.reference.state import Verdict
    from tests.reference.tokens import Party
    from tests.reference.values import JsonObject


class Reference:
    """Serves on loopback from entering to leaving the context.

    Settings are keyword arguments: `Reference(versions=("2.1.1",))`. Lists and dicts
    may be changed and looked at from any thread at any time.
    """

    def __init__(self, *tokens: JsonObject, **settings: Any) -> None:  # noqa: ANN401 - fields of Settings
        self.settings = replace(Settings(), **settings)
        self._state = State(
            self.settings,
            Keys(self.settings.provisioned_token),
            tokens=list(tokens),
            cpo=self.settings.cpo,
        )
        self._caller = Caller(self._state)
        self._sessions = SessionModule()
        self._cdrs = CdrModule(self._sessions)
        self._router = Router(
            self._state,
            CredentialsModule(self._caller),
            TokenModule(),
            self._sessions,
            self._cdrs,
        )
        self._faults = Faults()
        self._server = Server(self._exchange, self.settings.tls)
        #: The other direction: what the eMSP asks of the station and pushes to it.
        self.station = Station(self._state, self._caller)

    def __enter__(self) -> Self:
        self._server.open()
        self._state.origin = self._server.origin
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._faults.clear()
        self._server.close()
        self._caller.close()

    # ---- what an operator is given ---------------------------------------------------

    @property
    def versions_url(self) -> str:
        """The URL of the versions."""
        return f"{self._server.origin}{self.settings.base}/versions"

    @property
    def token(self) -> str:
        """The credentials token that is valid now."""
        keys = self._state.keys
        found = keys.our_token_for_them or keys.provisioned
        if found is None:
            raise LookupError("expected a handshake, there is no token yet")
        return found

    def invite(self) -> str:
        """Make a TOKEN_A, good for one handshake and nothing else."""
        token = make_token()
        self._state.keys.invitations.add(token)
        return token

    def revoke(self) -> None:
        """Let no token be valid any more; only a new invite() helps."""
        keys = self._state.keys
        keys.provisioned = keys.our_token_for_them = None
        keys.invitations.clear()

    # ---- the books -------------------------------------------------------------------

    @property
    def tokens(self) -> list[JsonObject]:
        """The list of Tokens, without a version; see `tokens.token`."""
        return self._state.tokens

    @property
    def answers(self) -> dict[str, Verdict]:
        """What authorize says of a uid: an Answer or "unknown"."""
        return self._state.answers

    @property
    def hub_trouble(self) -> dict[Party, int]:
        """Parties that the hub cannot reach, and the OCPI status that says so."""
        return self._state.hub_trouble

    @property
    def sessions(self) -> dict[str, JsonObject]:
        """Each Session as it was told last, by its id."""
        return self._sessions.latest

    @property
    def session_history(self) -> list[Told]:
        """Every accepted PUT and PATCH, in order."""
        return self._sessions.history

    def forget_sessions(self) -> None:
        """Lose every Session, as a backend does that is set up anew."""
        self._sessions.forget()

    @property
    def cdrs(self) -> list[JsonObject]:
        """Every accepted CDR, in order."""
        return [bill.body for bill in self._cdrs.bills]

    @property
    def bills(self) -> list[Bill]:
        """The same with every POST of it."""
        return self._cdrs.bills

    # ---- what was recorded -----------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        """Every request in the order of arrival, with its reply."""
        return self._state.requests

    @property
    def problems(self) -> list[Problem]:
        """Everything that the specification forbids and that happened."""
        return self._state.problems

    @property
    def registered(self) -> Registration | None:
        """The station that made a handshake, or that was met."""
        return self._state.keys.registration

    def asked(self, method: str = "", path: str = "") -> list[Request]:
        """The requests of one method whose target contains this."""
        return [
            one
            for one in self.requests
            if method in ("", one.method) and path in one.target
        ]

    def assert_clean(self) -> None:
        """Fail with everything that was objected to, if anything was."""
        told = "\n".join(str(one) for one in self.problems)
        assert not self.problems, f"objections of the reference:\n{told}"

    # ---- trouble ---------------------------------------------------------------------

    def fault(
        self, method: str, path: str, kind: Kind, *, times: int | None = 1
    ) -> Armed:
        """Arm a fault for requests of a method ("" any) whose target has `path`."""
        return self._faults.arm(Armed(method, path, kind, times))

    def clear_faults(self) -> None:
        """Disarm every fault, and let everybody go on who waits in one."""
        self._faults.clear()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections within the context; the port stays the same."""
        self._server.close()
        try:
            yield
        finally:
            self._server.open()

    # ---- inside ----------------------------------------------------------------------

    def _exchange(self, request: Request) -> Reply | None:
        self._state.requests.append(request)
        kind = self._faults.take(request)
        outcome = kind.before(request) if kind else None
        if outcome is None:
            outcome = self._router.answer(request)
            if kind:
                outcome = kind.after(request, outcome)
        if isinstance(outcome, HangUp):
            return None
        is_whole = kind is None or isinstance(kind, Pause)
        request.delivery = "whole" if is_whole else "spoiled"
        return outcome

"""What a test tells an independent OCPI server, and what it asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tests.interop.process import ServerProcess
from tests.interop.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.interop.store import JsonObject

FaultKind = Literal[
    "status",  # answer `status` (and `ocpi_status`, `retry_after`) without processing
    "html",  # answer 200 with a web page without processing
    "cut_before",  # close the connection without processing or answering
    "delay",  # wait `seconds`, then process, even if the client has gone
    "cut_after",  # process fully, then close the connection without answering
    "repair_link",  # make the server's Link correct; it never is by itself
    "repair_location",  # make the Location of a new CDR correct; same
    "repair_urls",  # advertise http where the server advertises https
    "broken_link",  # make Link unparseable where there is one
    "broken_token",  # remove `whitelist` from the first token of a page
    "drop_envelope",  # answer `data` alone
    "truncate",  # send the first half of the body, with the length of that half
]


class AuthorizeOutcome(TypedDict, total=False):
    """How the eMSP answers for one card."""

    allowed: str
    authorization_reference: str
    #: Replaces the asked EVSEs in the answer's location.
    evse_uids: list[str]
    #: English display text.
    info: str
    #: Answer OCPI 2002 to a question without LocationReferences.
    requires_location: bool
    #: A card that the token list does not have.
    token: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One OCPI request in arrival order; `status` is None while or when unanswered."""

    method: str
    path: str
    query: dict[str, str]
    #: Lower-case names; the value of `authorization` is masked.
    headers: dict[str, str]
    #: Parsed JSON, None without a body or when it is not JSON.
    body: Any
    status: int | None
    #: The faults that had an effect, as kinds.
    faults: list[str]


class EmspServer(ServerProcess):
    """An eMSP whose tokens, answers and faults a test decides."""

    # ---- what it does ---------------------------------------------------------------

    def set_tokens(
        self,
        tokens: Sequence[Mapping[str, Any]],
        authorize: Mapping[str, str | AuthorizeOutcome] | None = None,
    ) -> None:
        """Replace the OCPI 2.2.1 token list and the outcomes by uid.

        A card without outcome is ALLOWED if its token is valid, else BLOCKED; without
        token too it is unknown. Callers of 2.1.1 see the same in their shape, without
        the types that 2.1.1 does not have.
        """
        seed = {"tokens": list(tokens), "authorize": dict(authorize or {})}
        self._control("POST", "tokens", seed)

    def invite(self, token: str | None = None) -> str:
        """Return a TOKEN_A, fresh unless given, that is good for one registration."""
        invited: str = self._control("POST", "invitations", token)
        return invited

    def set_fault(
        self,
        kind: FaultKind,
        *,
        path: str = "",
        method: str = "",
        times: int | None = 1,
        status: int = 503,
        ocpi_status: int | None = None,
        retry_after: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Add a fault for requests whose path contains `path`; None times: for ever.

        Among status, html and cut_before a request gets the oldest that fits; of every
        other kind also the oldest. Only faults that had an effect count as used.
        """
        fault = {"kind": kind, "path": path, "method": method, "times": times}
        answer = {"status": status, "ocpi_status": ocpi_status}
        timing = {"retry_after": retry_after, "seconds": seconds}
        self._control("POST", "faults", fault | answer | timing)

    def clear_faults(self) -> None:
        """Forget all faults; a request that is being delayed keeps those it met."""
        self._control("DELETE", "faults")

    # ---- what it has seen -----------------------------------------------------------

    def requests(self) -> list[RecordedRequest]:
        """Return every OCPI request since start or clear_requests()."""
        return [RecordedRequest(**one) for one in self._control("GET", "requests")]

    def clear_requests(self) -> None:
        """Forget the recorded requests."""
        self._control("DELETE", "requests")

    def sessions(self, version: str = "") -> dict[str, list[JsonObject]]:
        """Return the accepted session PUT bodies as sent, oldest first, by id."""
        history: dict[str, list[JsonObject]] = {}
        for body in self._accepted("sessions", version):
            history.setdefault(body["id"], []).append(body)
        return history

    def cdrs(self, version: str = "") -> list[JsonObject]:
        """Return the accepted CDRs as sent, oldest first; of all versions or of one."""
        return self._accepted("cdrs", version)

    def registrations(self) -> list[Registration]:
        """Return who is registered, oldest first, each with its latest credentials."""
        kept = self._control("GET", "history")["registrations"]
        return [Registration.from_json(one) for one in kept]

    def forget(self) -> None:
        """Forget all but tokens and outcomes, for good: it is the first day again.

        That is: faults, requests, sessions, CDRs, invitations and registrations. A
        request that is on its way is neither recorded nor kept.
        """
        for kind in ("history", "faults", "requests"):
            self._control("DELETE", kind)

    # ---- inside ---------------------------------------------------------------------

    def _accepted(self, kind: str, version: str) -> list[JsonObject]:
        kept = self._control("GET", "history")[kind]
        return [one["body"] for one in kept if version in ("", one["version"])]

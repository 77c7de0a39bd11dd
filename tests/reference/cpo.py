"""A well-behaved CPO for the tests of the reference: every request is in order.

What a test wants wrong it changes by hand: headers, query, body or URL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.reference.examples import example
from tests.reference.headers import FROM, TO
from tests.reference.keys import write_authorization

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from tests.reference.reference import Reference
    from tests.reference.values import JsonObject

PARTY = ("NL", "EXC")
UID = "04A1B2C3D4E5F6"


@dataclass(slots=True)
class Cpo:
    """Speaks one version to a backend; `client` may be any that tests need."""

    backend: Reference
    version: str
    client: httpx.Client
    token: str = ""
    _urls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.token = self.token or self.backend.token

    def url(self, module: str) -> str:
        """Look a module's URL up in the version details, once."""
        if not self._urls:
            offered = self.ask("GET", self.backend.versions_url, is_routed=False)
            urls = {one["version"]: one["url"] for one in offered.json()["data"]}
            details = self.ask("GET", urls[self.version], is_routed=False).json()
            endpoints = details["data"]["endpoints"]
            self._urls = {one["identifier"]: one["url"] for one in endpoints}
            self._urls["details"] = urls[self.version]
        return self._urls[module]

    def headers(self, *, is_routed: bool = True) -> dict[str, str]:
        """Write what every request carries."""
        headers = {"Authorization": write_authorization(self.token, self.version)}
        if self.version == "2.1.1":
            return headers
        headers |= {"X-Request-ID": str(uuid4()), "X-Correlation-ID": str(uuid4())}
        if is_routed:
            receiver = self.backend.settings.party
            headers |= dict(zip(FROM, PARTY, strict=True))
            headers |= dict(zip(TO, receiver, strict=True))
        return headers

    def ask(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        changes: Mapping[str, str | None] | None = None,
        is_routed: bool = True,
    ) -> httpx.Response:
        """Send one request; `changes` of None leave a header out."""
        headers: dict[str, str | None] = {**self.headers(is_routed=is_routed)}
        content = b""
        if isinstance(body, bytes):
            content = body
        elif body is not None:
            content = json.dumps(body).encode()
        if content:
            headers["Content-Type"] = "application/json"
        headers |= changes or {}
        kept = {name: value for name, value in headers.items() if value is not None}
        params = dict(query) if query else None
        return self.client.request(
            method, url, params=params, content=content, headers=kept
        )

    # ---- registration ----------------------------------------------------------------

    def send_credentials(self, body: object, method: str = "POST") -> httpx.Response:
        """POST or PUT a credentials object."""
        return self.ask(method, self.url("credentials"), body=body, is_routed=False)

    def register(self, body: object) -> httpx.Response:
        """Make a handshake, and speak with the token that it gave."""
        answer = self.send_credentials(body)
        assert answer.json()["status_code"] == 1000
        self.token = answer.json()["data"]["token"]
        return answer

    # ---- what a CPO does -------------------------------------------------------------

    def list_tokens(self, **query: str) -> httpx.Response:
        """GET a page of the tokens."""
        return self.ask("GET", self.url("tokens"), query=query)

    def authorize(self, uid: str = UID, **more: Any) -> httpx.Response:  # noqa: ANN401 - as ask() has them
        """POST authorize with LocationReferences."""
        body = {"location_id": "QUAY-7", "evse_uids": ["QUAY-7-A"]}
        url = f"{self.url('tokens').rstrip('/')}/{uid}/authorize"
        return self.ask("POST", url, **({"body": body} | more))

    def session_url(self, session_id: str = "S-0001") -> str:
        """Write the URL of a Session."""
        return "/".join((self.url("sessions").rstrip("/"), *PARTY, session_id))

    def session(self, status: str = "ACTIVE", **changes: object) -> JsonObject:
        """Make a Session on the listed card."""
        is_old = self.version == "2.1.1"
        end = "end_datetime" if is_old else "end_date_time"
        more = {} if status == "COMPLETED" else {end: None}
        if not is_old:
            more["authorization_reference"] = None
        return example(self.version, "Session", status=status, **(more | changes))

    def put_session(
        self, status: str = "ACTIVE", url: str = "", **changes: object
    ) -> httpx.Response:
        """PUT a Session."""
        body = self.session(status, **changes)
        return self.ask("PUT", url or self.session_url(body["id"]), body=body)

    def patch_session(self, session_id: str, **changes: object) -> httpx.Response:
        """PATCH a Session."""
        return self.ask("PATCH", self.session_url(session_id), body=changes)

    def cdr(self, **changes: object) -> JsonObject:
        """Make the CDR of that Session."""
        more: JsonObject = {}
        if self.version != "2.1.1":
            more["authorization_reference"] = None
        return example(self.version, "CDR", **(more | changes))

    def post_cdr(self, **changes: object) -> httpx.Response:
        """POST a CDR."""
        return self.ask("POST", self.url("cdrs"), body=self.cdr(**changes))

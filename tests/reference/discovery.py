"""What a station serves: its versions, and the endpoints of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from tests.reference.caller import Call
from tests.reference.messages import RefusalError

if TYPE_CHECKING:
    from tests.reference.caller import Caller
    from tests.reference.state import State

Endpoints = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a station, with the token that it gave."""

    state: State
    caller: Caller
    token: str
    version: str

    def discover(self, versions_url: str) -> Endpoints:
        """Fetch the endpoints; raise RefusalError with the code for their defect."""
        urls = {
            one["version"]: one["url"] for one in self._fetch(versions_url, "Version[]")
        }
        if self.version not in urls:
            raise RefusalError(3002, f"{self.version} is not among {sorted(urls)}")
        details = self._fetch(urls[self.version], "VersionDetails")
        endpoints = {
            (one["identifier"], one.get("role", "")): one["url"]
            for one in details["endpoints"]
        }
        for identifier, role in self.state.settings.required:
            if find_endpoint(endpoints, self.version, identifier, role) is None:
                raise RefusalError(3003, f"{identifier} {role} is missing")
        return endpoints

    def _fetch(self, url: str, expects: str) -> Any:  # noqa: ANN401 - what it expects
        before = len(self.state.problems)
        call = Call(
            method="GET",
            url=url,
            version=self.version,
            token=self.token,
            expects=expects,
            is_routed=False,
        )
        try:
            called = self.caller.call(call)
        except httpx.HTTPError as err:
            raise RefusalError(3001, f"{url}: {type(err).__name__}") from err
        if not called.is_success:
            raise RefusalError(3001, f"{url}: HTTP {called.http_status}, {called.code}")
        where = f"answer to GET {url}"
        found = [one for one in self.state.problems[before:] if one.where == where]
        if found:
            raise RefusalError(3001, f"{url}: {found[0].message}")
        return called.data


def find_endpoint(
    endpoints: Endpoints, version: str, identifier: str, role: str
) -> str | None:
    """Look an endpoint up; 2.1.1 has no roles, and that of credentials says nothing."""
    if identifier == "credentials":
        found = (url for (name, _), url in endpoints.items() if name == identifier)
        return next(found, None)
    return endpoints.get((identifier, "" if version == "2.1.1" else role))

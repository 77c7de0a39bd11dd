"""The harness itself: requests whose client has gone, maybe with its test."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.e2e.waiting import until
from tests.interop.process import HOST
from tests.interop.samples import encoded, make_session

if TYPE_CHECKING:
    import httpx

    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

FIRST: Final = "/SE/ABC/S-1"
SECOND: Final = "/SE/ABC/S-2"


def put_and_leave(server: ExtrawestServer) -> None:
    """Send a session, and hang up while the server takes its time over it."""
    connection = http.client.HTTPConnection(HOST, server.port)
    try:
        path = urlsplit(server.sessions_url).path + FIRST
        headers = encoded(server.token) | {"Content-Type": "application/json"}
        connection.request("PUT", path, json.dumps(make_session("ACTIVE")), headers)
        until(server.requests, "the request")
    finally:
        connection.close()


def test_delay_processes_after_the_client_gave_up(extrawest: ExtrawestServer) -> None:
    """A slow server still acts on a request whose client has gone."""
    extrawest.set_fault("delay", path="/sessions/", seconds=0.2)
    put_and_leave(extrawest)
    assert list(until(extrawest.sessions, "the session")) == ["S-1"]


def test_a_late_request_leaves_new_faults_alone(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """What was delayed before the faults were forgotten spends none set after that."""
    extrawest.set_fault("delay", path="/sessions/", seconds=0.2)
    put_and_leave(extrawest)
    extrawest.clear_faults()
    extrawest.set_fault("status", status=503)
    until(extrawest.sessions, "the session")
    assert client.get(extrawest.versions_url).status_code == 503


def test_a_late_request_is_forgotten_with_its_day(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """What a former test has left on its way is in no record of the next one."""
    extrawest.set_fault("delay", path="/sessions/", seconds=0.2)
    put_and_leave(extrawest)
    extrawest.forget()
    # This one takes longer, so that the late one is over when it is answered.
    extrawest.set_fault("delay", path="/sessions/", seconds=0.3)
    body = make_session("ACTIVE") | {"id": "S-2"}
    assert client.put(extrawest.sessions_url + SECOND, json=body).is_success
    assert list(extrawest.sessions()) == ["S-2"]
    assert [one.path[-3:] for one in extrawest.requests()] == ["S-2"]

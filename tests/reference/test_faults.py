"""Faults come when they were armed, as often, and to whom."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.reference import faults
from tests.reference.cpo import UID, Cpo
from tests.reference.reference import Reference
from tests.reference.tokens import token

if TYPE_CHECKING:
    from tests.reference.faults import Kind


def test_hang_up(new_cpo: Cpo) -> None:
    """A connection that is closed first leaves nothing behind, once."""
    armed = new_cpo.backend.fault("PUT", "/sessions/", faults.hang_up())
    with pytest.raises(httpx.RemoteProtocolError):
        new_cpo.put_session()
    assert new_cpo.backend.sessions == {}
    assert len(armed.hits) == 1
    assert new_cpo.put_session().status_code == 201


def test_cut_after(new_cpo: Cpo) -> None:
    """A connection that is closed afterwards has done its work."""
    new_cpo.backend.fault("PUT", "/sessions/", faults.cut_after())
    with pytest.raises(httpx.RemoteProtocolError):
        new_cpo.put_session()
    assert list(new_cpo.backend.sessions) == ["S-0001"]
    assert new_cpo.backend.requests[-1].delivery == "none"


def test_cut_midway(new_cpo: Cpo) -> None:
    """An answer that breaks off is no answer."""
    new_cpo.backend.fault("GET", "/tokens", faults.cut_midway())
    with pytest.raises(httpx.RemoteProtocolError):
        new_cpo.list_tokens()


@pytest.mark.parametrize("duplicate", ["accept", "conflict", "refuse"])
@pytest.mark.parametrize(
    "kind",
    [faults.cut_after(), faults.truncated(), faults.ocpi(3000, is_processed=True)],
)
def test_bill_again_after_a_cut(
    client: httpx.Client, duplicate: str, kind: Kind
) -> None:
    """Who did not get the answer to a CDR may send it again, as it was."""
    card = token(UID, contract_id="NL-TNM-C00112233")
    with Reference(card, duplicate_cdr=duplicate) as backend:
        cpo = Cpo(backend, "2.2.1", client)
        cpo.list_tokens()
        cpo.put_session("COMPLETED")
        backend.fault("POST", "/cdrs", kind)
        try:
            cpo.post_cdr()
        except httpx.RemoteProtocolError:
            assert backend.requests[-1].delivery == "none"
        assert len(backend.cdrs) == 1
        answer = cpo.post_cdr()
        statuses = {"accept": 200, "conflict": 409, "refuse": 200}
        assert answer.status_code == statuses[duplicate]
        assert ("Location" in answer.headers) == (duplicate == "accept")
        backend.assert_clean()
        assert len(backend.cdrs) == 1


@pytest.mark.parametrize("is_processed", [False, True])
def test_pause(new_cpo: Cpo, is_processed: bool) -> None:  # noqa: FBT001 - a table's column
    """A request waits until the test lets it go on, before or after its work."""
    pause = faults.Pause(is_processed=is_processed)
    new_cpo.backend.fault("PUT", "/sessions/", pause)
    answers: list[int] = []

    def put() -> None:
        answers.append(new_cpo.put_session().status_code)

    putting = threading.Thread(target=put)
    putting.start()
    assert pause.reached.wait(10)
    assert (new_cpo.backend.sessions != {}) == is_processed
    assert answers == []
    pause.go_on()
    putting.join(10)
    assert answers == [201]


def test_leaving_ends_a_pause(client: httpx.Client) -> None:
    """A request that waits does not keep the backend from ending."""
    with Reference(token(UID)) as backend:
        cpo = Cpo(backend, "2.2.1", client)
        cpo.url("tokens")
        pause = faults.Pause()
        backend.fault("GET", "/tokens", pause, times=None)
        asking = threading.Thread(target=_ask_in_vain, args=[cpo])
        asking.start()
        assert pause.reached.wait(10)
    asking.join(10)
    assert not asking.is_alive()


def _ask_in_vain(cpo: Cpo) -> None:
    try:
        cpo.list_tokens()
    except httpx.TransportError:
        return


STATUSES = [400, 401, 403, 404, 405, 408, 409, 422, 429, 500, 501, 502, 503, 504]


@pytest.mark.parametrize("status", STATUSES)
def test_status(new_cpo: Cpo, status: int) -> None:
    """Any HTTP status can be answered, with or without the work being done."""
    new_cpo.backend.fault("PUT", "", faults.status(status, retry_after=7))
    answer = new_cpo.put_session()
    assert answer.status_code == status
    assert answer.headers["Retry-After"] == "7"
    assert new_cpo.backend.sessions == {}
    new_cpo.backend.fault("PUT", "", faults.status(status, is_processed=True))
    assert new_cpo.put_session().status_code == status
    assert list(new_cpo.backend.sessions) == ["S-0001"]


@pytest.mark.parametrize("code", [2000, 2001, 2002, 2003, 2004, 3000, 3001, 4001, 4003])
def test_ocpi_status(new_cpo: Cpo, code: int) -> None:
    """Any OCPI status can be answered."""
    new_cpo.backend.fault("", "/authorize", faults.ocpi(code))
    answer = new_cpo.authorize()
    assert (answer.status_code, answer.json()["status_code"]) == (200, code)
    assert "data" not in answer.json()


def test_html(new_cpo: Cpo) -> None:
    """A captive portal answers everything with 200."""
    new_cpo.backend.fault("GET", "", faults.html())
    answer = new_cpo.list_tokens()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html"


def test_truncated(new_cpo: Cpo) -> None:
    """Half of the JSON comes in whole HTTP."""
    new_cpo.backend.fault("GET", "", faults.truncated())
    answer = new_cpo.list_tokens()
    with pytest.raises(ValueError, match="line 1"):
        answer.json()


def test_envelopes(new_cpo: Cpo) -> None:
    """The envelope can be missing, or any of its fields changed."""
    backend = new_cpo.backend
    backend.fault("GET", "/tokens", faults.bare())
    assert isinstance(new_cpo.list_tokens().json(), list)
    backend.fault("GET", "/tokens", faults.envelope(status_code="1000", data=None))
    answer = new_cpo.list_tokens().json()
    assert answer["status_code"] == "1000"
    assert "data" not in answer
    backend.fault("POST", "/authorize", faults.list_of_one())
    assert new_cpo.authorize().json()["data"][0]["allowed"] == "ALLOWED"
    backend.fault("GET", "", faults.data(lambda whole: whole["data"][0].pop("issuer")))
    assert "issuer" not in new_cpo.list_tokens().json()["data"][0]
    backend.fault("GET", "", faults.header("X-Total-Count", None))
    assert "X-Total-Count" not in new_cpo.list_tokens().headers
    backend.fault("GET", "", faults.header("Link", "<nonsense>"))
    assert new_cpo.list_tokens().headers["Link"] == "<nonsense>"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect(new_cpo: Cpo, client: httpx.Client, status: int) -> None:
    """A redirect within the origin leads to where the same is served."""
    new_cpo.backend.fault("GET", "/tokens", faults.redirect(status))
    answer = new_cpo.list_tokens(limit="1")
    assert answer.status_code == status
    target = httpx.URL(new_cpo.backend.versions_url).join(answer.headers["Location"])
    followed = new_cpo.ask("GET", str(target))
    assert followed.json()["data"][0]["uid"] == UID
    new_cpo.backend.assert_clean()
    assert not client.is_closed


def test_redirect_elsewhere(new_cpo: Cpo) -> None:
    """A redirect can lead to a stranger, who would see the token."""
    with Reference() as stranger:
        away = faults.redirect(307, stranger.versions_url)
        new_cpo.backend.fault("GET", "/tokens", away)
        assert new_cpo.list_tokens().headers["Location"] == stranger.versions_url
        assert stranger.requests == []


def test_times(new_cpo: Cpo) -> None:
    """A fault comes as often as it was armed for, the oldest first."""
    backend = new_cpo.backend
    first = backend.fault("GET", "/tokens", faults.status(500), times=2)
    second = backend.fault("GET", "/tokens", faults.status(503), times=None)
    found = [new_cpo.list_tokens().status_code for _ in range(4)]
    assert found == [500, 500, 503, 503]
    assert (len(first.hits), len(second.hits)) == (2, 2)
    second.disarm()
    assert new_cpo.list_tokens().status_code == 200
    backend.fault("POST", "/tokens", faults.status(500))
    assert new_cpo.list_tokens().status_code == 200
    backend.clear_faults()
    assert new_cpo.authorize().status_code == 200

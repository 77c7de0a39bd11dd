"""What the headers of a request must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.reference.messages import JSON
from tests.reference.tokens import is_same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.messages import Request
    from tests.reference.state import Asked
    from tests.reference.tokens import Party

MESSAGE_IDS: Final = ("X-Request-ID", "X-Correlation-ID")
FROM: Final = ("OCPI-from-country-code", "OCPI-from-party-id")
TO: Final = ("OCPI-to-country-code", "OCPI-to-party-id")
LONGEST_ID: Final = 36
#: Modules that set a connection up and are never routed.
SETUP: Final = ("versions", "details", "credentials")


def check_headers(asked: Asked) -> None:
    """Refuse a request whose headers are not what its version demands."""
    asked.refuse("message ids", *_check_message_ids(asked))
    asked.refuse("content type", *_check_content(asked.request))
    asked.refuse("routing", *_check_routing(asked))


def read_party(request: Request, names: tuple[str, str]) -> Party | None:
    """Read a party from its two headers; None when they are not both there."""
    country_code, party_id = (request.headers.get(name.lower()) for name in names)
    return (country_code, party_id) if country_code and party_id else None


def answer_headers(asked: Asked) -> dict[str, str]:
    """Write the ids again and the parties the other way round."""
    request, settings = asked.request, asked.state.settings
    headers = {
        name: request.headers[name.lower()]
        for name in MESSAGE_IDS
        if name.lower() in request.headers
    }
    sender = read_party(request, FROM)
    if asked.version != "2.1.1" and asked.module not in SETUP and sender:
        answering = read_party(request, TO) or settings.party
        headers |= dict(zip(TO, sender, strict=True))
        headers |= dict(zip(FROM, answering, strict=True))
    return headers


def _check_message_ids(asked: Asked) -> Iterator[str]:
    request, state = asked.request, asked.state
    # The versions URL belongs to no version: ids are due if all of them want ids.
    is_due = asked.version not in ("", "2.1.1") or (
        asked.version == "" and "2.1.1" not in state.settings.versions
    )
    for name in MESSAGE_IDS:
        value = request.headers.get(name.lower())
        if value is None:
            if is_due:
                yield f"{name}: required"
        elif request.count(name) > 1:
            yield f"{name}: sent more than once"
        elif not 0 < len(value) <= LONGEST_ID or not value.isprintable():
            yield f"{name}: expected 1 to {LONGEST_ID} printable characters"
    request_id = request.headers.get("x-request-id")
    if request_id is not None:
        if request_id in state.request_ids:
            yield f"X-Request-ID: {request_id} was used before"
        state.request_ids.add(request_id)


def _check_content(request: Request) -> Iterator[str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if request.body and media_type != JSON:
        yield f"expected {JSON}, got {media_type or 'none'}"
    if request.method in ("PUT", "PATCH") and not request.body:
        yield f"{request.method} without a body"
    if request.method in ("GET", "DELETE") and request.body:
        yield f"{request.method} with a body"


def _check_routing(asked: Asked) -> Iterator[str]:
    request = asked.request
    if asked.module in SETUP:
        for name in (*FROM, *TO):
            if name.lower() in request.headers:
                yield f"{name}: not allowed on {asked.module}"
        return
    if asked.version == "2.1.1":
        return
    for name in (*FROM, *TO):
        if request.count(name) > 1:
            yield f"{name}: sent more than once"
    sender, receiver = read_party(request, FROM), read_party(request, TO)
    if sender is None:
        yield f"{' and '.join(FROM)}: required"
    elif asked.state.cpo is None:
        asked.state.cpo = sender
    elif not is_same(sender, asked.state.cpo):
        yield f"OCPI-from: expected {asked.state.cpo}, got {sender}"
    yield from _check_receiver(asked, receiver)


def _check_receiver(asked: Asked, receiver: Party | None) -> Iterator[str]:
    settings = asked.state.settings
    names = [name for name in TO if name.lower() in asked.request.headers]
    is_question = asked.module == "tokens" and asked.request.method == "POST"
    is_open = settings.has_open_routing and is_question and not names
    if settings.hub is None:
        if receiver is None:
            if is_open and not asked.state.keys.is_registered:
                return
            yield f"{' and '.join(TO)}: required"
        elif not is_same(receiver, settings.party):
            yield f"OCPI-to: expected {settings.party}, got {receiver}"
        return
    is_list = asked.module == "tokens" and asked.request.method == "GET"
    if is_list:
        if receiver is None or not is_same(receiver, settings.hub):
            yield f"OCPI-to: expected the hub {settings.hub}, got {receiver}"
    elif receiver is None:
        # Without a receiver the hub finds out by the uid: open routing.
        if not is_open:
            yield f"{' and '.join(TO)}: required"
    elif is_same(receiver, settings.hub):
        yield "OCPI-to: this concerns one party, not everybody behind the hub"

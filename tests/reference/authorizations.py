"""What a Session or CDR claims of its authorization, held against what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.state import facts_of, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.state import Asked, Given, State
    from tests.reference.values import JsonObject


def check_authorization(asked: Asked, body: JsonObject) -> Iterator[str]:
    """Say what a Session or CDR claims of the authorization that was not so."""
    state = asked.state
    shown = body.get("cdr_token", body)
    told = facts_of(asked.version, shown)
    if told not in state.told:
        yield f"the station was never told of a token {told}"
        return
    if asked.version == "2.1.1" or body["auth_method"] != "AUTH_REQUEST":
        reference = body.get("authorization_reference")
        if reference is not None and reference not in _references(state, shown):
            yield f"authorization_reference: {reference!r} was never given"
        return
    given = _allowed(state, shown)
    if not given:
        yield "auth_method: AUTH_REQUEST, but no authorize was answered ALLOWED"
        return
    reference = body.get("authorization_reference")
    known = _references(state, shown)
    if reference is None and None not in known:
        yield "authorization_reference: required, one was given"
    if reference is not None and reference not in known:
        yield f"authorization_reference: {reference!r} was never given"


def _allowed(state: State, shown: JsonObject) -> list[Given]:
    key = key_of(shown["uid"], shown["type"])
    return [
        one
        for one in state.given.get(key, [])
        if one.request.delivery != "none" and one.answer["allowed"] == "ALLOWED"
    ]


def _references(state: State, shown: JsonObject) -> set[object]:
    answers = (one.answer for one in _allowed(state, shown))
    return {one.get("authorization_reference") for one in answers}

"""Tokens that a backend pushes (OCPI 2.2.1 mod_tokens, receiver)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from agent.domain.tokens import TokenType
from agent.ocpi.server.answers import INVALID, UNKNOWN_TOKEN, Outcome, RequestError
from agent.ocpi.station import Party, Source

if TYPE_CHECKING:
    from agent.domain.tokens import Token
    from agent.ocpi.server.ports import TokenBook
    from agent.ocpi.server.visits import Visit

_LENGTHS: Final = {"country_code": 2, "party_id": 3, "uid": 36}
_IGNORED: Final = "ignored: what is known here is newer"


class _Address(Struct, frozen=True):
    """Which token the URL names, of one of `types`; `is_typed` if it says of which."""

    country_code: str
    party_id: str
    uid: str
    types: tuple[TokenType, ...]
    is_typed: bool


class PushedTokens:
    """Takes tokens into the whitelist, and shows what it has."""

    def __init__(self, book: TokenBook) -> None:
        self._book = book
        # A change is read, merged and written back; besides, whatever is pushed never
        # keeps more than one thread waiting for the disk.
        self._using_book = asyncio.Lock()

    async def serve(self, visit: Visit, segments: tuple[str, str, str]) -> Outcome:
        """Answer a request for the token that the URL names."""
        visit.require("GET", "PUT", "PATCH")
        address = _read_address(visit, segments)
        match visit.method:
            case "PUT":
                return await self._put(visit, address)
            case "PATCH":
                return await self._patch(visit, address)
            case _:
                return await self._show(visit, address)

    async def _show(self, visit: Visit, address: _Address) -> Outcome:
        async with self._using_book:
            token = await self._require(visit, address)
        return Outcome(data=visit.wire.encode_token(token))

    async def _put(self, visit: Visit, address: _Address) -> Outcome:
        content = await visit.body.read_object()
        try:
            pushed = visit.wire.decode_token(content, _owner(visit, address))
        except ValueError as err:
            raise RequestError(INVALID, str(err)) from err
        _check_address(pushed, address)
        async with self._using_book:
            known = await self._find(visit, replace(address, types=(pushed.type,)))
            if known is None:
                await asyncio.to_thread(self._book.learn, pushed)
                return Outcome(http_status=201)
            return await self._learn(known, pushed)

    async def _patch(self, visit: Visit, address: _Address) -> Outcome:
        content = await visit.body.read_object()
        source = visit.peer.source()
        async with self._using_book:
            known = await self._require(visit, address)
            try:
                pushed = visit.wire.merge_token(known, content, source)
            except ValueError as err:
                raise RequestError(INVALID, str(err)) from err
            return await self._learn(known, pushed)

    async def _learn(self, known: Token, pushed: Token) -> Outcome:
        if pushed.last_updated < known.last_updated:
            return Outcome(message=_IGNORED)
        # In another case the party would be another one in the whitelist.
        same = replace(pushed, country_code=known.country_code, party_id=known.party_id)
        await asyncio.to_thread(self._book.learn, same)
        return Outcome()

    async def _require(self, visit: Visit, address: _Address) -> Token:
        token = await self._find(visit, address)
        if token is None:
            raise RequestError(UNKNOWN_TOKEN, "unknown token", http_status=404)
        return token

    async def _find(self, visit: Visit, address: _Address) -> Token | None:
        upstream = visit.peer.source().upstream
        names = (upstream, address.country_code, address.party_id, address.uid)
        for kind in address.types:
            found = await asyncio.to_thread(self._book.find, *names, kind)
            if found is not None:
                return found
        return None


def _read_address(visit: Visit, segments: tuple[str, str, str]) -> _Address:
    for (name, most), value in zip(_LENGTHS.items(), segments, strict=True):
        if not (value.isascii() and value.isprintable() and len(value) <= most):
            raise RequestError(
                INVALID, f"{name} in the URL: expected at most {most} ASCII characters"
            )
    return _Address(*segments, types=_read_types(visit), is_typed="type" in visit.query)


def _read_types(visit: Visit) -> tuple[TokenType, ...]:
    """Read what kind of token is meant: RFID unless the URL tells.

    In OCPI 2.1.1 it never does, so that there it may also be of the other kind.
    """
    named = visit.query.get("type")
    if named is None:
        is_telling = visit.wire.NAMES_PARTIES
        kinds = (TokenType.RFID, TokenType.OTHER)
        return kinds[:1] if is_telling else kinds
    if named not in TokenType.__members__:
        raise RequestError(INVALID, f"type: expected {', '.join(TokenType)}")
    return (TokenType[named],)


def _owner(visit: Visit, address: _Address) -> Source:
    """Say whose word it is; OCPI 2.1.1 has the party in the URL only."""
    source, wire = visit.peer.source(), visit.wire
    if wire.NAMES_PARTIES:
        return source
    party = Party(address.country_code, address.party_id)
    if source.party is None:
        return Source(source.upstream, party)
    if not source.party.is_same(party):
        raise RequestError(INVALID, "country_code, party_id: expected your own")
    return source


def _check_address(token: Token, address: _Address) -> None:
    given = (token.country_code, token.party_id, token.uid)
    wanted = (address.country_code, address.party_id, address.uid)
    for name, one, other in zip(_LENGTHS, given, wanted, strict=True):
        if one.casefold() != other.casefold():
            raise RequestError(INVALID, f"{name}: expected that of the URL")
    # By the book a URL without a type names a card, but many push everything alike.
    if address.is_typed and token.type not in address.types:
        expected = " or ".join(address.types)
        raise RequestError(INVALID, f"type: expected {expected}, as in the URL")

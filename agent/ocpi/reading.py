"""What servers send, read tolerantly: Tokens, in what every version has in common.

A version brings its wire model, and how that becomes the domain's Tokens.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.domain.uid import Uid
from agent.errors import TransientUpstreamError
from agent.ocpi.envelope import UNREADABLE, split_items
from agent.ocpi.station import Party, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CiString2 = Annotated[str, Meta(min_length=1, max_length=2)]
CiString3 = Annotated[str, Meta(min_length=1, max_length=3)]
CiString36 = Annotated[str, Meta(min_length=1, max_length=36)]
String64 = Annotated[str, Meta(max_length=64)]

#: Values of any version count in all; another type than these is no card.
TYPES: Final = {kind.value: kind for kind in TokenType}
WHITELISTS: Final = {kind.value: kind for kind in WhitelistType}
NULL: Final = Raw(b"null")

_IDENTITY: Final = ("country_code", "party_id", "uid", "type")
# One digit where two belong, but not in a fraction of a second.
_SHORT_NUMBER: Final = re.compile(r"(?<![0-9.])[0-9](?![0-9])")

_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_ENCODER: Final = msgspec.json.Encoder()

_Wire = TypeVar("_Wire", bound=Struct)


class TokenReader(Generic[_Wire]):
    """Reads the Tokens of one version, so that a mistake costs as little as it can.

    A broken required field costs its token, a broken optional one only itself.
    `translate` raises ValueError for a token that breaks the text rules, and leaves
    out those of an unknown type.
    """

    def __init__(
        self,
        model: type[_Wire],
        translate: Callable[[list[_Wire], Source], list[Token]],
    ) -> None:
        self._translate = translate
        self._token = msgspec.json.Decoder(model)
        self._page: msgspec.json.Decoder[list[_Wire]] = msgspec.json.Decoder(
            GenericAlias(list, model)
        )
        self._optional: dict[str, msgspec.json.Decoder[Any]] = {
            field.encode_name: msgspec.json.Decoder(field.type)
            for field in msgspec.structs.fields(model)
            if not field.required
        }

    def read_page(self, data: Raw, source: Source) -> tuple[list[Token], list[str]]:
        """Read a list; one problem per token that had to be skipped.

        Raise TransientUpstreamError if it is none.
        """
        try:
            return self._translate(self._page.decode(data), source), []
        except UNREADABLE:
            return self._read_one_by_one(data, source)

    def read_one(self, data: Raw, source: Source) -> Token:
        """Read one Token; raise ValueError if it is none that can be known here."""
        with flat():
            tokens = self._read_item(data, source)
        if not tokens:
            raise ValueError(f"type: expected one of {', '.join(TYPES)}")
        return tokens[0]

    def merge(self, token: Token, changes: Raw, source: Source) -> Token:
        """Apply the fields of a PATCH; raise ValueError if it cannot be done.

        Null changes nothing, no more than a broken optional field does.
        """
        with flat():
            known = _FIELDS.decode(_ENCODER.encode(token))
            said = self._drop_broken(_FIELDS.decode(changes))
        # What 2.1.1 calls it; the other versions do not look.
        known["auth_id"] = known["contract_id"]
        said = {name: value for name, value in said.items() if value != NULL}
        owner = Source(source.upstream, Party(token.country_code, token.party_id))
        merged = self.read_one(Raw(_ENCODER.encode(known | said)), owner)
        for name in _IDENTITY:
            if _folded(token, name) != _folded(merged, name):
                raise ValueError(f"{name}: expected the token's own, got another")
        return replace(
            merged,
            country_code=token.country_code,
            party_id=token.party_id,
            uid=token.uid,
            # It is known as a hash, which no server could have sent.
            group_id=merged.group_id if "group_id" in said else token.group_id,
        )

    def _read_one_by_one(
        self, data: Raw, source: Source
    ) -> tuple[list[Token], list[str]]:
        items = split_items(data)
        if items is None:
            raise TransientUpstreamError(
                f"{source.upstream}: expected a list of tokens"
            )
        good: list[Token] = []
        problems: list[str] = []
        for index, item in enumerate(items):
            try:
                good += self._read_item(item, source)
            except UNREADABLE as err:
                # These messages name the field and the rule, and never the value.
                problems.append(f"token {index}: {err}")
        return good, problems

    def _read_item(self, item: Raw, source: Source) -> list[Token]:
        try:
            token = self._token.decode(item)
        except UNREADABLE:
            token = self._token.decode(self._mend(item))
        return self._translate([token], source)

    def _mend(self, item: Raw) -> bytes:
        fields = self._drop_broken(_FIELDS.decode(item))
        if (moment := fields.get("last_updated")) is not None:
            fields["last_updated"] = _mend_moment(moment)
        return _ENCODER.encode(fields)

    def _drop_broken(self, fields: dict[str, Raw]) -> dict[str, Raw]:
        return {
            name: value
            for name, value in fields.items()
            if name not in self._optional or can_read(self._optional[name], value)
        }


def find_missing(changes: Raw, *required: str) -> str | None:
    """Name the first of these fields that a PATCH lacks; raise ValueError if none."""
    with flat():
        said = _FIELDS.decode(changes)
    return next((name for name in required if said.get(name, NULL) == NULL), None)


def to_utc(moment: datetime) -> datetime:
    """Convert an offset; OCPI times without one are UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as err:
        raise ValueError("last_updated: expected a year from 1 to 9999") from err


def can_read(decoder: msgspec.json.Decoder[Any], data: Raw) -> bool:
    """Whether this is what the decoder expects."""
    try:
        decoder.decode(data)
    except UNREADABLE:
        return False
    return True


@contextmanager
def flat() -> Iterator[None]:
    """Count what is nested too deeply among the other ValueErrors."""
    try:
        yield
    except RecursionError as err:
        raise ValueError("expected an object, got one too deep to be read") from err


def _mend_moment(data: Raw) -> Raw:
    """Write 1970-1-1, which stands in OCPI's own examples, as it should be."""
    if not can_read(_TEXT, data):
        return data
    text = _SHORT_NUMBER.sub(r"0\g<0>", _TEXT.decode(data))
    return Raw(_ENCODER.encode(text))


def _folded(token: Token, name: str) -> str | Uid:
    value: str = getattr(token, name)
    return Uid.parse(value) if name == "uid" else value.casefold()

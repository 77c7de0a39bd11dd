"""What an answer means: success, try again, refused, or wrong credentials.

The only place where HTTP and OCPI status codes are judged (OCPI 2.2.1
status_codes); pure, so that every combination can be tested.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from agent.errors import (
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)

if TYPE_CHECKING:
    import httpx

    from agent.ocpi.transport import Response

# What msgspec raises for text that is not JSON, not UTF-8, of another shape, or
# nested deeper than the stack.
UNREADABLE: Final = (ValueError, RecursionError)

_UNAUTHORIZED: Final = (401, 403)
_COME_BACK_LATER: Final = (408, 429)
_NOT_FORWARDED: Final = (4002, 4003)  # The hub could not reach the other party.
_PERMANENT: Final = (3002, 3003, 4001)  # Beside 2xxx: repeating cannot help.
_MAYBE_MISREAD_TOKEN: Final = (2000, 2001, 3000)
_MAX_WORDS_BYTES: Final = 4096
_MAX_RETRY_AFTER: Final = timedelta(days=1)

_T = TypeVar("_T")


class Envelope(Struct, frozen=True):
    """The frame of every OCPI answer; `data` and `status_message` undecoded."""

    status_code: int
    data: Raw = Raw()
    status_message: Raw = Raw()


class Judgement(Enum):
    """What to do about an answer."""

    SUCCESS = "use the data"
    TRANSIENT = "try again"
    REFUSED = "do not repeat"
    CREDENTIALS = "pause the connection"


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
_ITEMS: Final = msgspec.json.Decoder(list[Raw])


def judge(http_status: int, ocpi_status: int | None) -> Judgement:
    """Combine the two codes; `ocpi_status` is None when there was no envelope."""
    if http_status in _UNAUTHORIZED:
        return Judgement.CREDENTIALS
    if (
        http_status in _COME_BACK_LATER
        or http_status >= 500  # noqa: PLR2004 - the class of server errors
        or ocpi_status in _NOT_FORWARDED
    ):
        return Judgement.TRANSIENT
    if http_status >= 400:  # noqa: PLR2004 - the class of client errors
        return Judgement.REFUSED
    if ocpi_status is not None and http_status // 100 == 2:  # noqa: PLR2004 - success
        if ocpi_status // 1000 == 1:
            return Judgement.SUCCESS
        if ocpi_status // 1000 == 2 or ocpi_status in _PERMANENT:  # noqa: PLR2004 - 2xxx
            return Judgement.REFUSED
    return Judgement.TRANSIENT


def read_envelope(body: bytes) -> Envelope | None:
    """Read the frame if there is one; error answers often have none."""
    try:
        return _ENVELOPE.decode(body)
    except UNREADABLE:
        return None


def open_envelope(response: Response) -> Raw | None:
    """Return a success's `data`, None when absent; raise what the answer means."""
    envelope = read_envelope(response.body)
    ocpi_status = envelope.status_code if envelope else None
    match judge(response.status, ocpi_status):
        case Judgement.SUCCESS if envelope is not None:
            return envelope.data if _is_present(envelope.data) else None
        case Judgement.CREDENTIALS:
            raise CredentialsError(
                f"{_describe(response, envelope)}; the backend does not accept our "
                "credentials token: check that it is the current one"
            )
        case Judgement.REFUSED:
            raise RefusedUpstreamError(
                _describe(response, envelope), response.status, ocpi_status
            )
        case _:
            raise TransientUpstreamError(
                _describe(response, envelope), read_retry_after(response.headers)
            )


def is_success(response: Response) -> bool:
    """Whether the server understood and agreed."""
    envelope = read_envelope(response.body)
    ocpi_status = envelope.status_code if envelope else None
    return judge(response.status, ocpi_status) is Judgement.SUCCESS


def suggests_other_encoding(response: Response) -> bool:
    """Whether our token may have been written in a way this server cannot read.

    Besides 401 and 403 some servers say it with HTTP 200, an OCPI error and no data.
    """
    if response.status in _UNAUTHORIZED:
        return True
    envelope = read_envelope(response.body)
    return (
        envelope is not None
        and response.status // 100 == 2  # noqa: PLR2004 - success
        and envelope.status_code in _MAYBE_MISREAD_TOKEN
        and (not _is_present(envelope.data) or split_items(envelope.data) == [])
    )


def split_items(data: Raw | None) -> list[Raw] | None:
    """Take a list apart without reading its items; absent is empty.

    None when it is not a list.
    """
    if data is None:
        return []
    try:
        return _ITEMS.decode(data)
    except UNREADABLE:
        return None


def read_items(data: Raw | None, decoder: msgspec.json.Decoder[_T]) -> list[_T] | None:
    """Read the good items of a list and skip the others; None if it is no list."""
    items = split_items(data)
    if items is None:
        return None
    good: list[_T] = []
    for item in items:
        try:
            good.append(decoder.decode(item))
        except UNREADABLE:
            continue
    return good


def unwrap_single(data: Raw | None) -> Raw | None:
    """Return the one object that is due; many servers wrap it in a list of one."""
    items = split_items(data)
    if items is None:
        return data
    return items[0] if len(items) == 1 else None


def read_retry_after(headers: httpx.Headers) -> timedelta | None:
    """Read `Retry-After`, seconds or date, at most a day.

    A date is compared with the answer's own `Date`: the server's clock is right by
    definition, ours may not be.
    """
    value = headers.get("retry-after", "").strip()
    try:
        if value.isdecimal():
            wish = timedelta(seconds=min(int(value[:9]), 86_400))
        else:
            until = parsedate_to_datetime(value)
            wish = until - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wish, timedelta()), _MAX_RETRY_AFTER)


def read_date(headers: httpx.Headers) -> datetime | None:
    """Read when the server says it answered; None if it does not say."""
    try:
        return parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None


def _is_present(data: Raw) -> bool:
    return data not in (Raw(), Raw(b"null"))


def _describe(response: Response, envelope: Envelope | None) -> str:
    """Tell what was asked and what came, in the server's words where it has some."""
    answer = f"{response.call.name}: answered HTTP {response.status}"
    kind = response.headers.get("content-type", "").partition(";")[0]
    words = b""
    if envelope is not None:
        answer += f" and OCPI {envelope.status_code}"
        if _is_present(envelope.status_message):
            words = bytes(envelope.status_message)
    elif response.status < 400:  # noqa: PLR2004 - no error, so no words but data
        what = f"with {kind or 'nothing'}, expected an OCPI envelope"
        return f"{answer} {what}{_doubt(response)}"
    elif kind != "text/html":
        # Pages made for browsers explain nothing in their first lines.
        words = response.body[:_MAX_WORDS_BYTES]
    quoted = response.quote(words.decode(errors="replace"))
    told = f"{answer}: {quoted}" if quoted else answer
    return told if envelope is not None else f"{told}{_doubt(response)}"


def _doubt(response: Response) -> str:
    doubt = response.call.doubt
    return f"; {doubt}" if doubt and response.status < 500 else ""  # noqa: PLR2004 - its own errors

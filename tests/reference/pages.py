"""A list in pages: filters, caps and links, plain or opaque."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from tests.reference import fields_221
from tests.reference.messages import RefusalError
from tests.reference.moments import read_moment
from tests.reference.strings import check_string

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.messages import Reply
    from tests.reference.state import Asked
    from tests.reference.values import JsonObject

_NAMES: Final = frozenset(("date_from", "date_to", "offset", "limit"))
#: How the parts of an advertised opaque link are remembered: version and query.
Saved = tuple[str, dict[str, str]]


class Links:
    """Opaque links that were given out, each for one page."""

    def __init__(self) -> None:
        self._numbers = count(7919)
        self._saved: dict[str, Saved] = {}

    def save(self, version: str, query: dict[str, str]) -> str:
        """Keep a page and return the name that its link has."""
        name = f"p{next(self._numbers):x}"
        self._saved[name] = version, query
        return name

    def find(self, name: str) -> Saved | None:
        """Look a page up; links stay valid."""
        return self._saved.get(name)


def answer_page(
    asked: Asked, items: list[JsonObject], links: Links, query: dict[str, str]
) -> tuple[Reply, list[JsonObject]]:
    """Build the answer to a list request and say which items have to go into it."""
    asked.refuse("query", *_check_query(asked, query))
    settings = asked.state.settings
    found = [one for one in items if _is_within(one, query)]
    offset = int(query.get("offset", 0))
    limit = min(int(query.get("limit", settings.page_size)), settings.page_size)
    reply = asked.succeed([])
    reply.headers["X-Total-Count"] = str(len(found))
    reply.headers["X-Limit"] = str(settings.page_size)
    if offset + limit < len(found):
        following = query | {"offset": str(offset + limit), "limit": str(limit)}
        reply.headers["Link"] = f'<{_link(asked, links, following)}>; rel="next"'
    return reply, found[offset : offset + limit]


def find_page(links: Links, name: str) -> Saved:
    """Look an opaque page up; raise RefusalError if there is none."""
    saved = links.find(name)
    if saved is None:
        raise RefusalError(2000, "unknown page", http_status=404)
    return saved


def _link(asked: Asked, links: Links, query: dict[str, str]) -> str:
    state = asked.state
    if state.settings.next_path is None:
        path = asked.request.path
        return f"{state.origin}{path}?{urlencode(query)}"
    name = links.save(asked.version, query)
    return f"{state.origin}{state.settings.next_path}/{name}"


def _check_query(asked: Asked, query: dict[str, str]) -> Iterator[str]:
    yield from (f"{name}: unknown parameter" for name in query.keys() - _NAMES)
    for name, least in (("offset", 0), ("limit", 1)):
        text = query.get(name)
        if text is not None and not (text.isdecimal() and int(text) >= least):
            yield f"{name}: expected a number from {least}, got {text!r}"
    for name in ("date_from", "date_to"):
        if name in query:
            rule = fields_221.MOMENT
            for problem in check_string(rule, query[name]):
                yield f"{name}: {problem}"
    if asked.request.target.count("?") > 1:
        yield "more than one question mark"


def _is_within(item: JsonObject, query: dict[str, str]) -> bool:
    updated = read_moment(item["last_updated"])
    if "date_from" in query and updated < read_moment(query["date_from"]):
        return False
    return "date_to" not in query or updated < read_moment(query["date_to"])

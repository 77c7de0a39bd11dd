"""A backend's token list, page by page, that may be cut anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.ocpi.pages import Position
from agent.ocpi.token_list import TokenPage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from datetime import datetime

    from agent.domain.tokens import Token


class ScriptedSource:
    """Serves pages of tokens; a page may be an error to raise instead.

    `before_page` is called with the number of each page before it is served.
    """

    def __init__(self, *pages: Sequence[Token] | Exception) -> None:
        self.pages = list(pages)
        #: What each page says besides its tokens.
        self.problems: dict[int, list[str]] = {}
        self.facts: dict[int, dict[str, Any]] = {}
        self.asked: list[tuple[datetime | None, Position | None]] = []
        self.before_page: Callable[[int], None] = lambda _: None
        self.closed = 0
        #: Which backend, version or account this is.
        self.where = ""

    async def origin(self) -> str:
        """Say where the list is."""
        return self.where

    async def token_pages(
        self, date_from: datetime | None = None, start: Position | None = None
    ) -> AsyncGenerator[TokenPage]:
        """Crawl the list from a position on."""
        self.asked.append((date_from, start))
        try:
            for number in range(start.offset if start else 0, len(self.pages)):
                self.before_page(number)
                page = self.pages[number]
                if isinstance(page, Exception):
                    raise page
                yield self._page(number, page)
        finally:
            self.closed += 1

    def _page(self, number: int, tokens: Sequence[Token]) -> TokenPage:
        problems = self.problems.get(number, [])
        is_last = number + 1 == len(self.pages)
        known: dict[str, Any] = {
            "tokens": list(tokens),
            "problems": problems,
            "listed": len(tokens) + len(problems),
            "total": None,
            "resume": None if is_last else Position(number + 1),
        }
        return TokenPage(**known | self.facts.get(number, {}))

"""Query of a list page, as encoded in its URL: filters, search, order, page. Every link is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

ORDERS = ("newest", "longest")
#: Longer than anybody types; a search pattern has to be compiled.
LONGEST_TEXT = 300


@dataclass(frozen=True)
class Query:
    """The query of a list of episodes or tasks: ``facets`` {facet: value}, ``text`` and ``start`` of a search."""

    facets: Mapping[str, str]
    text: str = ""
    task: str = ""
    order: str = ""
    page: int = 1
    start: int = 0

    @classmethod
    def of(cls, given: Mapping[str, str], facets: list[str]) -> Query:
        """From an address; unknown and unreadable parts are left out."""
        return cls(
            facets={name: given[name] for name in facets if given.get(name)},
            text=given.get("q", "").strip()[:LONGEST_TEXT],
            task=given.get("task", ""),
            order=given["order"] if given.get("order") in ORDERS else "",
            page=_number(given.get("page"), 1),
            start=_number(given.get("from"), 0),
        )

    def string(self) -> str:
        """The query part of an address, with its ``?``; empty where nothing is set."""
        said: dict[str, Any] = dict(self.facets)
        said |= {"task": self.task, "q": self.text, "order": self.order}
        said |= {"page": self.page if self.page > 1 else "", "from": self.start or ""}
        kept = {name: value for name, value in said.items() if value}
        return f"?{urlencode(kept)}" if kept else ""

    def having(self, facet: str, value: str) -> Query:
        """The same with one facet set, or unset if it has this value already; from the first page."""
        facets = {name: kept for name, kept in self.facets.items() if name != facet}
        if self.facets.get(facet) != value:
            facets[facet] = value
        return replace(self, facets=facets, page=1, start=0)

    def at(self, **changes: Any) -> Query:
        return replace(self, **changes)

    @property
    def first(self) -> Query:
        """The same list from its beginning."""
        return replace(self, page=1, start=0)

    @property
    def narrows(self) -> bool:
        return bool(self.facets or self.text or self.task)


def _number(text: str | None, least: int) -> int:
    return max(int(text), least) if text and text.isdecimal() and len(text) < 10 else least


def address(*parts: Any, query: str = "") -> str:
    """``/run/first/episode/ep-1``; parts may hold anything."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts) + query

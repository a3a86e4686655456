"""Pieces of HTML: what comes from data is always escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Html(str):
    """Text that is HTML already; all other text is escaped where it is put in."""


def safe(value: object) -> Html:
    """A value as HTML."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def tag(name: str, *inner: object, **attributes: object) -> Html:
    """An element; `class_` and the like are attributes whose names Python keeps for itself."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{given}>{''.join(map(safe, inner))}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """One after the other."""
    return Html("\n".join(map(safe, parts)))


def table(
    caption: str,
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    numbers: bool = True,
    own: bool = False,
) -> Html:
    """A table whose first column names its rows; it scrolls by itself where it is too wide.

    Args:
        caption: what it shows.
        head: of the columns.
        rows: of cells.
        numbers: whether all but the first column are figures.
        own: whether the first row is what the others stand beside.
    """
    top = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    inner = tag(
        "table", tag("caption", caption), tag("thead", top), tag("tbody", *body),
        class_=("figures" if numbers else "facts") + " own" * own,
    )  # fmt: skip
    return tag("div", inner, class_="scroll", tabindex=0, role="region", aria_label=caption)


def facts(caption: str, rows: Iterable[Sequence[object]]) -> Html:
    """Names and values."""
    body = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows]
    inner = tag("table", tag("caption", caption), tag("tbody", *body), class_="facts")
    return tag("div", inner, class_="scroll", tabindex=0, role="region", aria_label=caption)


def section(title: str, *parts: object) -> Html:
    """A part of the page under its heading."""
    return tag("section", tag("h2", title), joined(parts))


def missing(what: str, command: str | None = None) -> Html:
    """A line that says what is not there, and what would make it."""
    said: list[object] = [what]
    if command is not None:
        said += [": ", tag("code", command)]
    return tag("p", *said, class_="missing")


def percent(share: object, digits: int = 1) -> str:
    """`58.9 %`, or a dash where there is no value."""
    return f"{100 * share:.{digits}f} %" if isinstance(share, int | float) else "—"

"""The tables of the terminal as tables of a page: the same headers, figures and captions, from the same code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class HtmlTable:
    """A table as the templates want it.

    Parameters
    ----------
    title, caption
        Plain text.
    headers
        One per column.
    groups
        Rows of plain text, cut where the terminal draws a line.
    classes
        ``r3``: the third column is aligned to the right; ``w2``: the second is not wrapped. Said once per table and not
        in every cell, which would be most of a long table.
    folded
        Shown when asked for: what the terminal prints with ``--all``.
    """

    title: str
    caption: str
    headers: tuple[str, ...]
    groups: tuple[tuple[tuple[str, ...], ...], ...]
    classes: str
    folded: bool = False

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return sum(map(len, self.groups))


def html_table(table: Table, *, folded: bool = False) -> HtmlTable:
    """Take a table of the terminal apart."""
    groups: list[list[tuple[str, ...]]] = [[]]
    cells = zip(*(list(column.cells) for column in table.columns), strict=True)
    for row, texts in zip(table.rows, cells, strict=True):
        groups[-1].append(tuple(map(_plain, texts)))
        if row.end_section:
            groups.append([])
    return HtmlTable(
        _plain(table.title or ""),
        _plain(table.caption or ""),
        tuple(_plain(column.header) for column in table.columns),
        tuple(tuple(group) for group in groups if group),
        column_classes(
            [column.justify == "right" for column in table.columns], [bool(column.no_wrap) for column in table.columns]
        ),
        folded,
    )


def column_classes(right: Sequence[bool], unwrapped: Sequence[bool] = ()) -> str:
    """Name the classes of a table: which columns stand on the right, and which are never wrapped."""
    names = [f"r{i}" for i, one in enumerate(right, start=1) if one]
    return " ".join(names + [f"w{i}" for i, one in enumerate(unwrapped, start=1) if one and not right[i - 1]])


def html_tables(tables: Iterable[Table], *, folded: bool = False) -> tuple[HtmlTable, ...]:
    """Take those tables apart that have rows."""
    return tuple(html_table(table, folded=folded) for table in tables if table.row_count)


def _plain(text: RenderableType) -> str:
    """Read markup as the console would, and keep the words."""
    return text.plain if isinstance(text, Text) else Text.from_markup(str(text)).plain

"""What a picture is: a title, a sentence on how to read it, its data, and how the data are to be drawn."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from idxbench.records import plain_parameters
from idxbench.report.html.tables import column_classes
from idxbench.report.style import megabytes, microseconds, share, significant, thousands

# A longer table would take as much room as its CSV again.
MOST_ROWS = 300

Value = str | float | int | None
# What a column holds -> how a cell of the table is written. CSV holds the number itself.
WRITTEN: dict[str, Callable[[float], str]] = {
    "share": share,
    "seconds": significant,
    "latency": microseconds,
    "rate": thousands,
    "bytes": megabytes,
    "number": significant,
    "count": lambda value: f"{value:,.0f}",
    "plain": lambda value: f"{value:.6g}",
    "ratio": lambda value: f"{significant(value)}x",
}


@dataclass(frozen=True)
class Column:
    """A column of a picture's data.

    Parameters
    ----------
    key
        Its name in the CSV, with the unit of the numbers: ``latency_p50_s``.
    title
        Its header in the table, with the unit that is printed.
    kind
        ``text``, ``date`` (UTC, as ISO 8601 has it), or one of `WRITTEN`.
    digits
        Significant digits in the CSV.
    """

    key: str
    title: str
    kind: str = "text"
    digits: int = 6

    def write(self, value: Value) -> str:
        """Write a cell of the table; ``–`` where there is no number."""
        if self.kind == "text":
            return "" if value is None else str(value)
        if self.kind == "date":
            return str(value)[:16].replace("T", " ") or "–"
        if value is None or value == "" or math.isnan(float(value)):
            return "–"
        return WRITTEN[self.kind](float(value))


@dataclass(frozen=True)
class Picture:
    """A picture with the data that it is drawn from.

    Parameters
    ----------
    key
        Short and unique on the page: ``recall-qps``.
    title
        What is shown.
    reading
        A sentence or two on how to read it, with the units.
    columns, rows
        The data: what the table and the CSV hold, and the only figures the script gets.
    drawing
        What the script draws from them, by names of columns; see ``assets/draw.js``.
    note
        What is left out, and where to find it.
    wide
        Whether it takes a whole line of the page.
    """

    key: str
    title: str
    reading: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    drawing: Mapping[str, Any] = field(repr=False)
    note: str = ""
    wide: bool = False

    @property
    def csv(self) -> str:
        """The data as CSV: rounded to the digits of each column, nothing where there is no number."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.key for column in self.columns)
        digits = [column.digits for column in self.columns]
        writer.writerows(map(_field, row, digits) for row in self.rows)
        return text.getvalue()

    @property
    def cells(self) -> list[list[str]]:
        """The data as the table has them."""
        return [[column.write(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    @property
    def headers(self) -> list[str]:
        """The headers of the table."""
        return [column.title for column in self.columns]

    @property
    def classes(self) -> str:
        """The classes of the table: its numbers stand on the right."""
        return column_classes([column.kind != "text" for column in self.columns], [True] * len(self.columns))

    @property
    def filled(self) -> bool:
        """Whether the page holds the table; a longer one is made of the CSV when it is opened."""
        return len(self.rows) <= MOST_ROWS

    @property
    def settings(self) -> dict[str, Any]:
        """What the script is told: how to draw, and what the columns are."""
        columns = [{"key": one.key, "title": one.title, "kind": one.kind} for one in self.columns]
        return {"title": self.title, "columns": columns, **self.drawing}


def _field(value: Value, digits: int) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def control(
    key: str, label: str, values: Sequence[tuple[str, str]], first: str | None = None, *, word: str = ""
) -> dict[str, Any]:
    """Describe a choice of rows by the values of a column; rows where it is empty are always shown.

    Parameters
    ----------
    key
        The column.
    label
        What is chosen.
    values
        (value in the CSV, what it is called).
    first
        The value to begin with; the first one where it is None or not among them.
    word
        For sentences and headings of a printed page; ``label`` where empty.
    """
    known = [value for value, _ in values]
    return {
        "column": key,
        "label": label,
        "word": word or label,
        "options": [{"value": value, "label": name} for value, name in values],
        "first": first if first in known else known[0] if known else "",
    }


def parameters(text: str) -> str:
    """Write a ``build`` or ``search`` column as it stands in data of pictures: ``M=16, ef_construction=200``."""
    return plain_parameters(text)

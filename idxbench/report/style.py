"""How figures are written: short, aligned, and the same on a terminal and in a file."""

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from idxbench.records import Measurement

# A table piped to a file is as wide as it has to be read.
PIPED_WIDTH = 100
INTERVAL = "± the longer arm of its 95 % interval over queries"


def share(value: float | None, digits: int = 3) -> str:
    """Write a share without its leading zero: ``.953``; ``–`` where there is none."""
    if value is None or math.isnan(value):
        return "–"
    # Rounding must not promise what was not measured: .9996 is not 1.000. What arithmetic leaves of a 1 is one.
    if value < 1.0 - 1e-7 and round(value, digits) == 1.0:
        value = 1.0 - 10.0**-digits
    text = f"{value:.{digits}f}"
    # A difference that rounds to nothing has no sign.
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def shared(row: Measurement | None) -> str:
    """Write a share with its 95 % interval, ``.953 ±.006``: the longer arm where the two differ."""
    if row is None:
        return "–"
    if math.isnan(row.low):
        return share(row.value)
    up, down = row.high - row.value, row.value - row.low
    # A share can't leave [0, 1]: where it stands at an end, only the other side is open.
    sign = "-" if row.value >= 1 else "+" if row.value <= 0 else "±"
    return f"{share(row.value)} {sign}{share(max(up, down))}"


def microseconds(seconds: float | None) -> str:
    """Write seconds as microseconds with three significant digits."""
    return "–" if seconds is None or math.isnan(seconds) else significant(seconds * 1e6)


def thousands(value: float | None) -> str:
    """Write a rate with three significant digits: ``317``, ``41.2k``, ``1.03M``."""
    if value is None or math.isnan(value):
        return "–"
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return significant(value / size) + letter
    return significant(value)


def significant(value: float | None) -> str:
    """Write a number with three significant digits, and never in powers of ten."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def megabytes(value: float | None) -> str:
    """Write bytes as MB (10^6)."""
    return "–" if value is None or math.isnan(value) else significant(value / 1e6)


def make_table(title: str, columns: list[tuple[str, str]], caption: str) -> Table:
    """Make an empty table.

    Parameters
    ----------
    title
        Plain text.
    columns
        Header and ``left`` or ``right`` for each.
    caption
        How to read it; printed under the table.
    """
    table = Table(
        title=escape(title),
        caption=escape(caption),
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="dim",
        pad_edge=False,
        padding=(0, 1),
    )
    for header, side in columns:
        justify: Any = side
        # Names may fold where a line is too short; figures, and names of indexes, never.
        table.add_column(
            escape(header), justify=justify, overflow="fold", no_wrap=side == "right" or header == "index", min_width=4
        )
    return table

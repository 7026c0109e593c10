"""The tables of a run, made of its journal: ``measurements.csv`` and ``rounds.csv``."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from idxbench.records import COLUMNS, Measurement, csv_row
from idxbench.store.files import append, replace
from idxbench.store.round_rows import FILE as ROUNDS
from idxbench.store.round_rows import ROUND_COLUMNS, RoundRow, round_csv_row

MEASUREMENTS = "measurements.csv"


def append_tables(folder: Path, rows: Sequence[Measurement], rounds: Sequence[RoundRow]) -> None:
    """Add rows at the ends, so that whoever looks in while the run goes on sees what is known."""
    append(folder / MEASUREMENTS, _csv(map(csv_row, rows)))
    if rounds:
        head = [] if (folder / ROUNDS).is_file() else [ROUND_COLUMNS]
        append(folder / ROUNDS, _csv([*head, *map(round_csv_row, rounds)]))


def write_tables(folder: Path, rows: Sequence[Measurement], rounds: Sequence[RoundRow]) -> None:
    """Replace the tables as a whole; without rounds there is no table of them."""
    replace(folder / MEASUREMENTS, _csv([COLUMNS, *map(csv_row, rows)]))
    if rounds:
        replace(folder / ROUNDS, _csv([ROUND_COLUMNS, *map(round_csv_row, rounds)]))
    else:
        (folder / ROUNDS).unlink(missing_ok=True)


def _csv(lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()

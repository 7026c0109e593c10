"""A run with a copy of itself as a second side, as good or worse: what a gate is tested with.

The copy is written as a run directory like any other and read back by the gate like any other. Its sides differ in one
parameter of their builds, ``side``, which selects them. Of the first index the copy's times are those of the A/A
control where there is one: the noise of tonight stays in. Others are copied to the last digit.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from idxbench.records import COLUMNS, Measurement, Run, compact_json, csv_row
from idxbench.store import samples
from idxbench.store.files import unwritable
from idxbench.store.npz import packed
from idxbench.store.round_rows import FILE, ROUND_COLUMNS, ROUND_METRICS, RoundRow, read_rounds, round_csv_row
from idxbench.store.samples import cell_name, gathered, read_samples
from idxbench.verdicts.changes import Cell

SIDE, BASE, COPY = "side", "base", "copy"


@dataclass(frozen=True)
class Worsening:
    """How much worse a figure of the copy is made.

    Parameters
    ----------
    factor
        What it is multiplied by.
    shift
        What is added then.
    """

    factor: float = 1.0
    shift: float = 0.0

    def of(self, value: float) -> float:
        """Return the figure, made worse."""
        return value * self.factor + self.shift


def write_replay(run: Run, folder: Path, worse: Mapping[Cell, Worsening]) -> Path:
    """Write a run and its copy as one run directory.

    Parameters
    ----------
    run
        To be copied.
    folder
        Where to; made.
    worse
        Which figures of the copy are worse; cells are those of the run. Empty makes it as good.

    Raises
    ------
    ResultError
        The folder can't be written, or the run has no readable rounds or samples.
    """
    try:
        folder.mkdir(parents=True)
        _write_csv(folder / "measurements.csv", COLUMNS, map(csv_row, _measurements(run, worse)))
        rounds = read_rounds(run.path)
        if rounds:
            _write_csv(folder / FILE, ROUND_COLUMNS, map(round_csv_row, _rounds(rounds, worse)))
        (folder / samples.FILE).write_bytes(packed(gathered(_samples(run, worse))))
        info = dict(run.info) | {"failures": [], "exit_status": 0 if run.info["status"] == "finished" else None}
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
        (folder / "config.toml").write_text("# a copy made by idxbench gate --self-test\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from None
    return folder


def sided(build: str, side: str) -> str:
    """Add the parameter that selects a side to a ``build`` column."""
    return compact_json((json.loads(build) if build else {}) | {SIDE: side})


def _measurements(run: Run, worse: Mapping[Cell, Worsening]) -> Iterable[Measurement]:
    for row in run.measurements:
        if row.metric == "failed":
            # What was not measured has no copy.
            continue
        yield replace(row, build=sided(row.build, BASE))
        change = worse.get(cell_of(row), Worsening())
        values: dict[str, Any] = {name: change.of(getattr(row, name)) for name in ("value", "low", "high")}
        yield replace(row, build=sided(row.build, COPY), **values)


def cell_of(row: Measurement) -> Cell:
    """Return what a figure is about."""
    return Cell(
        row.task,
        row.strategy,
        row.similarity,
        row.index,
        row.build,
        row.search,
        row.k,
        row.metric,
        row.reference,
    )


def _rounds(rounds: Iterable[RoundRow], worse: Mapping[Cell, Worsening]) -> Iterable[RoundRow]:
    rounds = tuple(rounds)
    changes = {_place(cell): change for cell, change in worse.items() if cell.metric in ROUND_METRICS}
    controls = {_key(row): row for row in rounds if row.copy}
    for row in rounds:
        yield replace(row, build=sided(row.build, BASE))
        if row.copy:
            continue
        twin = controls.get(_key(row), row)
        values: dict[str, Any] = {}
        for name in ROUND_METRICS:
            change = changes.get((row.strategy, row.index, row.build, row.search, name), Worsening())
            values[name] = change.of(getattr(twin, name))
        yield replace(twin, build=sided(row.build, COPY), copy=0, **values)


def _place(cell: Cell) -> tuple[str, ...]:
    return cell.strategy, cell.index, cell.build, cell.search, cell.metric


def _key(row: RoundRow) -> tuple[object, ...]:
    return row.session, row.round, row.attempt, row.strategy, row.index, row.build, row.search


def _samples(run: Run, worse: Mapping[Cell, Worsening]) -> Iterator[tuple[str, Mapping[str, NDArray[Any]]]]:
    """Yield the samples per query of both sides; those of recall are lowered as their means are."""
    shifts = {
        (cell.strategy, cell.index, cell.build, cell.search, f"{cell.metric}_{cell.reference}@{cell.k}"): change
        for cell, change in worse.items()
    }
    for one in read_samples(run.path):
        place = one.strategy, one.index, one.build, one.search
        changes = {what: shifts.get((*place, what), Worsening()) for what in one.arrays}
        worsened = {
            what: (values * changes[what].factor + changes[what].shift).astype(values.dtype)
            for what, values in one.arrays.items()
        }
        yield cell_name(one.strategy, one.index, sided(one.build, BASE), one.search), one.arrays
        yield cell_name(one.strategy, one.index, sided(one.build, COPY), one.search), worsened


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)

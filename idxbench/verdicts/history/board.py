"""Nights side by side: the records of one config on one machine as arrays, series by night."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.config.policy import Metric, Policy
from idxbench.store.history import Event, HistoryRow
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.history.recorded import judged_by
from idxbench.verdicts.history.select import ALL, cell_of, matches

# Runs that start within this of the first run of a night are of the same night.
NIGHT = timedelta(hours=12)
# A figure with one of these flags does not count.
LEFT_OUT = frozenset({"unstable", "interrupted", "incomplete"})


@dataclass(frozen=True)
class Night:
    """The runs of one night, oldest first, and when the first and the last of them started."""

    started: str
    newest: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """All series of a config on a machine.

    Parameters
    ----------
    machine, name
        Whose they are.
    nights
        Oldest first.
    cells
        One per series, in the order they were first measured.
    metrics
        How each is judged; None where nobody said.
    units
        Of each series.
    values
        (s, n) the median of a night's runs; NaN where none counts.
    by_run
        (s, r) every run; NaN where it does not count.
    night_of
        (r,) the night of a run.
    rows
        (s, n) numbers of stretches that can be compared with themselves, all different.
    arms
        (s,) the index a series is of.
    flags
        By series and night.
    stamps
        (s, n) number of the data and the set-up; -1 without a figure.
    versions
        By night, of the newest run: what the machine shares.
    """

    machine: str
    name: str
    nights: tuple[Night, ...]
    cells: tuple[Cell, ...]
    metrics: tuple[Metric | None, ...]
    units: tuple[str, ...]
    values: NDArray[np.float64] = field(repr=False)
    by_run: NDArray[np.float64] = field(repr=False)
    night_of: NDArray[np.int64] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    arms: NDArray[np.int64] = field(repr=False)
    flags: tuple[dict[int, tuple[str, ...]], ...] = field(repr=False)
    stamps: NDArray[np.int64] = field(repr=False)
    versions: tuple[tuple[tuple[str, str | None], ...], ...] = field(repr=False)

    def levels(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Write values so that more is worse: logarithms where ratios count, negative where higher is better."""
        signs = np.array([-1.0 if metric and metric.direction == "higher" else 1.0 for metric in self.metrics])
        ratio = np.array([self.kind(series) == "ratio" for series in range(len(self.cells))])
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(values)
        # A time of zero has no logarithm: it was not measured.
        levels = np.where(ratio[:, None], np.where(np.isfinite(logs), logs, np.nan), values)
        return np.asarray(signs[:, None] * levels)

    def kind(self, series: int) -> Literal["ratio", "difference"]:
        """Return whether ratios or differences of a series count; shares differ, all else is in proportion."""
        metric = self.metrics[series]
        if metric is not None:
            return metric.kind
        return "difference" if self.units[series] in ("share", "") else "ratio"

    def timed(self) -> NDArray[np.bool_]:
        """Return which series follow the speed of the machine."""
        return np.array([unit in ("s", "1/s") for unit in self.units], dtype=np.bool_)


def make_board(rows: Sequence[HistoryRow], events: Sequence[Event], policy: Policy | None) -> Board:
    """Arrange the records of one config on one machine.

    Parameters
    ----------
    rows
        At least one, by start.
    events
        Of the machine: accepted changes start new stretches.
    policy
        How metrics are judged; None takes for each figure the policy of the newest run that has it.
    """
    nights, night_of_run = _nights(rows)
    run_numbers = {run: number for number, run in enumerate(night_of_run)}
    numbered: dict[Cell, int] = {}
    series = [numbered.setdefault(cell_of(row), len(numbered)) for row in rows]
    night_of = np.array(list(night_of_run.values()), dtype=np.int64)
    by_run = np.full((len(numbered), len(night_of)), np.nan)
    stamps = np.full((len(numbered), len(nights)), -1, dtype=np.int64)
    stamp_numbers: dict[tuple[str, str], int] = {}
    flags: list[dict[int, tuple[str, ...]]] = [{} for _ in numbered]
    units = dict(zip(series, (row.unit for row in rows), strict=True))
    # The newest run comes last and stays.
    judged = dict(zip(series, (row.judged for row in rows), strict=True))
    versions: dict[int, tuple[tuple[str, str | None], ...]] = {}
    for number, row in zip(series, rows, strict=True):
        night, run = night_of_run[row.run], run_numbers[row.run]
        stamp = stamp_numbers.setdefault((row.data, row.setup), len(stamp_numbers))
        if stamps[number, night] not in (-1, stamp):
            # The night's later runs measured something else: they are what the next night is compared with.
            by_run[number, night_of == night] = np.nan
        stamps[number, night] = stamp
        if not LEFT_OUT.intersection(row.flags):
            by_run[number, run] = row.value
        flags[number][night] = tuple(dict.fromkeys((*flags[number].get(night, ()), *row.flags)))
        versions[night] = tuple(sorted(row.versions.items()))
    cells = tuple(numbered)
    first = rows[0]
    return Board(
        machine=first.machine,
        name=first.name,
        nights=nights,
        cells=cells,
        metrics=tuple(_metric(policy, judged[number], cell) for number, cell in enumerate(cells)),
        units=tuple(units[number] for number in range(len(cells))),
        values=_night_medians(by_run, night_of, len(nights)),
        by_run=by_run,
        night_of=night_of,
        rows=_stretches(stamps, nights, cells, first.name, events),
        arms=_arms(cells),
        flags=tuple(flags),
        stamps=stamps,
        versions=tuple(versions[night] for night in range(len(nights))),
    )


def _metric(policy: Policy | None, judged: Metric | None, cell: Cell) -> Metric | None:
    if policy is not None:
        return judged_by(policy, cell.strategy, cell.metric, cell.reference, cell.k)
    return judged or Policy().metric(cell.measure)


def _nights(rows: Sequence[HistoryRow]) -> tuple[tuple[Night, ...], dict[str, int]]:
    """Gather runs into nights; return them, and the night of each run in order of start."""
    nights: list[tuple[str, list[str], list[str]]] = []
    night_of: dict[str, int] = {}
    for row in rows:
        if row.run in night_of:
            continue
        started = datetime.fromisoformat(row.started)
        if not nights or started - datetime.fromisoformat(nights[-1][0]) >= NIGHT:
            nights.append((row.started, [], []))
        nights[-1][1].append(row.started)
        nights[-1][2].append(row.run)
        night_of[row.run] = len(nights) - 1
    return tuple(Night(first, starts[-1], tuple(runs)) for first, starts, runs in nights), night_of


def newest_nights(rows: Sequence[HistoryRow]) -> dict[str, str]:
    """Return the start of the newest night of every config, of records by start."""
    names = dict.fromkeys(row.name for row in rows)
    return {name: _nights([row for row in rows if row.name == name])[0][-1].started for name in names}


def first_new(event: Event, name: str, nights: Sequence[Night]) -> int:
    """Return the number of the first night of a config that an accepted change counts as new; none: how many there are.

    A night is new as a whole where its newest run is: a night has one median, and a run of it that came before the
    change was accepted is most often why it was.
    """
    start = event.nights.get(name, event.started)
    return next((number for number, night in enumerate(nights) if night.newest >= start), len(nights))


def _night_medians(by_run: NDArray[np.float64], night_of: NDArray[np.int64], n_nights: int) -> NDArray[np.float64]:
    values = np.full((len(by_run), n_nights), np.nan)
    with warnings.catch_warnings():
        # A night without a run that counts has no median.
        warnings.simplefilter("ignore", RuntimeWarning)
        for night in range(n_nights):
            values[:, night] = np.nanmedian(by_run[:, night_of == night], axis=1)
    return values


def _stretches(
    stamps: NDArray[np.int64], nights: Sequence[Night], cells: Sequence[Cell], name: str, events: Sequence[Event]
) -> NDArray[np.int64]:
    """Return the number of each stretch of nights between accepted changes, new data and new set-ups."""
    edges = np.zeros(stamps.shape, dtype=np.int64)
    for event in events:
        night = first_new(event, name, nights)
        if event.kind == "accept" and night < len(nights):
            edges[[matches(cell, name, event.select) for cell in cells], night] = 1
    for number, line in enumerate(stamps):
        measured = np.flatnonzero(line >= 0)
        edges[number, measured[1:][np.diff(line[measured]) != 0]] = 1
    return np.cumsum(edges, axis=1) + np.arange(len(stamps))[:, None] * (len(nights) + 1)


def _arms(cells: Sequence[Cell]) -> NDArray[np.int64]:
    numbers: dict[tuple[str, ...], int] = {}
    return np.array(
        [numbers.setdefault((cell.strategy, cell.similarity, cell.index, cell.build), len(numbers)) for cell in cells],
        dtype=np.int64,
    )


def accepts_all(event: Event, name: str) -> bool:
    """Return whether an accepted change is one of everything the config measures."""
    return event.kind == "accept" and all(word in (ALL, f"name={name}") for word in event.select)

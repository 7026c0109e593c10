"""The figures of both sides, joined: rows of ``measurements.csv`` that are about the same thing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.config.policy import Metric, Policy, measure_name
from idxbench.measures.rounds.paired import TIMES, Key, looked_at
from idxbench.measures.rounds.selectors import Selector, Sides, one_each
from idxbench.records import Measurement, Run
from idxbench.verdicts.changes import Cell

# Memory that a system can't tell exactly is the same figure, shown and never gated.
INEXACT = "inexact"
Slot = tuple[str, Key, int, str, str]


@dataclass(frozen=True)
class Figure:
    """One figure of one side.

    Parameters
    ----------
    runs
        Those of the side that have it, oldest first.
    rows
        Of each of them.
    """

    runs: tuple[Run, ...]
    rows: tuple[Measurement, ...]

    @property
    def values(self) -> NDArray[np.float64]:
        """One number per run."""
        return np.array([row.value for row in self.rows], dtype=np.float64)

    @property
    def row(self) -> Measurement:
        """Of the newest run."""
        return self.rows[-1]


@dataclass(frozen=True)
class Joined:
    """A figure of both sides; ``new`` is None where that side has none.

    Parameters
    ----------
    cell
        What it is about, without what the sides are selected by.
    key
        Strategy, index, build and search that the sides share.
    metric
        How the policy judges it.
    gated
        Whether the policy decides by it.
    """

    cell: Cell
    key: Key
    metric: Metric
    gated: bool
    base: Figure
    new: Figure | None

    @property
    def is_time(self) -> bool:
        """Whether it was measured in rounds, or on any clock."""
        return self.cell.metric in TIMES or self.cell.metric == "build_time"

    @property
    def sign(self) -> float:
        """1 where larger is worse."""
        return 1.0 if self.metric.direction == "lower" else -1.0


@dataclass(frozen=True)
class Figures:
    """All figures that a policy knows, of each side by what they are joined on, and joined.

    Those of the base stand in ``joined`` in their order, whether or not the new side has them.
    """

    base: Mapping[Slot, Figure]
    new: Mapping[Slot, Figure]
    joined: tuple[Joined, ...]

    @property
    def only_new(self) -> int:
        """How many figures only the new side has."""
        return len(self.new.keys() - self.base.keys())


def join_figures(base: Sequence[Run], new: Sequence[Run], sides: Sides, policy: Policy, *, same: bool) -> Figures:
    """Join the figures of two sides; of one run, without those that belong to both.

    Raises
    ------
    ConfigError
        The selectors leave several figures to one thing.
    """
    ours, theirs = collect(base, sides, sides.base, policy), collect(new, sides, sides.new, policy)
    if same:
        shared = {slot for slot in ours.keys() & theirs.keys() if _place(ours[slot]) == _place(theirs[slot])}
        ours, theirs = ({slot: side[slot] for slot in side if slot not in shared} for side in (ours, theirs))
    joined = tuple(join_one(slot, figure, theirs.get(slot), sides, policy) for slot, figure in ours.items())
    return Figures(ours, theirs, joined)


def _place(figure: Figure) -> Key:
    row = figure.row
    return row.strategy, row.index, row.build, row.search


def collect(runs: Sequence[Run], sides: Sides, selector: Selector, policy: Policy) -> dict[Slot, Figure]:
    """Return the figures of one side that a policy knows, by what they are joined on."""
    held: dict[Slot, list[tuple[Run, Measurement]]] = {}
    for run in runs:
        rows = [row for row in run.measurements if _counts(row, sides, policy)]
        for row in one_each(rows, sides, selector, _about):
            held.setdefault(_slot(row, sides), []).append((run, row))
    return {
        slot: Figure(tuple(run for run, _ in found), tuple(row for _, row in found)) for slot, found in held.items()
    }


def metric_of(row: Measurement, policy: Policy) -> Metric | None:
    """Return how a policy judges a row; None where nobody said."""
    reference = "" if row.reference == INEXACT else row.reference
    return policy.metric(measure_name(row.metric, reference))


def _counts(row: Measurement, sides: Sides, policy: Policy) -> bool:
    if math.isnan(row.value) or metric_of(row, policy) is None:
        return False
    return looked_at(policy, sides.key(row)[0], row.metric, row.k)


def _slot(row: Measurement, sides: Sides) -> Slot:
    task, k, metric, reference = _about(row)
    return task, sides.key(row), k, metric, reference


def _about(row: Measurement) -> tuple[str, int, str, str]:
    k = 0 if row.metric in TIMES else row.k
    return row.task, k, row.metric, "" if row.reference == INEXACT else row.reference


def join_one(slot: Slot, base: Figure, new: Figure | None, sides: Sides, policy: Policy) -> Joined:
    """Put a figure of the base beside that of the new side."""
    task, key, _, name, reference = slot
    row = base.row if new is None else new.row
    metric = metric_of(row, policy)
    if metric is None:
        raise ValueError(f"no policy for {name}")
    inexact = any(one.reference == INEXACT for figure in (base, new) if figure for one in figure.rows)
    similarity = "" if "strategy" in sides.taken else row.similarity
    cell = Cell(task, key[0], similarity, key[1], key[2], key[3], row.k, name, reference)
    return Joined(cell, key, metric, metric.gate and not inexact, base, new)


def medians(joined: Joined) -> tuple[float, float]:
    """Return the medians of both sides; NaN for a side that has none."""
    new = math.nan if joined.new is None else float(np.median(joined.new.values))
    return float(np.median(joined.base.values)), new


def effect_of(joined: Joined, base: float, new: float) -> float:
    """Return a change, positive being worse: of logarithms for a ratio; NaN where a ratio has no meaning."""
    if joined.metric.kind == "difference":
        return joined.sign * (new - base) + 0.0  # never -0
    if base == new:
        return 0.0
    return joined.sign * math.log(new / base) if base > 0 and new > 0 else math.nan

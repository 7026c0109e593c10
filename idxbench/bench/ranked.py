"""Exact search that leaves out what each query must not be answered with, and what its answers are worth."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.neighbors import contained_mask
from idxbench.truth.exact import ExactIndex

Ids = NDArray[np.int64]
# Answers held at a time (96 MB with their scores).
MOST_ANSWERS = 1 << 22


@dataclass(frozen=True)
class Lists:
    """A list of distinct ids per row.

    Parameters
    ----------
    starts
        (q + 1,) where the list of each row begins in ``ids``.
    ids
        All lists, one after the other.
    """

    starts: Ids
    ids: Ids

    @property
    def sizes(self) -> Ids:
        """How long each list is."""
        return np.diff(self.starts)

    def padded(self, rows: Ids) -> Ids:
        """Return the lists of some rows side by side, filled up with -1."""
        sizes = self.sizes[rows]
        columns = np.arange(int(sizes.max(initial=0)))
        there = columns < sizes[:, None]
        if not there.any():
            return np.full(there.shape, -1, np.int64)
        return np.where(there, self.ids[np.where(there, self.starts[rows][:, None] + columns, 0)], -1)

    def take(self, rows: Ids) -> "Lists":
        """Return the lists of some rows."""
        # Not by way of `padded`: one long list would pad them all.
        sizes = self.sizes[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return Lists(starts, self.ids[places])


def group(rows: NDArray[Any], ids: NDArray[Any], n_rows: int) -> Lists:
    """Gather ids by row; what occurs twice in a row counts once."""
    table = np.unique(np.column_stack([rows, ids]).astype(np.int64), axis=0).reshape(-1, 2)
    starts = np.concatenate([[0], np.cumsum(np.bincount(table[:, 0], minlength=n_rows))])
    return Lists(starts.astype(np.int64), np.ascontiguousarray(table[:, 1]))


@dataclass(frozen=True)
class Questions:
    """Who asks, for what, and what is no answer.

    Parameters
    ----------
    rows
        (q,) rows of the vectors that ask.
    relevant
        What there is to find, at least one id per row.
    excluded
        What is left out of the answers; no id is both.
    """

    rows: Ids
    relevant: Lists
    excluded: Lists

    def take(self, kept: Ids) -> "Questions":
        """Return some of the questions."""
        return Questions(self.rows[kept], self.relevant.take(kept), self.excluded.take(kept))


def answers(exact: ExactIndex, asking: NDArray[Any], questions: Questions, k: int) -> Ids:
    """Return (q, k) ids, best first, without those excluded; -1 where there are no more.

    Parameters
    ----------
    exact
        Search in the space of a strategy.
    asking
        The vectors that ``questions.rows`` are rows of.
    questions, k
        Who asks, and how deep.
    """
    n_items = len(exact.items)
    found = np.full((len(questions.rows), k), -1, np.int64)
    for rows in _batches(questions.excluded.sizes, k):
        out = questions.excluded.padded(rows)
        ids, _ = exact.search(np.asarray(asking[questions.rows[rows]]), min(n_items, k + out.shape[1]))
        barred = contained_mask(ids, out) if out.shape[1] else np.zeros(ids.shape, np.bool_)
        # A stable sort keeps the order of what is left.
        order = np.argsort(barred, axis=1, kind="stable")[:, :k]
        left = np.where(np.take_along_axis(barred, order, axis=1), -1, np.take_along_axis(ids, order, axis=1))
        found[rows, : left.shape[1]] = left
    return found


def _batches(sizes: Ids, k: int) -> Iterator[Ids]:
    """Cut rows into batches of much the same depth: one with a thousand exclusions makes all others search as deep."""
    order = np.argsort(sizes, kind="stable")
    start = 0
    while start < len(order):
        limit = 2 * (k + int(sizes[order[start]]))
        stop = start + int(np.searchsorted(sizes[order[start:]] + k, limit, side="right"))
        step = max(1, MOST_ANSWERS // limit)
        yield from (order[at : min(at + step, stop)] for at in range(start, stop, step))
        start = stop


def hits(found: Ids, questions: Questions) -> NDArray[np.bool_]:
    """Mark the answers that are relevant, (q, k)."""
    step = max(1, MOST_ANSWERS // max(1, int(questions.relevant.sizes.max(initial=1))))
    parts = [
        contained_mask(found[at : at + step], questions.relevant.padded(np.arange(at, min(at + step, len(found)))))
        for at in range(0, len(found), step)
    ]
    return np.concatenate(parts)

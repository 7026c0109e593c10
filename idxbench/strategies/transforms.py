"""A fitted transform maps float64 rows to float64 rows: items one way, queries perhaps another."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import block_rows
from idxbench.linalg.factors import qr_factor
from idxbench.linalg.moments import mean_row

Rows = NDArray[np.float64]
Facts = Mapping[str, float]


class Transform(Protocol):
    """A transform with its parameters settled, ready to be applied block by block."""

    @property
    def facts(self) -> Facts:
        """What its fit found, by name: the ``rank`` kept, the ``shrinkage`` of an estimate."""
        ...

    def items(self, rows: Rows) -> Rows:
        """Map a block of items, (n, d) to (n, d')."""
        ...

    def queries(self, rows: Rows) -> Rows:
        """Map a block of queries, (q, d) to (q, d')."""
        ...


@dataclass(frozen=True)
class Linear:
    """``b -> (b - shift) items``, ``q -> (q - query_shift) queries``.

    Parameters
    ----------
    items_map, queries_map
        (d, r) float64.
    shift, query_shift
        (d,) float64; None subtracts nothing.
    facts
        See `Transform`.
    """

    items_map: NDArray[np.float64]
    queries_map: NDArray[np.float64]
    shift: NDArray[np.float64] | None = None
    query_shift: NDArray[np.float64] | None = None
    facts: Facts = field(default_factory=dict)

    def items(self, rows: Rows) -> Rows:
        """Shift and map items."""
        return np.asarray((rows if self.shift is None else rows - self.shift) @ self.items_map)

    def queries(self, rows: Rows) -> Rows:
        """Shift and map queries."""
        return np.asarray((rows if self.query_shift is None else rows - self.query_shift) @ self.queries_map)


@dataclass(frozen=True)
class Chain:
    """Transforms applied in order."""

    steps: tuple[Transform, ...]

    @property
    def facts(self) -> Facts:
        """What the fits found; of facts alike the last step's."""
        return {name: value for step in self.steps for name, value in step.facts.items()}

    def items(self, rows: Rows) -> Rows:
        """Map items through every step."""
        for step in self.steps:
            rows = step.items(rows)
        return rows

    def queries(self, rows: Rows) -> Rows:
        """Map queries through every step."""
        for step in self.steps:
            rows = step.queries(rows)
        return rows


class Mapped:
    """Rows of an array as transforms leave them, mapped whenever they are read: ``mapped[start:stop]``.

    Parameters
    ----------
    vectors
        (n, d) numbers.
    function
        Maps a block of float64 rows; None leaves them as they are.
    """

    ndim = 2
    dtype = np.dtype(np.float64)

    def __init__(self, vectors: NDArray[Any], function: Callable[[Rows], Rows] | None = None) -> None:
        self.vectors, self.function = vectors, function

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.vectors)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and their width once mapped."""
        return len(self.vectors), int(self[:1].shape[1])

    def __getitem__(self, part: slice) -> Rows:
        """Return some rows, mapped."""
        rows = np.asarray(self.vectors[part], np.float64)
        return rows if self.function is None else self.function(rows)

    def blocks(self) -> Iterator[Rows]:
        """Yield all rows, some megabytes at a time."""
        step = block_rows(self.vectors.shape[1])
        for start in range(0, len(self), step):
            yield self[start : start + step]


@dataclass(frozen=True)
class FitContext:
    """What a transform may look at while it is fitted.

    Parameters
    ----------
    items
        As the transforms before this one leave them.
    queries
        Likewise: queries that answers are not graded on. None where there are none.
    same_space
        Whether queries live where items live (one tower, or trained by cosine or l2), so that ``auto``
        treats them alike.
    threads
        Of the passes over the data; no result depends on it.
    """

    items: Mapped
    queries: Mapped | None
    same_space: bool
    threads: int | None = None

    @property
    def n_dims(self) -> int:
        """The width of the items."""
        return self.items.shape[1]

    def mean(self, vectors: Mapped) -> NDArray[np.float64]:
        """Return the mean row, (d,)."""
        return mean_row(vectors, threads=self.threads)

    def factor(self, vectors: Mapped, shift: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the triangular factor of the rows over the root of their number: ``R'R`` is their moment."""
        return np.asarray(qr_factor(vectors, shift=shift, threads=self.threads) / np.sqrt(len(vectors)))


Fit = Callable[[Any, FitContext], Transform]


def treats_alike(side: str, context: FitContext) -> bool:
    """Tell whether queries are mapped as items, from the parameter ``queries``: auto, dual or same."""
    return side == "same" or (side == "auto" and context.same_space)

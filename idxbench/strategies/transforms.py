"""A fitted transform maps float64 rows to float64 rows: items one way, queries perhaps another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Blocks = Callable[[], Iterator[Rows]]


class Transform(Protocol):
    """A transform with its parameters settled, ready to be applied block by block."""

    def items(self, rows: Rows) -> Rows:
        """Map a block of items, (n, d) to (n, d')."""
        ...

    def queries(self, rows: Rows) -> Rows:
        """Map a block of queries, (q, d) to (q, d')."""
        ...


@dataclass(frozen=True)
class Chain:
    """Transforms applied in order."""

    steps: tuple[Transform, ...]

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


@dataclass(frozen=True)
class FitContext:
    """What a transform may look at while it is fitted.

    Parameters
    ----------
    blocks
        Yields the items as float64 blocks, mapped by the transforms before this one.
    n_items, n_dims
        Their shape.
    same_space
        Whether queries live where items live (one tower, or trained by cosine or l2), so that ``auto``
        treats them alike.
    """

    blocks: Blocks
    n_items: int
    n_dims: int
    same_space: bool


Fit = Callable[[Any, FitContext], Transform]

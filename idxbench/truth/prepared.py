"""Items prepared once for many searches."""

from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import MAX_DIMS, CodeBlock
from idxbench.kernels.floats import FloatBlock
from idxbench.truth.blocks import Items, code_block, float_block, norms_spread, prepare_items
from idxbench.truth.coder import Coder, collapsed, fit_axes
from idxbench.truth.mapping import SAMPLE, Mapping


class Prepared:
    """All items as one block, with what either engine needs made when it is first needed.

    The codes are made at once, unless the other engine is insisted on: they are what most searches take.
    """

    def __init__(self, rows: NDArray[Any], mapping: Mapping, engine: str, pool: Executor) -> None:
        self.items = prepare_items(rows, 0, mapping, pool)
        self.sort = sort_pays(self.items, mapping)
        self._codes: CodeBlock | None = None
        self._floats: FloatBlock | None = None
        sample = mapped_sample(self.items)
        self.coder = collapsed(sample) or Coder(fit_axes(sample, None))
        if engine != "floats" and self.items.rows.shape[1] <= MAX_DIMS:
            self.codes(pool)

    @property
    def encoded(self) -> Coder | None:
        """How the items are encoded, if they are."""
        return None if self._codes is None else self.coder

    def codes(self, pool: Executor) -> CodeBlock:
        """Return the items for the engine of codes."""
        if self._codes is None:
            self._codes = code_block(self.items, self.coder, self.sort, pool)
        return self._codes

    def floats(self, pool: Executor) -> FloatBlock:
        """Return the items for the engine of floats."""
        if self._floats is None:
            self._floats = float_block(self.items, self.sort, pool)
        return self._floats


def sort_pays(items: Items, mapping: Mapping) -> bool:
    """Tell whether items should be looked at from the largest norm down."""
    return not mapping.unit and norms_spread(items.norms[:: -(-len(items) // SAMPLE)])


def mapped_sample(items: Items) -> NDArray[np.float64]:
    """Return some mapped items, (m, d), m at most `SAMPLE`."""
    step = -(-len(items) // SAMPLE)
    return (items.rows[::step].astype(np.float64) - items.center) * items.factors[::step, None]


def sub_block(items: Items, rows: slice) -> Items:
    """Return some rows of a block as a block of their own."""
    exact = items.exact
    cut = exact._replace(
        rows=exact.rows[rows],
        rest=exact.rest[rows] if len(exact.rest) else exact.rest,
        factors=exact.factors[rows] if len(exact.factors) else exact.factors,
    )
    return replace(
        items, first=items.first + rows.start, exact=cut, factors=items.factors[rows], norms=items.norms[rows]
    )

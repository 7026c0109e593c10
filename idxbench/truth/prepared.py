"""Items prepared once for many searches."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import MAX_DIMS, CodeBlock
from idxbench.kernels.floats import FloatBlock
from idxbench.pool import Crew
from idxbench.truth.blocks import Items, code_block, float_block, norms_spread, prepare_items
from idxbench.truth.coder import Coder, collapsed, fit_axes
from idxbench.truth.cost import TAIL, Sample, inflation
from idxbench.truth.mapping import SAMPLE, Mapping

# Fewer candidates by this factor are worth making the codes again.
WORTH_ENCODING = 3.0


class Prepared:
    """All items as one block, with what either engine needs made when it is first needed.

    The codes are made at once, unless the other engine is insisted on: they are what most searches take. How
    the axes of items and queries compare is known at the first search; the codes are made again if that pays.
    """

    def __init__(self, rows: NDArray[Any], mapping: Mapping, engine: str, crew: Crew) -> None:
        self.items = prepare_items(rows, 0, mapping, crew)
        self.sort = sort_pays(self.items, mapping)
        self._codes: CodeBlock | None = None
        self._floats: FloatBlock | None = None
        n_dims = self.items.rows.shape[1]
        self.coder = collapsed(mapped_sample(self.items)) or Coder(np.ones(n_dims))
        self._fitted = self.coder.basis is not None
        if engine != "floats" and n_dims <= MAX_DIMS:
            self.codes(crew)

    def fit(self, sample: Callable[[], Sample], k: int) -> None:
        """Look at the queries of the first search: where their axes differ from those of the items, encode anew."""
        if self._fitted or self._codes is None:
            return
        self._fitted = True
        seen = sample()
        fitted = Coder(fit_axes(seen.items, seen.queries))
        if np.all(fitted.item_axes == 1.0) or len(seen.items) <= TAIL:
            return
        before, after = (inflation(coder, seen, k / len(self.items)) for coder in (self.coder, fitted))
        if before > WORTH_ENCODING * after:
            self.coder, self._codes = fitted, None

    @property
    def encoded(self) -> Coder | None:
        """How the items are encoded, if they are."""
        return None if self._codes is None else self.coder

    def codes(self, crew: Crew) -> CodeBlock:
        """Return the items for the engine of codes."""
        if self._codes is None:
            self._codes = code_block(self.items, self.coder, self.sort, crew)
        return self._codes

    def floats(self, crew: Crew) -> FloatBlock:
        """Return the items for the engine of floats."""
        if self._floats is None:
            self._floats = float_block(self.items, self.sort, crew)
        return self._floats


def sort_pays(items: Items, mapping: Mapping) -> bool:
    """Tell whether items should be looked at from the largest norm down."""
    return not mapping.unit and norms_spread(items.norms[:: -(-len(items) // SAMPLE)])


def mapped_sample(items: Items) -> NDArray[np.float64]:
    """Return some mapped items, (m, d), m at most `SAMPLE`."""
    step = -(-len(items) // SAMPLE)
    return (items.rows[::step].astype(np.float64) - items.center) * items.factors[::step, None]

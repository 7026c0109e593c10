"""``augmented``: inner product search as nearest neighbour search (Bachrach et al. 2014)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from idxbench.config.transforms import Augmented
from idxbench.data.rows import row_norms
from idxbench.strategies.transforms import FitContext, Rows


@dataclass(frozen=True)
class OneMore:
    """``b -> [b, sqrt(M^2 - |b|^2)]``, ``q -> [q, 0]``: all items get the norm M, so l2 ranks as dot did.

    Parameters
    ----------
    largest
        M, the largest norm of the items.
    facts
        Nothing was estimated.
    """

    largest: float
    facts: Mapping[str, float] = field(default_factory=dict)

    def items(self, rows: Rows) -> Rows:
        """Append what is missing to the largest norm."""
        norms = row_norms(rows)
        # As a product: the difference of squares would lose the digits of norms near the largest.
        missing = np.sqrt(np.maximum(self.largest - norms, 0.0)) * np.sqrt(self.largest + norms)
        return np.concatenate([rows, missing[:, None]], axis=1)

    def queries(self, rows: Rows) -> Rows:
        """Append a zero."""
        return np.concatenate([rows, np.zeros((len(rows), 1))], axis=1)


def fit_augmented(spec: Augmented, context: FitContext) -> OneMore:
    """Fit ``augmented``: find the largest norm."""
    return OneMore(max(float(row_norms(rows).max()) for rows in context.items.blocks()))

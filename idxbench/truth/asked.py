"""Queries made ready for the kernels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import QueryCodes
from idxbench.kernels.floats import QueryPanels, pack_panels
from idxbench.kernels.lanes import LANES
from idxbench.truth.blocks import Items
from idxbench.truth.coder import Coder
from idxbench.truth.mapping import Mapping, power_of_two

# Scales of queries and of items may differ by this much under l2, where a bias has to follow both.
WIDEST = 2.0**40
# Beyond, a bias leaves float32: such a query takes every item of the block for a candidate.
REPRESENTABLE = 2.0**60


@dataclass(frozen=True)
class Asked:
    """A batch of queries.

    Parameters
    ----------
    exact
        (q, d) float64, for the float64 score.
    mapped
        (q, d) float64: minus the center, times ``scales``.
    scales
        (q,) powers of two that bring the norms of ``mapped`` below 1.
    norms
        (q,) of ``mapped``.
    by_distance
        Whether a pair scores by its negative squared distance.
    """

    exact: NDArray[np.float64]
    mapped: NDArray[np.float64]
    scales: NDArray[np.float64]
    norms: NDArray[np.float64]
    by_distance: bool

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.exact)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(q,) whether every item scores 0, a zero query: the first k ids are the answer."""
        return np.zeros(len(self), np.bool_) if self.by_distance else self.norms == 0.0

    def exact_for(self, items: Items) -> NDArray[np.float64]:
        """Return the (q, d) queries that the rows of a block are scored against."""
        if self.by_distance and items.exact_scale != 1.0:
            return self.exact * items.exact_scale
        return self.exact

    def units(self, items: Items) -> NDArray[np.float64]:
        """Return (q, 2): how a score becomes what the tile computes, ``score * u[0] + u[1]``."""
        both = self.scales * items.scale
        if not self.by_distance:
            return np.stack([both, np.zeros_like(both)], axis=1)
        # q.b - |b|^2 / 2 = (|q|^2 - distance^2) / 2, all of it scaled.
        return np.stack([both / 2, items.scale / self.scales * self.norms**2 / 2], axis=1)

    def bias_units(self, items: Items) -> NDArray[np.float64]:
        """Return (q,): what ``-|b|^2 / 2`` of a mapped item is multiplied by."""
        return np.minimum(self.scales / items.scale, REPRESENTABLE) if self.by_distance else np.ones(len(self))

    def slack(self, items: Items, n_dims: int, single: bool) -> NDArray[np.float64]:
        """Return (q,): how far a product of the tile, or a float64 score, may lie from the truth.

        ``single``: products summed in float32, whose error is at most ``gamma |q| |b|`` with
        ``gamma = d 2^-24`` (Higham 2002, section 3.1), 16 more for the roundings of the mapped vectors and
        of the bias. What float32 loses below its smallest number is far less than the 1e-30 added.
        """
        bias = self.bias_units(items) if self.by_distance else np.zeros(len(self))
        size = self.norms * items.largest + bias * items.largest**2
        total = 1e-12 * (size + self.units(items)[:, 1]) + 1e-30
        if single:
            total += (n_dims + 16) * 2.0**-24 * size
        return np.where(bias >= REPRESENTABLE, np.inf, total)


def prepare_queries(queries: NDArray[np.float64], mapping: Mapping, item_scale: float) -> Asked:
    """Map a batch of queries, (q, d) finite; ``item_scale`` is that of some block of items."""
    exact = mapping.exact_queries(queries)
    centered = exact - mapping.center if mapping.by_distance else exact
    norms = np.sqrt(np.einsum("ij,ij->i", centered, centered))
    scales = power_of_two(norms)
    if mapping.by_distance:
        scales = np.clip(scales, item_scale / WIDEST, item_scale * WIDEST)
    return Asked(exact, centered * scales[:, None], scales, norms * scales, mapping.by_distance)


def code_queries(asked: Asked, coder: Coder, items: Items) -> QueryCodes:
    """Encode queries."""
    return coder.queries(asked.mapped, asked.bias_units(items))


def float_queries(asked: Asked, items: Items) -> QueryPanels:
    """Pack queries for the float32 tile."""
    panels = pack_panels(asked.mapped.astype(np.float32))
    units = np.ones(len(panels) * LANES, np.float32)
    units[: len(asked)] = asked.bias_units(items)
    return QueryPanels(panels, (asked.norms * 1.000001).astype(np.float32), units)

"""Coordinates in which items are white: ``whitened``, ``item_white``, and what ``score_corr`` starts from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.config.transforms import ItemWhite, Whitened
from idxbench.data.rows import row_norms
from idxbench.linalg.canonical import RANK_TOLERANCE
from idxbench.strategies.transforms import FitContext, Linear, Mapped, treats_alike


@dataclass(frozen=True)
class WhiteAxes:
    """``(x - mean) @ into`` has the identity as its moment; ``@ back`` keeps the scores on the other side.

    Parameters
    ----------
    mean
        (d,), zeros where nothing was subtracted.
    into, back
        (d, r) float64 with ``into' back = I``.
    rank
        r, but 0 where all vectors are alike; then both have one column of zeros.
    """

    mean: NDArray[np.float64]
    into: NDArray[np.float64]
    back: NDArray[np.float64]
    rank: int


def white_axes(
    context: FitContext,
    vectors: Mapped,
    *,
    center: bool,
    rank: int | None = None,
    tolerance: float = RANK_TOLERANCE,
) -> WhiteAxes:
    """Whiten vectors by an orthogonal factorization: they are never squared.

    Parameters
    ----------
    context, vectors
        Its items or its queries.
    center
        Subtract their mean first.
    rank
        Keep that many principal axes; None keeps those above ``tolerance``.
    tolerance
        Relative to the largest singular value. Without ``rank`` each axis is taken in units of its own size first:
        rank is judged by directions, not by how large an axis was made.
    """
    mean = context.mean(vectors) if center else np.zeros(context.n_dims)
    triangle = context.factor(vectors, mean if center else None)
    size = row_norms(np.ascontiguousarray(triangle.T))
    # Rounding leaves a constant axis with a tiny deviation: dividing by it would blow up noise.
    still = size <= 1e-12 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    unit = np.where(still, 1.0, size) if rank is None else np.ones(context.n_dims)
    _, values, principal = np.linalg.svd(np.where(still, 0.0, triangle) / unit, full_matrices=False)
    kept = values > max(tolerance * float(values[0]), np.finfo(float).tiny)
    if rank is not None:
        kept[rank:] = False
    n_kept = int(kept.sum())
    if n_kept == 0:
        nothing = np.zeros((context.n_dims, 1))
        return WhiteAxes(mean, nothing, nothing, 0)
    axes, spread = principal[kept].T, values[kept]
    return WhiteAxes(mean, axes / spread / unit[:, None], axes * spread * unit[:, None], n_kept)


def fit_whitened(spec: Whitened, context: FitContext) -> Linear:
    """Fit ``whitened``: every axis of the items varies alike and none with another."""
    found = white_axes(context, context.items, center=spec.center, rank=spec.rank, tolerance=spec.tolerance)
    facts = {"rank": found.rank}
    if treats_alike(spec.queries, context):
        return Linear(found.into, found.into, found.mean, found.mean, facts)
    return Linear(found.into, found.back, found.mean, None, facts)


def fit_item_white(spec: ItemWhite, context: FitContext) -> Linear:
    """Fit ``item_white``: the second moment of the items becomes the identity, and every score is kept."""
    found = white_axes(context, context.items, center=False, tolerance=spec.tolerance)
    return Linear(found.into, found.back, facts={"rank": found.rank})

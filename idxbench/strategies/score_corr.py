"""``score_corr``: the item-item similarity that two towers trained with a dot product determine.

Centre the items; divide each query by the standard deviation of its scores, ``sqrt(q' Sigma_B q)``; weight
by the covariance ``M`` of those queries. The cosine of ``b_i - mu`` and ``b_j - mu`` under ``M`` is the
correlation, over queries, of the row-standardised scores of the two items. Any invertible change of
coordinates, any common shift of the items and any positive factor per query leaves it as it is.

It is computed in coordinates where the items are white, from an orthogonal factorization of the centred
items, never from their squared covariance. There the queries are unit vectors, and their covariance is
shrunk towards a multiple of the identity by Ledoit and Wolf's optimal intensity. In those coordinates the
identity stands for ``Sigma_B^-1``, so the shrinkage does not bring the lost freedom back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.transforms import ScoreCorr as Spec
from idxbench.data.rows import normalized
from idxbench.strategies.gauges import queries_of
from idxbench.strategies.transforms import FitContext, Linear, Mapped
from idxbench.strategies.white import white_axes


@dataclass(frozen=True)
class ScoreCorr:
    """The items in coordinates where plain cosine is ``score_corr``.

    Parameters
    ----------
    items
        (n, r) float32 unit rows.
    rank
        How many dimensions of the items were kept (relative tolerance 1e-6 on singular values).
    shrinkage
        The share of the identity in the weight, 0 to 1; near 1 the queries are too few to say much.
    """

    items: NDArray[np.float32]
    rank: int
    shrinkage: float


def fit_score_corr(spec: Spec, context: FitContext) -> Linear:
    """Fit the map of items whose cosine is ``score_corr``; dual queries keep every ranking by dot.

    Raises
    ------
    DataError
        No queries.
    """
    queries = queries_of(context, spec.kind)
    white = white_axes(context, context.items, center=True, tolerance=spec.tolerance)
    if white.rank == 0:
        return Linear(white.into, white.back, white.mean, facts={"rank": 0, "shrinkage": 1.0})
    asked = np.concatenate([normalized(rows @ white.back) for rows in queries.blocks()])
    covariance, shrinkage = _shrunk_covariance(asked)
    weights, basis = np.linalg.eigh(covariance)
    # An axis that no query looks along has no weight, and no query needs it.
    weights = np.where(weights > 1e-12 * weights[-1], weights, 0.0)
    roots = np.sqrt(weights)
    inverse = np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)
    facts = {"rank": white.rank, "shrinkage": shrinkage}
    return Linear(white.into @ (basis * roots), white.back @ (basis * inverse), white.mean, facts=facts)


def score_corr(items: NDArray[Any], queries: NDArray[Any], *, threads: int | None = None) -> ScoreCorr:
    """Map items so that their cosine is ``score_corr`` under the given queries.

    Parameters
    ----------
    items
        (n, d), finite, n at least 2.
    queries
        (q, d), finite, q at least 2. A query whose scores do not vary over the items says nothing and
        counts as a zero row.
    threads
        Of the passes over the items; None or 0 for every usable core. The result is the same for any number.

    Returns
    -------
    The mapped items; all zero rows where all items are alike (rank 0 gives one zero column).
    """
    source = Mapped(np.asarray(items))
    found = fit_score_corr(Spec(), FitContext(source, Mapped(np.asarray(queries)), False, threads))
    # Only directions matter under cosine: unit rows stay far from the edges of float32.
    mapped = np.concatenate([normalized(found.items(rows)).astype(np.float32) for rows in source.blocks()])
    return ScoreCorr(mapped, int(found.facts["rank"]), float(found.facts["shrinkage"]))


def score_corr_halves(
    items: NDArray[Any], queries: NDArray[Any], *, seed: int = 0, threads: int | None = None
) -> Iterator[NDArray[np.float32]]:
    """Map items under one random half of the queries, then under the other: how far the similarity is noise."""
    order = np.random.default_rng(seed).permutation(len(queries))
    middle = len(order) // 2
    for half in (order[:middle], order[middle:]):
        yield score_corr(items, np.asarray(queries[np.sort(half)]), threads=threads).items


def _shrunk_covariance(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    from sklearn.covariance import ledoit_wolf

    # Unit rows that don't vary beyond rounding: nothing is known, and the identity says so.
    if len(rows) < 2 or float(rows.var(axis=0).sum()) < 1e-12:
        return np.eye(rows.shape[1]), 1.0
    if rows.shape[1] == 1:
        return np.ones((1, 1)), 0.0
    covariance, shrinkage = ledoit_wolf(rows)
    return np.asarray(covariance), float(shrinkage)

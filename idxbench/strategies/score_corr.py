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

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import block_rows, normalized, row_norms
from idxbench.linalg.factors import qr_factor
from idxbench.linalg.moments import mean_row
from idxbench.strategies.catalogue import row_blocks

RANK_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ScoreCorr:
    """The items in coordinates where plain cosine is ``score_corr``.

    Parameters
    ----------
    items
        (n, r) float32.
    rank
        How many dimensions of the items were kept (relative tolerance 1e-6 on singular values).
    shrinkage
        The share of the identity in the weight, 0 to 1; near 1 the queries are too few to say much.
    """

    items: NDArray[np.float32]
    rank: int
    shrinkage: float


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
    items, queries = np.asarray(items), np.asarray(queries)
    mean = mean_row(items, threads=threads)
    # A triangular factor: the items are never squared, so the error grows with their condition number and not
    # with its square.
    triangle = qr_factor(items, shift=mean, threads=threads)
    # Each axis in units of its own spread: rank is judged by directions, not by how large an axis was made.
    deviation = row_norms(np.ascontiguousarray(triangle.T)) / np.sqrt(len(items))
    constant = deviation <= 1e-12 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    unit = np.where(constant, 1.0, deviation)
    _, values, vectors = np.linalg.svd(triangle / unit, full_matrices=False)
    kept = values > RANK_TOLERANCE * max(float(values[0]), np.finfo(float).tiny)
    rank = int(kept.sum())
    if rank == 0:
        return ScoreCorr(np.zeros((len(items), 1), np.float32), 0, 1.0)
    axes, spread = vectors[kept].T, values[kept] / np.sqrt(len(items))
    white = np.concatenate([normalized(((rows * unit) @ axes) * spread) for rows in row_blocks(queries)])
    covariance, shrinkage = _shrunk_covariance(white)
    weights, basis = np.linalg.eigh(covariance)
    to_cosine = (axes / spread) @ (basis * np.sqrt(np.maximum(weights, 0.0)))
    mapped = np.empty((len(items), rank), np.float32)
    step = block_rows(items.shape[1])
    for start in range(0, len(items), step):
        rows = (np.asarray(items[start : start + step], np.float64) - mean) / unit
        # Only directions matter under cosine: unit rows stay far from the edges of float32.
        mapped[start : start + step] = normalized(rows @ to_cosine)
    return ScoreCorr(mapped, rank, shrinkage)


def _shrunk_covariance(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    from sklearn.covariance import ledoit_wolf

    # Unit rows that don't vary beyond rounding: nothing is known, and the identity says so.
    if len(rows) < 2 or float(rows.var(axis=0).sum()) < 1e-12:
        return np.eye(rows.shape[1]), 1.0
    if rows.shape[1] == 1:
        return np.ones((1, 1)), 0.0
    covariance, shrinkage = ledoit_wolf(rows)
    return np.asarray(covariance), float(shrinkage)

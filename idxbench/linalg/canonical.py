"""Coordinates of a dot-product model that depend on its scores alone, and how far the given ones are from them.

Items B (n x d) and queries P (m x d) give the scores ``P B'``, and so do ``B G^-T`` and ``P G`` for every invertible
G. With ``B / sqrt(n) = Q_B R_B``, ``P / sqrt(m) = Q_P R_P`` and ``R_P R_B' = U L V'`` the items ``V L^t`` and the
queries ``U L^(1-t)`` have those scores too and don't depend on G. Neither a second moment nor an inverse is formed,
so errors grow with the condition number of the vectors, not with its square.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Singular values of the scores below this share of the largest are rounding of float32 vectors.
RANK_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Canonical:
    """Linear maps into canonical coordinates.

    Parameters
    ----------
    items, queries
        (d, r) float64: ``b @ items`` and ``q @ queries``.
    values
        (r,) singular values of the scores over ``sqrt(n m)``, descending: the second moment of the items is
        ``diag(values^(2 t))``, that of the queries ``diag(values^(2 - 2 t))``.
    rank
        How many there are: directions in which scores vary, beyond rounding. 0 for scores that are all 0; then
        the maps have one column of zeros.
    """

    items: NDArray[np.float64]
    queries: NDArray[np.float64]
    values: NDArray[np.float64]
    rank: int


def canonical(
    items: NDArray[np.float64], queries: NDArray[np.float64], t: float, tolerance: float = RANK_TOLERANCE
) -> Canonical:
    """Find the maps into canonical coordinates.

    Parameters
    ----------
    items, queries
        Triangular factors of the items over ``sqrt(n)`` and of the queries over ``sqrt(m)``: (., d) each.
    t
        Share of the spectrum that the items take: 0 makes their second moment the identity, 1/2 makes both moments
        equal, 1 makes that of the queries the identity.
    tolerance
        Singular values of the scores up to this share of the largest are dropped.
    """
    left, values, right = np.linalg.svd(queries @ items.T, full_matrices=False)
    kept = values > max(tolerance * float(values[0]), np.finfo(float).tiny)
    rank = int(kept.sum())
    if rank == 0:
        nothing = np.zeros((items.shape[1], 1))
        return Canonical(nothing, nothing, np.zeros(1), 0)
    left, values, right = left[:, kept], values[kept], right[kept]
    # B R_B^-1 V = B R_P' U L^-1: the factor of the other side stands for the inverse of one's own.
    to_items = (queries.T @ left) * values ** (t - 1.0)
    to_queries = (items.T @ right.T) * values**-t
    return Canonical(to_items, to_queries, values, rank)


def gauge_imbalance(items: NDArray[np.float64], queries: NDArray[np.float64]) -> float:
    """Return how far coordinates are from balanced, in decades.

    The standard deviation of ``log10(lambda) / 4`` over the eigenvalues lambda of the pencil of both second moments:
    0 where they are equal up to a factor. One axis of d multiplied by f (and divided by it in the queries) adds about
    ``log10(f) / sqrt(d)``.

    Parameters
    ----------
    items, queries
        As of `canonical`; only directions in which scores vary count.
    """
    found = canonical(items, queries, 0.5)
    if found.rank < 2:
        return 0.0
    # What both sides look like in the given coordinates, restricted to the directions that scores see.
    root = np.sqrt(found.values)
    seen_items, seen_queries = found.queries * root, found.items * root
    basis, _ = np.linalg.qr(seen_items)
    ratio = np.linalg.solve((basis.T @ seen_queries).T, (basis.T @ seen_items).T)
    spectrum = np.linalg.svd(ratio, compute_uv=False)
    return float(np.std(np.log10(spectrum**2))) / 4

"""The leading part of a singular value decomposition, dense or sparse, the same on every call."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Up to here a matrix is made dense (80 MB) and LAPACK gives every digit: MovieLens small, 610 x 9,724, takes
# half a second. Above it ARPACK finds the leading part without a dense copy.
_DENSE_ENTRIES = 10_000_000


class Svd(NamedTuple):
    """``X = U diag(s) V'`` cut at a rank, from which any objective in any gauge follows at no further cost.

    Parameters
    ----------
    U
        (n, rank) float64.
    s
        (rank,) float64, descending; exactly 0 past the numerical rank.
    V
        (p, rank) float64.
    """

    U: NDArray[np.float64]
    s: NDArray[np.float64]
    V: NDArray[np.float64]


def truncated_svd(X: "NDArray[Any] | csr_array", rank: int) -> Svd:
    """Compute the leading part of ``X = U diag(s) V'``.

    Parameters
    ----------
    X
        (n, p), dense or sparse, any real type, finite.
    rank
        From 1 to min(n, p).

    Returns
    -------
    Svd
        In every column of V the entry largest in magnitude is positive (the first of those within 1e-6 of the
        largest, so that rounding does not flip a sign). Singular values at or below
        ``eps max(n, p) s_1`` are exactly 0.

    Raises
    ------
    DataError
        X is not a finite matrix of at least one row and column, or the rank is not possible.

    Notes
    -----
    Exact (LAPACK) when X has at most ten million entries or when more than a third of all
    dimensions are wanted, which is where ARPACK stops paying; otherwise ARPACK to machine precision
    from a fixed start. On the 20,000 x 1,000 simulation at rank 50 both take about 2.5 s on two cores, but
    LAPACK needs .5 GB for dense copies. ARPACK iterates on ``X'X``, yet the result comes from an SVD of
    ``X V``, so that leading values lose no digits (2e-15 there); ``test_arpack_agrees_with_lapack`` guards it.
    """
    X = X if isinstance(X, np.ndarray) else X.tocsr()
    _check_matrix(X, rank)
    n, p = X.shape
    if n * p <= _DENSE_ENTRIES or 3 * rank > min(n, p):
        dense = np.asarray(X if isinstance(X, np.ndarray) else X.toarray(), dtype=np.float64)
        U, s, Vt = np.linalg.svd(dense, full_matrices=False)
        U, s, V = U[:, :rank], s[:rank], Vt[:rank].T
    else:
        U, s, V = _arpack(X, rank)
    s = np.where(s <= np.finfo(np.float64).eps * max(n, p) * s[0], 0.0, s)
    magnitude = np.abs(V)
    pivot = np.argmax(magnitude >= (1.0 - 1e-6) * magnitude.max(axis=0), axis=0)
    sign = np.where(V[pivot, np.arange(rank)] < 0, -1.0, 1.0)
    return Svd(np.ascontiguousarray(U * sign), s, np.ascontiguousarray(V * sign))


def _arpack(X: "NDArray[Any] | csr_array", rank: int) -> Svd:
    from scipy.sparse.linalg import svds

    # A random start is orthogonal to no singular vector; a vector of ones may be, in centred data.
    start = np.random.default_rng(0).standard_normal(min(X.shape))
    U, s, Vt = svds(X.astype(np.float64, copy=False), k=rank, solver="arpack", v0=start)
    order = np.argsort(-s, kind="stable")
    return Svd(U[:, order], s[order], Vt[order].T)


def _check_matrix(X: "NDArray[Any] | csr_array", rank: int) -> None:
    where = "factorization: matrix"
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(Problem(where, "two dimensions, neither empty", f"shape {X.shape}"))
    entries = X if isinstance(X, np.ndarray) else X.data
    if not np.isfinite(entries).all():
        raise DataError(Problem(where, "finite numbers", "NaN or infinity", "remove or replace those entries"))
    if not entries.any():
        raise DataError(Problem(where, "an entry that is not zero", "zeros only"))
    n, p = X.shape
    if not 1 <= rank <= min(n, p):
        raise DataError(
            Problem(
                "factorization: rank",
                f"1 to {min(n, p):,}, the smaller side of the {n:,} x {p:,} matrix",
                f"{rank:,}",
            )
        )

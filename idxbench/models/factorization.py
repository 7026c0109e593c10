"""The two regularised matrix factorizations of Steck et al. (arXiv 2403.05440), in closed form."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats: TypeAlias = NDArray[np.float64]
Objective: TypeAlias = Literal[1, 2]
GaugeName: TypeAlias = Literal["d^(1/2)", "I", "d^(-1/2)", "s^(-1/2)"]

# Powers of (d, s) that each named D puts on the items and on the users. The scales are written out, and D
# is never inverted, so that a singular value of zero (d = 0) harms no named gauge.
_NAMED_GAUGES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "d^(1/2)": ((0.0, 0.0), (1.0, 1.0)),
    "I": ((0.5, 0.0), (0.5, 1.0)),
    "d^(-1/2)": ((1.0, 0.0), (0.0, 1.0)),
    "s^(-1/2)": ((0.5, 0.5), (0.5, 0.5)),
}
GAUGES: tuple[str, ...] = tuple(_NAMED_GAUGES)

# Up to here a matrix is made dense (80 MB) and LAPACK gives every digit: MovieLens small, 610 x 9,724, takes
# half a second. Above it ARPACK finds the leading part without a dense copy.
_DENSE_ENTRIES = 10_000_000
# A gauge beyond this condition number keeps fewer than four digits of the scores that D must not move.
_WORST_GAUGE_CONDITION = 1e12


@dataclass(frozen=True)
class Factorization:
    """Items and users whose dot products are the scores ``X A B'`` of a fitted model.

    Parameters
    ----------
    items
        (n_items, rank) float64, the rows of B.
    users
        (n_users, rank) float64, the rows of X A.
    singular_values
        (rank,) float64, those of X, descending; exactly zero past the numerical rank of X.
    objective
        1 (Eq. 5 of the paper) or 2 (Eq. 6).
    rank
        The number of dimensions asked for, which is the width of both factors.
    regularization
        The lambda it was fitted with.
    n_zero_dims
        How many of the dimensions are exactly zero on both sides: those past the numerical rank
        of X, and for objective 2 also those with ``s <= lambda``.
    """

    items: Floats
    users: Floats
    singular_values: Floats
    objective: Objective
    rank: int
    regularization: float = 0.0
    n_zero_dims: int = 0


def factorize(
    X: "NDArray[Any] | csr_array",
    rank: int,
    *,
    objective: Objective = 1,
    regularization: float,
    gauge: GaugeName | NDArray[Any] = "I",
) -> Factorization:
    """Fit the objective of the given number; see `product_regularized` and `factor_regularized`.

    Parameters
    ----------
    X
        (n_users, n_items), dense or sparse, finite.
    rank
        Dimensions to keep, from 1 to min(n_users, n_items).
    objective
        1 regularises the product A B', 2 each factor.
    regularization
        Lambda, zero or more.
    gauge
        The D of objective 1. Objective 2 has none to choose and takes only "I", no change.

    Raises
    ------
    DataError
        An unknown objective, another gauge than I with objective 2, or what the chosen objective refuses.
    """
    if objective == 1:
        return product_regularized(X, rank, regularization=regularization, gauge=gauge)
    if objective != 2:
        raise DataError(Problem("factorization: objective", "1 or 2", repr(objective)))
    if not (isinstance(gauge, str) and gauge == "I"):
        raise DataError(
            Problem(
                "factorization: gauge",
                "none (or I) with objective 2, which leaves only rotations free",
                repr(gauge) if isinstance(gauge, str) else "an array",
                "leave the gauge out, or use objective 1",
            )
        )
    return factor_regularized(X, rank, regularization=regularization)


def product_regularized(
    X: "NDArray[Any] | csr_array",
    rank: int,
    *,
    regularization: float,
    gauge: GaugeName | NDArray[Any] = "I",
) -> Factorization:
    """Minimise ``|X - X A B'|^2 + lambda |A B'|^2`` (objective 1, Eq. 5).

    With ``X = U diag(s) V'`` cut at the rank and ``d = 1 / (1 + lambda / s^2)``:
    ``items = V d^(1/2) D^-T`` and ``users = U s d^(1/2) D`` for every invertible D. All D reach the
    same loss and the same scores; the cosines differ, which is the paper's point.

    Parameters
    ----------
    X
        (n_users, n_items), dense or sparse, finite.
    rank
        Dimensions to keep, from 1 to min(n_users, n_items).
    regularization
        Lambda, zero or more.
    gauge
        D: one of `GAUGES`, (rank,) non-zero scales, or a (rank, rank) invertible matrix.

    Returns
    -------
    Factorization
        Float64 factors. Dimensions past the numerical rank of X are zero on both sides.

    Raises
    ------
    DataError
        X is no finite matrix, the rank is not possible, lambda is negative, or D is not invertible.

    Notes
    -----
    ``d^(1/2)`` makes the items orthonormal, ``d^(-1/2)`` leaves the users as ``U s``, and
    ``s^(-1/2)`` is the balanced gauge: equal second moments on both sides.
    """
    _check_regularization(regularization)
    U, s, V = truncated_svd(X, rank)
    # d as s^2 / (s^2 + lambda), which is the same and also has a value at s = 0; without lambda, d = 0 there too.
    square = np.square(s)
    d = np.divide(square, square + regularization, out=np.zeros_like(s), where=s > 0)
    alive = (s > 0).astype(np.float64)
    if isinstance(gauge, str):
        if gauge not in _NAMED_GAUGES:
            raise DataError(Problem("factorization: gauge", f"one of {', '.join(GAUGES)}, or an array", repr(gauge)))
        (item_d, item_s), (user_d, user_s) = _NAMED_GAUGES[gauge]
        items = V * (d**item_d * s**item_s * alive)
        users = U * (d**user_d * s**user_s * alive)
    else:
        items, users = _apply_gauge(V * np.sqrt(d), U * (s * np.sqrt(d)), gauge)
    n_zero = int(np.sum(s == 0))
    return Factorization(items, users, s, 1, rank, regularization, n_zero)


def factor_regularized(X: "NDArray[Any] | csr_array", rank: int, *, regularization: float) -> Factorization:
    """Minimise ``|X - X A B'|^2 + lambda (|X A|^2 + |B|^2)`` (objective 2, Eq. 6).

    With ``X = U diag(s) V'`` cut at the rank and ``r = sqrt(s (1 - lambda / s)_+)``:
    ``items = V r`` and ``users = U r``. Only rotations are free, and both sides have the same
    second moment ``diag(r^2)``.

    Parameters
    ----------
    X
        (n_users, n_items), dense or sparse, finite.
    rank
        Dimensions to keep, from 1 to min(n_users, n_items).
    regularization
        Lambda, zero or more. Dimensions with ``s <= lambda`` are exactly zero; they are kept, so
        that the width is the one asked for, and counted in ``n_zero_dims``.

    Returns
    -------
    Factorization
        Float64 factors.

    Raises
    ------
    DataError
        X is no finite matrix, the rank is not possible, or lambda is negative.
    """
    _check_regularization(regularization)
    U, s, V = truncated_svd(X, rank)
    # s (1 - lambda / s) is s - lambda, which has no division and is exact where the two are close (Sterbenz).
    r = np.sqrt(np.maximum(s - regularization, 0.0))
    return Factorization(V * r, U * r, s, 2, rank, regularization, int(np.sum(r == 0)))


def truncated_svd(X: "NDArray[Any] | csr_array", rank: int) -> tuple[Floats, Floats, Floats]:
    """Compute the leading part of ``X = U diag(s) V'``.

    Parameters
    ----------
    X
        (n, p), dense or sparse, any real type, finite.
    rank
        From 1 to min(n, p).

    Returns
    -------
    tuple
        U (n, rank), s (rank,) descending, V (p, rank), all float64. In every column of V the entry
        largest in magnitude is positive (the first of those within 1e-6 of the largest, so that
        rounding does not flip a sign). Singular values at or below ``eps max(n, p) s_1`` are exactly 0.

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
    return np.ascontiguousarray(U * sign), s, np.ascontiguousarray(V * sign)


def _arpack(X: "NDArray[Any] | csr_array", rank: int) -> tuple[Floats, Floats, Floats]:
    from scipy.sparse.linalg import svds

    # A random start is orthogonal to no singular vector; a vector of ones may be, in centred data.
    start = np.random.default_rng(0).standard_normal(min(X.shape))
    U, s, Vt = svds(X.astype(np.float64), k=rank, solver="arpack", v0=start)
    order = np.argsort(-s, kind="stable")
    return U[:, order], s[order], Vt[order].T


def _apply_gauge(items: Floats, users: Floats, gauge: NDArray[Any]) -> tuple[Floats, Floats]:
    rank = items.shape[1]
    D = np.asarray(gauge, dtype=np.float64)
    where = "factorization: gauge"
    if D.shape not in ((rank,), (rank, rank)):
        raise DataError(Problem(where, f"shape ({rank},) or ({rank}, {rank})", f"shape {D.shape}"))
    if not np.isfinite(D).all():
        raise DataError(Problem(where, "finite numbers", "NaN or infinity"))
    if D.ndim == 1:
        if (D == 0).any():
            raise DataError(Problem(where, "non-zero scales", "a zero"))
        return items / D, users * D
    condition = np.linalg.cond(D)
    if not condition < _WORST_GAUGE_CONDITION:
        raise DataError(Problem(where, f"a condition number below {_WORST_GAUGE_CONDITION:.0e}", f"{condition:.1e}"))
    # B' = D^-1 d^(1/2) V', so B itself takes the transposed inverse.
    return np.ascontiguousarray(np.linalg.solve(D, items.T).T), users @ D


def _check_regularization(regularization: float) -> None:
    if not (np.isfinite(regularization) and regularization >= 0):
        raise DataError(Problem("factorization: regularization", "a finite number, zero or more", repr(regularization)))


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

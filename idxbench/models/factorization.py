"""The two regularised matrix factorizations of Steck et al. (arXiv 2403.05440), in closed form."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem
from idxbench.models.svd import Svd, truncated_svd

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Matrix: TypeAlias = NDArray[Any] | csr_array | Svd

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
    X: "Matrix",
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
        (n_users, n_items), dense or sparse, finite; or its `Svd` at this rank, to fit several models to one matrix.
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
    X: "Matrix",
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
        As of `factorize`.
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
    U, s, V = _decomposed(X, rank)
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


def factor_regularized(X: "Matrix", rank: int, *, regularization: float) -> Factorization:
    """Minimise ``|X - X A B'|^2 + lambda (|X A|^2 + |B|^2)`` (objective 2, Eq. 6).

    With ``X = U diag(s) V'`` cut at the rank and ``r = sqrt(s (1 - lambda / s)_+)``:
    ``items = V r`` and ``users = U r``. Only rotations are free, and both sides have the same
    second moment ``diag(r^2)``.

    Parameters
    ----------
    X
        As of `factorize`.
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
    U, s, V = _decomposed(X, rank)
    # s (1 - lambda / s) is s - lambda, which has no division and is exact where the two are close (Sterbenz).
    r = np.sqrt(np.maximum(s - regularization, 0.0))
    return Factorization(V * r, U * r, s, 2, rank, regularization, int(np.sum(r == 0)))


def _decomposed(X: "Matrix", rank: int) -> Svd:
    if not isinstance(X, Svd):
        return truncated_svd(X, rank)
    if len(X.s) != rank:
        raise DataError(Problem("factorization: rank", f"{len(X.s)}, that of the decomposition", f"{rank}"))
    return X


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

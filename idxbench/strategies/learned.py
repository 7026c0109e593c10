"""``learned``: a similarity fitted on pairs, small enough to be believed (Migdal, "Don't use cosine similarity").

``cos_M(a, b)`` with ``M = V diag(m) V'``, V the principal axes of the items and m non-negative: one weight per axis.
The grade of a pair is regressed on the products of its two unit vectors, axis by axis, with a ridge penalty on how far
the weights differ from each other. Strong regularization leaves all weights alike, which is plain cosine; a full matrix
would have d^2 / 2 parameters, more than people ever grade pairs. The solution is in closed form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.config.transforms import Learned
from idxbench.data.pairs import Names, Pairs, pair_folds, read_names, read_pairs
from idxbench.data.rows import normalized
from idxbench.errors import DataError, Problem
from idxbench.linalg.canonical import RANK_TOLERANCE
from idxbench.pool import single_threaded_blas
from idxbench.strategies.transforms import FitContext, Linear, Mapped, treats_alike

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
# Random pairs per pair that is known to be alike, where there are no grades.
CONTRASTS = 4
# More pairs, or numbers of them, would take room and tell hardly more about one weight per axis.
MOST_PAIRS, MOST_NUMBERS = 1 << 16, 1 << 24
FEWEST_PAIRS = 10


@dataclass(frozen=True)
class _Graded:
    """Pairs as the regression sees them.

    Parameters
    ----------
    left, right
        (n, r) unit rows in principal axes.
    grades
        (n,) what their similarity should rank like.
    folds
        (n,) for the cross-validation.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    grades: NDArray[np.float64]
    folds: NDArray[np.int64]


def fit_learned(spec: Learned, context: FitContext) -> Linear:
    """Fit the weights, and choose the regularization by cross-validation where several are allowed.

    Raises
    ------
    DataError
        A file of pairs or names that is missing or broken, fewer than 10 pairs, grades that are all alike.
    """
    pairs = learned_pairs(spec, len(context.items))
    _, spread, vectors = np.linalg.svd(context.factor(context.items), full_matrices=False)
    kept = spread > max(RANK_TOLERANCE * float(spread[0]), np.finfo(float).tiny)
    kept[len(kept) if spec.rank is None else spec.rank :] = False
    axes = vectors[kept].T
    if axes.shape[1] == 0:
        nothing = np.zeros((context.n_dims, 1))
        return Linear(nothing, nothing, facts={"axes": 0})
    graded = _graded(spec, pairs, context.items, axes)
    strengths = STRENGTHS if spec.regularization == "auto" else spec.regularization
    # Matrices of pairs are small: threads of BLAS would wait for each other longer than they work.
    with single_threaded_blas():
        strength = strengths[0] if len(strengths) == 1 else _best_strength(graded, strengths)
        (weights,) = fit_weights(graded.left * graded.right, graded.grades, [strength])
    used = weights > 0
    roots = np.sqrt(weights[used])
    into = axes[:, used] * roots
    facts = {"axes": int(used.sum()), "pairs": len(pairs.left), "regularization": strength}
    return Linear(into, into if treats_alike(spec.queries, context) else axes[:, used] / roots, facts=facts)


def learned_pairs(spec: Learned, n_items: int) -> Pairs:
    """Read the pairs a transform is fitted on.

    Raises
    ------
    DataError
        As of `fit_learned`.
    """
    names = Names(None, n_items)
    if spec.names is not None:
        names = read_names(spec.names.path, n_items, key=spec.names.key)
    pairs = read_pairs(spec.pairs, names)
    if len(pairs.left) < FEWEST_PAIRS:
        raise DataError(Problem(str(spec.pairs), f"at least {FEWEST_PAIRS} pairs to learn from", f"{len(pairs.left)}"))
    if pairs.grades is not None and np.ptp(pairs.grades) == 0:
        raise DataError(
            Problem(str(spec.pairs), "grades that differ", "one grade for all", "drop the column: pairs need no grades")
        )
    return pairs


def _graded(spec: Learned, pairs: Pairs, items: Mapped, axes: NDArray[np.float64]) -> _Graded:
    rng = np.random.default_rng(spec.seed)
    per_pair = axes.shape[1] * (1 if pairs.grades is not None else 1 + CONTRASTS)
    most = max(FEWEST_PAIRS, min(MOST_PAIRS, MOST_NUMBERS // per_pair))
    if len(pairs.left) > most:
        pairs = pairs.take(np.sort(rng.choice(len(pairs.left), most, replace=False)))
    if pairs.grades is None:
        n = len(pairs.left)
        one, other = rng.integers(0, len(items), (2, CONTRASTS * n))
        grades = np.repeat([1.0, 0.0], [n, CONTRASTS * n])
        left, right = np.concatenate([pairs.left, one]), np.concatenate([pairs.right, other])
        pairs = Pairs(left, right, grades, (), 0)
    grades = np.zeros(0) if pairs.grades is None else pairs.grades
    folds = pair_folds(pairs, len(items), spec.folds, spec.seed)
    return _Graded(_units(items, pairs.left, axes), _units(items, pairs.right, axes), grades, folds)


def _units(items: Mapped, ids: NDArray[np.int64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.asarray(items.vectors[ids], np.float64)
    return normalized((rows if items.function is None else items.function(rows)) @ axes)


def _best_strength(graded: _Graded, strengths: tuple[float, ...]) -> float:
    """Return the strength whose similarity of pairs left out ranks most like their grades; of equals the largest."""
    from scipy.stats import rankdata

    descending = sorted(strengths, reverse=True)
    products, wanted = graded.left * graded.right, rankdata(graded.grades)
    scores = np.zeros((len(descending), len(wanted)))
    for fold in np.unique(graded.folds):
        out = graded.folds == fold
        for row, weights in zip(scores, fit_weights(products[~out], graded.grades[~out], descending), strict=True):
            row[out] = weighted_cosine(graded.left[out], graded.right[out], weights)
    reached = []
    for row in scores:
        ranks = rankdata(row)
        varied = ranks.std() * wanted.std()
        reached.append(float(np.mean((ranks - ranks.mean()) * (wanted - wanted.mean()))) / varied if varied else 0.0)
    return descending[int(np.argmax(reached))]


def fit_weights(
    products: NDArray[np.float64], grades: NDArray[np.float64], strengths: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Return, for each strength, one non-negative weight per axis, of mean 1.

    They minimise ``|g - c - F m|^2 + strength n v |m - mean(m)|^2`` over m and c, where v is the mean variance of the
    columns of F, so that no unit of vectors or grades changes them. With ``m = s + W d``, the columns of W orthonormal
    and of mean 0, that is plain ridge in d once the cosine ``F 1`` is regressed out, and one singular value
    decomposition serves all strengths. Weights below 0, which no similarity may have, become 0: on WordSim-353,
    SimLex-999 and sections of sentence embeddings non-negative least squares (SciPy's NNLS) ranked pairs left out
    alike (Spearman within .004 at each strength) and took up to 30 s for 384 axes.

    Parameters
    ----------
    products
        (n, r) F: products of the two unit vectors of each pair, axis by axis.
    grades
        (n,) g.
    strengths
        Each above 0.

    Returns
    -------
    One (r,) per strength; all 1 where the pairs say nothing, or the opposite of what cosine says.
    """
    r = products.shape[1]
    centered, wanted = products - products.mean(axis=0), grades - grades.mean()
    cosine = centered.sum(axis=1)
    size = float(cosine @ cosine)
    variation = float((centered**2).sum()) / r
    if r == 1 or size <= 1e-20 * variation or variation == 0.0:
        return [np.ones(r) for _ in strengths]
    basis = _apart(r)
    moved = centered @ basis
    # Pairs outnumber axes: their triangular factor, the grades in its last column, says the same in far less room.
    rest = moved - np.outer(cosine, cosine @ moved) / size
    triangle = np.asarray(np.linalg.qr(np.column_stack([rest, wanted]), mode="r"))
    left, values, right = np.linalg.svd(triangle[:, :-1], full_matrices=False)
    found = []
    for strength in strengths:
        apart = right.T @ (values / (values**2 + strength * variation) * (left.T @ triangle[:, -1]))
        common = float(cosine @ (wanted - moved @ apart)) / size
        weights = np.maximum(common + basis @ apart, 0.0)
        found.append(weights / weights.mean() if common > 0 else np.ones(r))
    return found


def _apart(r: int) -> NDArray[np.float64]:
    """Return (r, r - 1) orthonormal columns of mean 0."""
    full, _ = np.linalg.qr(np.column_stack([np.ones(r), np.eye(r)[:, 1:]]))
    return np.asarray(full[:, 1:])


def weighted_cosine(
    left: NDArray[np.float64], right: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows under ``diag(weights)``; 0 for a row that weighs nothing."""
    roots = np.sqrt(weights)
    return np.asarray((normalized(left * roots) * normalized(right * roots)).sum(axis=1))

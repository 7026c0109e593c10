"""What two trainings of one model share: their scores, their shapes, their norms; and the record of it all."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.joined import Joined
from idxbench.data.rows import block_rows, row_norms
from idxbench.errors import DataError, Problem
from idxbench.linalg.norms import norms
from idxbench.records import Measurement, Notice

Floats = NDArray[np.float64]

# Rows that a rotation is fitted to: it has d (d - 1) / 2 angles, and more rows than this tell nothing new.
FITTED_ROWS = 20_000
# Scores of a query that vary by less than this share of their size vary by rounding.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Compared:
    """Two trainings side by side.

    Parameters
    ----------
    base, new
        The files of their items, as given.
    trained_with, towers
        As declared: ``dot``, ``cosine``, ``l2`` or ``unknown``; 1 or 2.
    invariant
        Strategy and similarity of the space that training determines: ``score_corr`` by cosine, or ``raw`` by what
        the model was trained with. None where it takes queries and there are none.
    k, n_clusters
        Depth of neighbour lists, and number of clusters.
    items, queries
        How rows were joined; None without queries.
    n_dims
        Widths of both.
    rows
        The figures: ``task`` is ``trainings``; ``reference`` is ``base`` where new is measured against base, else
        ``floor`` (what noise alone shows), ``floor of base``, ``floor of new``, ``chance``, or empty.
    notices
        What the reader must know.
    """

    base: str
    new: str
    trained_with: str
    towers: int
    invariant: tuple[str, str] | None
    k: int
    n_clusters: int
    items: Joined
    queries: Joined | None
    n_dims: tuple[int, int]
    rows: tuple[Measurement, ...]
    notices: tuple[Notice, ...]

    def of(self, metric: str, strategy: str = "", similarity: str = "", reference: str = "base") -> Measurement | None:
        """Return the figure of that name and place, or None."""
        wanted = (metric, strategy, similarity, reference)
        for row in self.rows:
            if (row.metric, row.strategy, row.similarity, row.reference) == wanted:
                return row
        return None

    def value(self, metric: str, strategy: str = "", similarity: str = "", reference: str = "base") -> float:
        """Return the value of a figure; NaN where there is none."""
        row = self.of(metric, strategy, similarity, reference)
        return math.nan if row is None else row.value


@dataclass(frozen=True)
class ScoreDrift:
    """How the scores of the same queries and items changed, query by query; NaN where scores are all alike.

    Parameters
    ----------
    pearson, spearman
        (q,) correlations in [-1, 1], to seven digits: scores are float32, and the rest is their rounding.
    change
        (q,) root mean square of the changes over the standard deviation of the scores before; 0 or more.
    """

    pearson: Floats
    spearman: Floats
    change: Floats


@dataclass(frozen=True)
class Procrustes:
    """How much of a change is a rotation, a factor and a shift.

    Parameters
    ----------
    residual
        Share of the squared length of the new rows, about their mean, that no rotation and factor of the base rows
        explains, in [0, 1]: 0 for equal shapes.
    chance
        The same with the new rows in random order.
    scale
        The factor.
    shift
        How far the mean of the new rows is from where the rotation and the factor put that of the base rows, over
        the root mean square of the norms of the new rows.
    n
        How many rows were fitted.
    """

    residual: float
    chance: float
    scale: float
    shift: float
    n: int


def score_drift(before: NDArray[Any], after: NDArray[Any]) -> ScoreDrift:
    """Compare scores of the same pairs.

    Parameters
    ----------
    before, after
        (q, m) finite scores of the same queries and items; m at least 2 for a correlation.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"scores of shapes {before.shape} and {after.shape}")
    from scipy.stats import rankdata

    one, two = (np.asarray(scores, np.float64) for scores in (before, after))
    pearson = _row_correlations(one, two)
    spearman = _row_correlations(rankdata(one, axis=1), rankdata(two, axis=1))
    # Where scores are all alike to rounding, so are their ranks, which rounding alone would order.
    spearman[np.isnan(pearson)] = np.nan
    spread = _deviation(one)[1]
    change = np.full(len(one), np.nan)
    np.divide(np.sqrt(np.mean((two - one) ** 2, axis=1)), spread, out=change, where=spread > 0)
    return ScoreDrift(pearson, spearman, change)


def procrustes(base: NDArray[Any], new: NDArray[Any], seed: int = 0) -> Procrustes:
    """Fit the rotation, factor and shift that take base rows closest to new ones (orthogonal Procrustes).

    Parameters
    ----------
    base, new
        (n, d) and (n, e) finite numbers, row i of one standing for row i of the other. The narrower gets columns of
        zeros. Of more than 20,000 rows a sample is taken.
    seed
        Of the sample, and of the order of rows for chance.

    Returns
    -------
    Procrustes
        Residual, chance and scale are NaN where the rows of a side are all alike, or fewer than 3.

    Raises
    ------
    ValueError
        The numbers of rows differ.
    """
    if len(base) != len(new):
        raise ValueError(f"{len(base)} rows against {len(new)}")
    rng = np.random.default_rng(seed)
    rows = np.arange(len(base))
    if len(base) > FITTED_ROWS:
        rows = np.sort(rng.choice(len(base), FITTED_ROWS, replace=False))
    width = max(base.shape[1], new.shape[1])
    (one, unit), (two, new_unit) = (_padded(side[rows], width) for side in (base, new))
    size = float((two**2).sum())
    centers = one.mean(axis=0), two.mean(axis=0)
    a, b = one - centers[0], two - centers[1]
    if len(rows) < 3 or np.abs(a).max() <= CONSTANT or np.abs(b).max() <= CONSTANT:
        return Procrustes(math.nan, math.nan, math.nan, math.nan, len(rows))
    residual, scale, rotation = _fit(a, b)
    chance, _, _ = _fit(a, b[rng.permutation(len(b))])
    shift = float(np.linalg.norm(centers[1] - scale * (centers[0] @ rotation))) / math.sqrt(size / len(rows))
    return Procrustes(residual, chance, scale * new_unit / unit, shift, len(rows))


def vector_change(base: NDArray[Any], new: NDArray[Any]) -> float:
    """Return the squared length of the differences of all rows, as they are, over that of the new rows.

    0 for equal vectors; NaN where all new rows are zero. Missing columns count as zeros.
    """
    apart = size = 0.0
    width = max(base.shape[1], new.shape[1])
    step = block_rows(width)
    for start in range(0, len(base), step):
        sides = []
        for side in (base, new):
            rows = np.zeros((len(side[start : start + step]), width))
            rows[:, : side.shape[1]] = side[start : start + step]
            sides.append(rows)
        apart += float(((sides[1] - sides[0]) ** 2).sum())
        size += float((sides[1] ** 2).sum())
    return apart / size if size > 0 else math.nan


def norm_correlation(base: NDArray[Any], new: NDArray[Any], *, threads: int | None = None) -> float:
    """Return the rank correlation (Spearman) of the norms of the same rows; NaN where the norms of a side are alike.

    Alike means to six digits: unit vectors in float32 have norms that differ by rounding.
    """
    lengths = [norms(side, threads=threads) for side in (base, new)]
    if any(np.ptp(length) <= 1e-6 * length.max() for length in lengths):
        return math.nan
    return float(score_drift(lengths[0][None], lengths[1][None]).spearman[0])


def _deviation(scores: Floats) -> tuple[Floats, Floats]:
    """Return the rows about their means, and their standard deviations, 0 where they are rounding."""
    centered = scores - scores.mean(axis=1, keepdims=True)
    spread = row_norms(centered) / math.sqrt(max(scores.shape[1], 1))
    return centered, np.where(spread <= CONSTANT * np.abs(scores).max(axis=1, initial=0.0), 0.0, spread)


def _row_correlations(one: Floats, two: Floats) -> Floats:
    (a, spread_a), (b, spread_b) = _deviation(one), _deviation(two)
    found = np.full(len(one), np.nan)
    varies = (spread_a > 0) & (spread_b > 0)
    a, b = a[varies] / spread_a[varies, None], b[varies] / spread_b[varies, None]
    found[varies] = np.clip(np.round(np.einsum("ij,ij->i", a, b) / one.shape[1], 7), -1.0, 1.0)
    return found


def _padded(rows: NDArray[Any], width: int) -> tuple[Floats, float]:
    """Return rows with columns of zeros, in units of their largest number, and that unit: squares stay in float64."""
    out = np.zeros((len(rows), width))
    out[:, : rows.shape[1]] = rows
    unit = float(np.abs(out).max()) or 1.0
    if not math.isfinite(unit):
        raise DataError(Problem("items", "finite numbers", "NaN or infinity"))
    return out / unit, unit


def _fit(a: Floats, b: Floats) -> tuple[float, float, Floats]:
    """Return the residual share, the factor and the rotation that take centred rows a to b."""
    from scipy.linalg import orthogonal_procrustes

    size_a, size_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    rotation, cosine = orthogonal_procrustes(a / size_a, b / size_b)
    # Not 1 - cosine ** 2, which rounding leaves at 1e-16 where the difference itself says 1e-30.
    left = cosine * ((a / size_a) @ rotation) - b / size_b
    return min(float((left**2).sum()), 1.0), float(cosine) * size_b / size_a, np.asarray(rotation)

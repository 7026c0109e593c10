"""How far clusterings agree, corrected for chance, and how far they drift beyond their own noise."""

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import UNLABELED

# Below this agreement between seeds, a clustering does not repeat itself well enough to be compared.
MEASURABLE_FLOOR = 0.3
# A contingency table with more cells than this per row is counted by sorting, not by position.
_CELLS_PER_ROW = 4


def compared_rows(a: NDArray[Any], b: NDArray[Any]) -> int:
    """Count the rows that `ari`, `ami` and `moved_share` compare: those that are not -1 on either side."""
    return len(_assigned(a, b)[0])


def ari(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the adjusted Rand index of two assignments (Hubert and Arabie 1985).

    ``(S_ab - S_a S_b / N) / ((S_a + S_b) / 2 - S_a S_b / N)`` where S counts the pairs of rows that share a
    cell of the contingency table, a cluster of a, a cluster of b, and N counts all pairs.

    Parameters
    ----------
    a, b
        (n,) integer codes, 0 or more, or ``UNLABELED`` (-1). Names of clusters do not matter.

    Returns
    -------
    float
        At most 1, about 0 by chance; NaN when no row is left. Rows that are -1 on either side are left
        out (`compared_rows` counts the others): an item without a label says nothing about a cluster,
        and -1 is no class of its own. When both sides put all rows in one cluster, or every row in its
        own, the value is 1, as in scikit-learn.

    Raises
    ------
    ValueError
        The lengths differ, or a code is below -1.

    Notes
    -----
    The same number as `sklearn.metrics.adjusted_rand_score`, which sorts the codes on each call: .1 s for
    a million rows, against .007 s for counting cells by position, and there are dozens of pairs.
    """
    a, b = _assigned(a, b)
    n = len(a)
    if n == 0:
        return math.nan
    # Python integers: at a million rows the product of two pair counts does not fit 64 bits.
    same_both = _pairs(_cell_counts(a, b))
    same_a, same_b, pairs = _pairs(np.bincount(a)), _pairs(np.bincount(b)), n * (n - 1) // 2
    top = same_both * pairs - same_a * same_b
    bottom = (same_a + same_b) * pairs - 2 * same_a * same_b
    return 2 * top / bottom if bottom else 1.0


def ami(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the adjusted mutual information of two assignments (arithmetic mean), by scikit-learn.

    Parameters
    ----------
    a, b
        (n,) integer codes, 0 or more, or ``UNLABELED`` (-1), which is left out as in `ari`.

    Returns
    -------
    float
        At most 1, about 0 by chance; NaN when no row is left.

    Raises
    ------
    ValueError
        The lengths differ, or a code is below -1.

    Notes
    -----
    The expected information under chance makes it slow where clusters are many: at a million rows 2 s for
    50 clusters, 36 s for 1,000. Take `ari` there.
    """
    a, b = _assigned(a, b)
    if len(a) == 0:
        return math.nan
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(a, b))


def pairwise_ari(assignments: NDArray[Any]) -> list[float]:
    """ARI of every pair of seeds of one strategy: the floor below which nothing can be told.

    Parameters
    ----------
    assignments
        (n_seeds, n) codes.

    Returns
    -------
    list[float]
        ``n_seeds (n_seeds - 1) / 2`` values, in the order (0, 1), (0, 2), ..., (1, 2), ...
    """
    return [ari(one, other) for one, other in combinations(assignments, 2)]


def cross_ari(assignments_a: NDArray[Any], assignments_b: NDArray[Any]) -> float:
    """Mean ARI over all pairs of one seed of a and one of b.

    All pairs, equal seeds included: seeds share their starting items, which is no reason to leave them out,
    and their number is the same on the scale of the floors.

    Parameters
    ----------
    assignments_a, assignments_b
        (n_seeds_a, n) and (n_seeds_b, n) codes.

    Returns
    -------
    float
        At most 1; NaN when either side has no seed.
    """
    values = [ari(one, other) for one, other in product(assignments_a, assignments_b)]
    return float(np.mean(values)) if values else math.nan


def drift(cross: float, floor_a: float, floor_b: float) -> float | None:
    """Return how far two clusterings differ beyond what seeds do: ``1 - cross / sqrt(floor_a floor_b)``.

    Parameters
    ----------
    cross
        Mean ARI across, from `cross_ari`.
    floor_a, floor_b
        Mean ARI between the seeds of either side, from `pairwise_ari`.

    Returns
    -------
    float | None
        In [0, 1]: 0 when across agrees as well as within, 1 when it agrees as chance does. None means
        "not measurable at this K": a floor is below ``MEASURABLE_FLOOR``, or a figure is NaN.
    """
    if math.isnan(cross) or not (floor_a >= MEASURABLE_FLOOR and floor_b >= MEASURABLE_FLOOR):
        return None
    return min(max(1.0 - cross / math.sqrt(floor_a * floor_b), 0.0), 1.0)


def moved_share(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Share of rows that change cluster under the best matching of cluster names (Hungarian).

    Parameters
    ----------
    a, b
        (n,) integer codes, 0 or more, or ``UNLABELED`` (-1), which is left out as in `ari`. The numbers
        of clusters may differ: rows of a cluster without a partner have moved.

    Returns
    -------
    float
        In [0, 1); NaN when no row is left. Not corrected for chance.

    Raises
    ------
    ValueError
        The lengths differ, or a code is below -1.
    """
    a, b = _assigned(a, b)
    if len(a) == 0:
        return math.nan
    from scipy.optimize import linear_sum_assignment

    width = int(b.max()) + 1
    table = np.bincount(a * width + b, minlength=(int(a.max()) + 1) * width).reshape(-1, width)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return 1.0 - int(table[rows, columns].sum()) / len(a)


def largest_cluster_share(a: NDArray[Any]) -> float:
    """Return the share of assigned rows in the largest cluster: near 1, the clustering collapsed.

    Parameters
    ----------
    a
        (n,) integer codes; -1 is left out.

    Returns
    -------
    float
        In (0, 1]; NaN when no row is left.
    """
    kept, _ = _assigned(a, a)
    return float(np.bincount(kept).max() / len(kept)) if len(kept) else math.nan


def mean_floor(values: Sequence[float]) -> float:
    """Return the mean of a list from `pairwise_ari`; NaN when there was only one seed."""
    return float(np.mean(values)) if len(values) else math.nan


def _assigned(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"assignments of shapes {a.shape} and {b.shape}")
    if a.size and min(a.min(), b.min()) < UNLABELED:
        raise ValueError(f"a code of {min(a.min(), b.min())}; codes start at 0, and -1 is unlabeled")
    keep = (a != UNLABELED) & (b != UNLABELED)
    if not keep.all():
        a, b = a[keep], b[keep]
    return a.astype(np.int64, copy=False), b.astype(np.int64, copy=False)


def _cell_counts(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the occupied cells of the contingency table; empty ones may or may not be among them."""
    width = int(b.max()) + 1
    cells = a * width + b
    if (int(a.max()) + 1) * width <= _CELLS_PER_ROW * len(a) + 1024:
        return np.bincount(cells)
    counts: NDArray[np.int64] = np.unique(cells, return_counts=True)[1]
    return counts


def _pairs(counts: NDArray[np.int64]) -> int:
    # At most n^2, which fits 64 bits up to three thousand million rows.
    return int(np.sum(counts * (counts - 1))) // 2

"""The simulated users and items of Section 4 of Steck et al. (arXiv 2403.05440)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Keys drawn at a time (32 MB); the draws are sequential, so the result does not depend on it.
_BLOCK_KEYS = 4_000_000
# What `simulate` takes beside its seed.
SIMULATION_KEYS = (
    "n_users",
    "n_items",
    "n_clusters",
    "beta_range",
    "dirichlet_alpha",
    "count_exponent",
    "cluster_shares",
    "normalize_popularity",
    "max_count",
)


@dataclass(frozen=True)
class Simulation:
    """Who took what, and the cluster that is behind it.

    Parameters
    ----------
    interactions
        (n_users, n_items) sparse CSR of float64 ones, column indices sorted in each row.
    item_clusters
        (n_items,) int64, from 0 to n_clusters - 1; a cluster may be empty when items are few.
    """

    interactions: "csr_array"
    item_clusters: NDArray[np.int64]


def simulate(
    n_users: int = 20_000,
    n_items: int = 1_000,
    n_clusters: int = 5,
    *,
    seed: int = 0,
    beta_range: tuple[float, float] = (0.25, 1.5),
    dirichlet_alpha: float = 1.0,
    count_exponent: float = 0.5,
    cluster_shares: Sequence[float] | None = None,
    normalize_popularity: bool = False,
    max_count: int | None = None,
) -> Simulation:
    """Draw users who prefer clusters and, inside a cluster, popular items.

    An item's cluster is uniform unless shares are given; its popularity is ``rank^-beta_c``, its rank in
    the cluster being random and ``beta_c`` uniform in ``beta_range`` (unless popularities are normalised
    per cluster, a flat cluster is also a popular one). User u has preferences ``theta_u ~ Dirichlet(alpha)`` and
    takes ``k_u`` items, ``P(k) ~ k^-count_exponent`` on 1..max_count, without replacement, with weights
    ``theta_u[c_i] popularity_i``. The paper leaves all but the sizes open; these are the choices made here.

    Parameters
    ----------
    n_users, n_items, n_clusters
        One or more each.
    seed
        Zero or more. Items, preferences and choices have streams of their own: the items stay the
        same when the number of users changes.
    beta_range
        Smallest and largest exponent of popularity, in this order.
    dirichlet_alpha
        Above 0; small values make users love a single cluster.
    count_exponent
        Any finite number; larger means more users with few items.
    cluster_shares
        (n_clusters,) probabilities of the clusters up to a factor, none negative; None for all alike.
    normalize_popularity
        Divide the popularities of each cluster by their sum: all clusters are then as popular as each other.
    max_count
        Most items of a user, from 1 to n_items; None for n_items.

    Returns
    -------
    Simulation
        Every user has at least one item; an item may have no user.

    Raises
    ------
    DataError
        A parameter is out of its range.

    Notes
    -----
    Sampling without replacement in proportion to weights is the Gumbel top-k trick: the k largest
    of ``log w + Gumbel``. A Gumbel variable is minus the log of an exponential one, so the k smallest
    of ``E / w`` are the same items and no logarithm is taken. Cost: one exponential per user and item,
    .3 to 1 s at the defaults; memory: 32 MB blocks beside the result.
    """
    _check(n_users, n_items, n_clusters, seed, beta_range, dirichlet_alpha, count_exponent)
    shares = _checked_shares(cluster_shares, n_clusters)
    most = _checked_count(max_count, n_items)
    item_stream, user_stream, choice_stream = np.random.SeedSequence(seed).spawn(3)
    rng = np.random.default_rng(item_stream)
    clusters, popularity = _draw_items(n_items, n_clusters, beta_range, shares, rng)
    if normalize_popularity:
        popularity /= np.bincount(clusters, popularity, minlength=n_clusters)[clusters]
    rng = np.random.default_rng(user_stream)
    preferences = rng.dirichlet(np.full(n_clusters, dirichlet_alpha), size=n_users)
    # A small alpha rounds preferences to zero; such items still come last, but in a random order.
    preferences = np.maximum(preferences, 1e-300)
    log_probability = -count_exponent * np.log(np.arange(1, most + 1))
    probability = np.exp(log_probability - log_probability.max())
    counts = 1 + rng.choice(most, size=n_users, p=probability / probability.sum())

    rng = np.random.default_rng(choice_stream)
    block = max(1, _BLOCK_KEYS // n_items)
    columns = [
        _choose(preferences[start : start + block], counts[start : start + block], clusters, popularity, rng)
        for start in range(0, n_users, block)
    ]
    return Simulation(_binary_csr(counts, np.concatenate(columns), (n_users, n_items)), clusters)


def _draw_items(
    n_items: int,
    n_clusters: int,
    beta_range: tuple[float, float],
    shares: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if shares is None:
        clusters = rng.integers(0, n_clusters, size=n_items)
    else:
        clusters = rng.choice(n_clusters, size=n_items, p=shares)
    betas = rng.uniform(*beta_range, size=n_clusters)
    popularity = np.empty(n_items)
    for cluster in range(n_clusters):
        members = np.flatnonzero(clusters == cluster)
        # Ranks at random, not by id: otherwise every tie broken by id would favour popular items.
        popularity[members] = (1.0 + rng.permutation(members.size)) ** -betas[cluster]
    return clusters, popularity


def _choose(
    preferences: NDArray[np.float64],
    counts: NDArray[np.int64],
    clusters: NDArray[np.int64],
    popularity: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Return the column indices of the chosen items, row after row, ascending in each row."""
    keys = rng.standard_exponential(size=(len(preferences), len(clusters)))
    keys /= popularity
    keys /= preferences[:, clusters]
    # Sorting values and comparing beats argsort three to one, and leaves the columns in order.
    threshold = np.take_along_axis(np.sort(keys, axis=1), counts[:, None] - 1, axis=1)
    return np.nonzero(keys <= threshold)[1].astype(np.int32)


def _binary_csr(counts: NDArray[np.int64], columns: NDArray[np.int32], shape: tuple[int, int]) -> "csr_array":
    from scipy.sparse import csr_array

    # SciPy widens the columns to the type of the row starts, so these are narrow where they can be.
    index_type = np.int32 if len(columns) <= np.iinfo(np.int32).max else np.int64
    row_starts = np.concatenate([[0], np.cumsum(counts)]).astype(index_type)
    return csr_array((np.ones(len(columns)), columns, row_starts), shape=shape)


def _check(
    n_users: int,
    n_items: int,
    n_clusters: int,
    seed: int,
    beta_range: tuple[float, float],
    dirichlet_alpha: float,
    count_exponent: float,
) -> None:
    problems = [
        Problem(f"simulation: {name}", f"{least} or more", repr(value))
        for name, value, least in (
            ("n_users", n_users, 1),
            ("n_items", n_items, 1),
            ("n_clusters", n_clusters, 1),
            ("seed", seed, 0),
        )
        if value < least
    ]
    low, high = beta_range
    if not (np.isfinite([low, high]).all() and low <= high):
        problems.append(Problem("simulation: beta_range", "two finite numbers, ascending", repr(beta_range)))
    if not (np.isfinite(dirichlet_alpha) and dirichlet_alpha > 0):
        problems.append(Problem("simulation: dirichlet_alpha", "a number above 0", repr(dirichlet_alpha)))
    if not np.isfinite(count_exponent):
        problems.append(Problem("simulation: count_exponent", "a finite number", repr(count_exponent)))
    if problems:
        raise DataError(problems)


def _checked_shares(shares: Sequence[float] | None, n_clusters: int) -> NDArray[np.float64] | None:
    if shares is None:
        return None
    given = np.asarray(shares, np.float64)
    fits = given.shape == (n_clusters,) and np.isfinite(given).all() and (given >= 0).all() and given.any()
    if not fits:
        expected = f"{n_clusters} finite numbers, none negative, not all 0"
        raise DataError(Problem("simulation: cluster_shares", expected, repr(shares)))
    given = given / given.max()
    return np.asarray(given / given.sum())


def _checked_count(count: int | None, n_items: int) -> int:
    if count is not None and not 1 <= count <= n_items:
        raise DataError(Problem("simulation: max_count", f"1 to {n_items:,}, the number of items", repr(count)))
    return n_items if count is None else count

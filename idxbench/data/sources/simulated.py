"""Item and user factors fitted to the simulated interactions of Steck et al. (arXiv 2403.05440)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import Dataset, Labels
from idxbench.models.factorization import Factorization, GaugeName, Objective
from idxbench.models.fitting import ModelChoice, fit_models
from idxbench.models.preparation import PAPER_EXPONENT, Weighting
from idxbench.models.simulation import Simulation, simulate
from idxbench.records import Notice

# Section 4 of the paper, for 20,000 users and 1,000 items.
PAPER_REGULARIZATION: dict[int, float] = {1: 10_000.0, 2: 100.0}


def simulated(
    n_users: int = 20_000,
    n_items: int = 1_000,
    n_clusters: int = 5,
    *,
    beta_range: tuple[float, float] = (0.25, 1.5),
    dirichlet_alpha: float = 1.0,
    count_exponent: float = 0.5,
    cluster_shares: Sequence[float] | None = None,
    normalize_popularity: bool = False,
    max_count: int | None = None,
    objective: Objective = 1,
    rank: int = 50,
    regularization: float | None = None,
    gauge: GaugeName | NDArray[Any] = "I",
    weighting: Weighting = "none",
    popularity_exponent: float = PAPER_EXPONENT,
    standardize: bool = False,
    seed: int = 0,
) -> Dataset:
    """Simulate users with known item clusters and factorize what they took.

    Parameters
    ----------
    n_users, n_items, n_clusters, beta_range, dirichlet_alpha, count_exponent, cluster_shares, normalize_popularity, \
max_count, seed
        See `idxbench.models.simulation.simulate`.
    objective, rank, gauge
        See `idxbench.models.factorization.factorize`.
    regularization
        Lambda; None is the paper's, 10,000 for objective 1 and 100 for objective 2.
    weighting, popularity_exponent, standardize
        See `idxbench.models.preparation.prepare`.

    Returns
    -------
    Dataset
        Items and queries are the float32 item and user factors, labels the clusters behind the items.
        A notice says how many dimensions are exactly zero, if any.

    Raises
    ------
    DataError
        A parameter is out of its range, or the rank is above the smaller side.
    """
    simulation = simulate(
        n_users,
        n_items,
        n_clusters,
        seed=seed,
        beta_range=beta_range,
        dirichlet_alpha=dirichlet_alpha,
        count_exponent=count_exponent,
        cluster_shares=cluster_shares,
        normalize_popularity=normalize_popularity,
        max_count=max_count,
    )
    choice = ModelChoice(objective, rank, regularization, gauge, weighting, popularity_exponent, standardize)
    return next(simulated_models(simulation, n_clusters, (choice,)))


def simulated_models(simulation: Simulation, n_clusters: int, choices: Sequence[ModelChoice]) -> Iterator[Dataset]:
    """Yield what `simulated` makes of each choice, all fitted to one simulation."""
    n_users, n_items = simulation.interactions.shape
    labels = Labels(simulation.item_clusters, tuple(f"cluster {number}" for number in range(n_clusters)))
    for model in fit_models(simulation.interactions, choices, PAPER_REGULARIZATION):
        yield Dataset(
            f"simulated-{n_users}x{n_items}-objective{model.objective}",
            model.items.astype(np.float32),
            model.users.astype(np.float32),
            labels=labels,
            notices=zero_dims_notices(model),
        )


def zero_dims_notices(model: Factorization) -> tuple[Notice, ...]:
    """Tell of dimensions that the factorization left exactly zero; nothing to tell is an empty tuple."""
    if model.n_zero_dims == 0:
        return ()
    return (
        Notice(
            "zero-dimensions",
            f"{model.n_zero_dims} of the {model.rank} dimensions are exactly zero in items and queries: their "
            f"singular values are 0, or (objective 2) at most the regularization of {model.regularization:g}.",
            "They add nothing to any score: ask for a smaller rank or, with objective 2, for less regularization.",
        ),
    )

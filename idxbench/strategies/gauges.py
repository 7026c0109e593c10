"""Changes of coordinates that keep every score: ``canonical`` and ``balanced`` undo them, ``mixed`` makes one."""

import numpy as np

from idxbench.config.transforms import Balanced, Canonical, Mixed, Shifted
from idxbench.errors import DataError, Problem
from idxbench.linalg.canonical import canonical
from idxbench.strategies.transforms import FitContext, Linear, Mapped


def queries_of(context: FitContext, kind: str) -> Mapped:
    """Return the queries to fit on.

    Raises
    ------
    DataError
        There are none.
    """
    if context.queries is None:
        raise DataError(
            Problem(
                kind,
                "queries to fit it on",
                "items alone",
                "name data.queries; item_white and whitened need none",
            )
        )
    return context.queries


def fit_canonical(spec: Canonical | Balanced, context: FitContext) -> Linear:
    """Fit coordinates that depend on the scores alone, not on those the model came in.

    Raises
    ------
    DataError
        No queries.
    """
    queries = queries_of(context, spec.kind)
    found = canonical(context.factor(context.items), context.factor(queries), spec.t, spec.tolerance)
    return Linear(found.items, found.queries, facts={"rank": found.rank})


def fit_mixed(spec: Mixed, context: FitContext) -> Linear:
    """Fit a random change of coordinates: two random rotations with log-normal scales between them."""
    rng, n_dims = np.random.default_rng(spec.seed), context.n_dims
    left, right = (np.linalg.qr(rng.standard_normal((n_dims, n_dims)))[0] for _ in range(2))
    scales = np.exp(spec.sigma * rng.standard_normal(n_dims))
    return Linear((left * scales) @ right, (left / scales) @ right)


def fit_shifted(spec: Shifted, context: FitContext) -> Linear:
    """Fit a shift of all items by one random vector: every query keeps its ranking by dot."""
    rng, n_dims = np.random.default_rng(spec.seed), context.n_dims
    direction = rng.standard_normal(n_dims)
    # In units of the items: the root of their mean squared norm.
    size = float(np.sqrt((context.factor(context.items) ** 2).sum()))
    shift = spec.strength * size * direction / np.linalg.norm(direction)
    return Linear(np.eye(n_dims), np.eye(n_dims), -shift)

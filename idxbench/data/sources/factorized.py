"""Item and user factors fitted to a table of ratings."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import Dataset
from idxbench.data.sources.ratings import Ratings, read_ratings
from idxbench.data.sources.simulated import zero_dims_notices
from idxbench.errors import DataError, Problem
from idxbench.models.factorization import GaugeName, Objective
from idxbench.models.fitting import ModelChoice, fit_models
from idxbench.models.preparation import PAPER_EXPONENT, Weighting
from idxbench.records import Notice

Center = Literal["none", "global"]

# By objective and centring. Chosen on MovieLens small at rank 50 by recall@20 of a held-out fifth of the
# ratings of 4 and more; "d" and "s" as in models/factorization.py.
#   1, none:   0: .288   1,000: .304   3,000: .324   10,000: .334   30,000: .312   100,000: .279
#   2, none:   0: .288   20: .313   40: .330   50: .335   60: .328   80: .296   100: .269
#   1, global: 0: .204   100: .212   1,000: .239   10,000: .226
#   2, global: 0: .204   10: .227   20: .234   30: .194
# The paper's 100 for objective 2 belongs to its simulation; here it would leave 39 of 50 dimensions at zero.
DEFAULT_REGULARIZATION: dict[tuple[int, str], float] = {
    (1, "none"): 10_000.0,
    (2, "none"): 50.0,
    (1, "global"): 1_000.0,
    (2, "global"): 20.0,
}


def factorized(
    ratings: Path,
    *,
    objective: Objective = 1,
    rank: int = 50,
    regularization: float | None = None,
    gauge: GaugeName | NDArray[Any] = "I",
    center: Center = "none",
    weighting: Weighting = "none",
    popularity_exponent: float = PAPER_EXPONENT,
    standardize: bool = False,
) -> tuple[Dataset, NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Factorize the ratings matrix of a file, zeros standing for missing ratings.

    Parameters
    ----------
    ratings
        ``.npz`` or ``.csv``; see `idxbench.data.sources.ratings.read_ratings` for the columns.
    objective, rank, gauge
        See `idxbench.models.factorization.factorize`.
    regularization
        Lambda. None takes a value chosen on MovieLens small at rank 50: without centring 10,000 for objective 1 and
        50 for objective 2, with it 1,000 and 20. A good lambda grows with the singular values (with their
        square for objective 1), so a much smaller or larger table wants its own.
    center
        ``global`` subtracts the mean of all ratings from those there are, so that a missing rating stands
        for an average one and not for the worst. On MovieLens ``none`` retrieves better (recall@20 .334
        against .239): that a film was rated at all says more than by how much.
    weighting, popularity_exponent, standardize
        See `idxbench.models.preparation.prepare`; done after centring. The popularity of an item is the number
        of its ratings.

    Returns
    -------
    tuple
        The dataset, with float32 item factors as items and user factors as queries, and the distinct
        item and user ids, (n_items,) and (n_queries,) int64 in ascending order, to align tables
        indexed by the original ids; None where ids are text. An item that nobody rated is not in the
        table, and so not in the dataset.

    Raises
    ------
    DataError
        The file can't be read as ratings, the rank is above the number of users or items, every
        dimension is regularised away, or a parameter is out of its range.
    """
    if center not in ("none", "global"):
        raise DataError(Problem("factorized: center", "none or global", repr(center)))
    table = read_ratings(ratings)
    n_users, n_items = len(table.user_ids), len(table.item_ids)
    if rank > min(n_users, n_items):
        raise DataError(
            Problem(
                f"{ratings}: rank",
                f"at most {min(n_users, n_items):,}, with {n_users:,} users and {n_items:,} items",
                f"{rank:,}",
                "lower the rank",
            )
        )
    choice = ModelChoice(objective, rank, regularization, gauge, weighting, popularity_exponent, standardize)
    defaults = {number: strength for (number, way), strength in DEFAULT_REGULARIZATION.items() if way == center}
    model = next(fit_models(_matrix(table, center), (choice,), defaults))
    if model.n_zero_dims == rank:
        raise DataError(
            Problem(
                f"{ratings}: regularization",
                f"below the largest singular value, {model.singular_values[0]:.4g}",
                f"{model.regularization:g}, which leaves every dimension at zero",
                "lower the regularization",
            )
        )
    dataset = Dataset(
        f"{ratings.stem}-objective{objective}",
        model.items.astype(np.float32),
        model.users.astype(np.float32),
        notices=(*_duplicate_notices(table), *zero_dims_notices(model)),
    )
    return dataset, _integer_ids(table.item_ids), _integer_ids(table.user_ids)


def _matrix(table: Ratings, center: Center) -> Any:
    from scipy.sparse import csr_array

    values = table.values - table.values.mean() if center == "global" else table.values
    shape = (len(table.user_ids), len(table.item_ids))
    return csr_array((values, (table.users, table.items)), shape=shape)


def _integer_ids(ids: NDArray[Any]) -> NDArray[np.int64] | None:
    return ids.astype(np.int64) if ids.dtype.kind == "i" else None


def _duplicate_notices(table: Ratings) -> tuple[Notice, ...]:
    if table.n_repeated == 0:
        return ()
    return (
        Notice(
            "repeated-ratings",
            f"{table.n_repeated:,} ratings repeat a user and item that were there before; each such pair "
            "counts once, with the mean of its ratings.",
            "Keep one rating per user and item if the mean is not what you want.",
        ),
    )

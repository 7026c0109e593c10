"""What is done to interactions before they are factorized: the remedies of Steck et al. that change the model.

Their Section 3 proposes to standardize the data and to weaken popularity, as inverse propensity scaling and the
negative sampling of word2vec (with its exponent of 3/4) do. Both scale the columns of X, one per item.
"""

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weighting: TypeAlias = Literal["none", "popularity"]
PAPER_EXPONENT = -0.75
# Subtracting means leaves no zeros: a standardized matrix is dense, and up to here it takes 2 GB.
MOST_DENSE_ENTRIES = 250_000_000


def prepare(
    X: "csr_array",
    *,
    weighting: Weighting = "none",
    popularity_exponent: float = PAPER_EXPONENT,
    standardize: bool = False,
) -> "csr_array | NDArray[Any]":
    """Weight or standardize the columns of X.

    Parameters
    ----------
    X
        (n_users, n_items) sparse; not changed.
    weighting
        ``popularity`` multiplies column i by ``n_i^popularity_exponent``, n_i its number of entries, and then the
        whole matrix by the factor that gives it back its Frobenius norm: lambda keeps its size beside the data,
        and an exponent of 0 changes nothing. A column without entries stays as it is.
    popularity_exponent
        Any finite number; negative ones weaken popular items.
    standardize
        Subtract from each column its mean over all users, zeros included, and divide it by its standard deviation
        (that of all users: the sum over n, not n - 1). A constant column becomes zero.

    Returns
    -------
    X itself where nothing is asked for; a sparse matrix where it is weighted, a dense one where it is standardized.

    Raises
    ------
    DataError
        Both at once (standardizing undoes any weight of a column), an unknown weighting, an exponent that is not
        finite or that leaves float64, or a standardized matrix that would take more than 2 GB.
    """
    if weighting not in ("none", "popularity"):
        raise DataError(Problem("preparation: weighting", "none or popularity", repr(weighting)))
    if standardize and weighting != "none":
        raise DataError(
            Problem(
                "preparation: standardize",
                "standardize or weighting, not both",
                "both: standardizing undoes any weight of a column",
                "leave one of them out",
            )
        )
    if standardize:
        return _standardized(X)
    return _weighted(X, popularity_exponent) if weighting == "popularity" else X


def popularity(X: "csr_array") -> NDArray[np.int64]:
    """Count the users of each item, (n_items,): the entries that are there, whatever they say."""
    return np.bincount(X.indices, minlength=X.shape[1]).astype(np.int64)


def _weighted(X: "csr_array", exponent: float) -> "csr_array":
    if not np.isfinite(exponent):
        raise DataError(Problem("preparation: popularity_exponent", "a finite number", repr(exponent)))
    # Relative to the most popular item, so that no power overflows before the norm is restored.
    counts = np.maximum(popularity(X), 1)
    with np.errstate(over="ignore", under="ignore"):
        weights = (counts / counts.max()) ** exponent
        data = X.data * weights[X.indices]
        size = float(np.linalg.norm(data))
    if not (np.isfinite(size) and size > 0):
        fix = "take an exponent nearer to 0"
        raise DataError(Problem("preparation: popularity_exponent", "weights within float64", repr(exponent), fix))
    weighted = X.copy()
    weighted.data = data * (float(np.linalg.norm(X.data)) / size)
    return weighted


def _standardized(X: "csr_array") -> NDArray[Any]:
    n_users, n_items = X.shape
    if n_users * n_items > MOST_DENSE_ENTRIES:
        raise DataError(
            Problem(
                "preparation: standardize",
                f"at most {MOST_DENSE_ENTRIES:,} entries, 2 GB",
                f"{n_users:,} x {n_items:,}: a standardized matrix has no zeros to leave out",
                "leave standardize out, or weaken popularity by weighting, which stays sparse",
            )
        )
    dense = np.asarray(X.toarray(), np.float64)
    mean = dense.mean(axis=0)
    dense -= mean
    deviation = np.sqrt(np.einsum("ij,ij->j", dense, dense) / n_users)
    # Rounding leaves a constant column with a tiny deviation: dividing by it would blow up noise.
    constant = deviation <= 1e-12 * np.abs(mean)
    dense /= np.where(constant | (deviation == 0.0), 1.0, deviation)
    dense[:, constant] = 0.0
    return dense

"""Several models of one matrix, each decomposition made once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from idxbench.models.factorization import Factorization, GaugeName, Objective, factorize
from idxbench.models.preparation import PAPER_EXPONENT, Weighting, prepare
from idxbench.models.svd import Svd, truncated_svd

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class ModelChoice:
    """What is fitted to interactions, and to what they are turned before; see `prepare` and `factorize`.

    Parameters
    ----------
    objective, rank, gauge
        See `idxbench.models.factorization.factorize`.
    regularization
        Lambda; None for the default of the objective.
    weighting, popularity_exponent, standardize
        See `idxbench.models.preparation.prepare`.
    """

    objective: Objective = 1
    rank: int = 50
    regularization: float | None = None
    gauge: GaugeName | NDArray[Any] = "I"
    weighting: Weighting = "none"
    popularity_exponent: float = PAPER_EXPONENT
    standardize: bool = False


def fit_models(
    X: "csr_array", choices: Sequence[ModelChoice], regularization: Mapping[int, float]
) -> Iterator[Factorization]:
    """Yield the model of each choice, in order.

    Parameters
    ----------
    X
        (n_users, n_items) sparse, finite.
    choices
        Those that prepare the matrix alike share one decomposition: objective, lambda and gauge cost nothing.
    regularization
        By objective: the lambda of a choice that gives none.

    Raises
    ------
    DataError
        Whatever a choice or the matrix is refused for.
    """
    made: dict[tuple[str, float, bool, int], Svd] = {}
    for choice in choices:
        exponent = choice.popularity_exponent if choice.weighting != "none" else 0.0
        key = (choice.weighting, exponent, choice.standardize, choice.rank)
        if key not in made:
            prepared = prepare(
                X,
                weighting=choice.weighting,
                popularity_exponent=choice.popularity_exponent,
                standardize=choice.standardize,
            )
            made[key] = truncated_svd(prepared, choice.rank)
        strength = choice.regularization
        yield factorize(
            made[key],
            choice.rank,
            objective=choice.objective,
            regularization=regularization.get(choice.objective, 0.0) if strength is None else strength,
            gauge=choice.gauge,
        )

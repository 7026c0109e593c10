"""``covariance``: similarity weighted by how queries vary, as in Roizner, "Dot product or cosine?".

With ``P / sqrt(m) = Q R`` the cosine of ``R b_i`` and ``R b_j`` is that of the columns of scores of the two items;
with centred queries it is the correlation of their scores over random queries.
"""

from idxbench.config.transforms import Covariance
from idxbench.strategies.gauges import queries_of
from idxbench.strategies.transforms import FitContext, Linear, treats_alike
from idxbench.strategies.white import white_axes


def fit_covariance(spec: Covariance, context: FitContext) -> Linear:
    """Fit the weight, through a factor of the queries that is never squared.

    Raises
    ------
    DataError
        No queries where those are asked for.
    """
    by_items = spec.of == "items" or (spec.of == "auto" and context.queries is None and context.same_space)
    vectors = context.items if by_items else queries_of(context, spec.kind)
    # What makes these vectors white is what the other side is weighted by.
    white = white_axes(context, vectors, center=spec.center, tolerance=spec.tolerance)
    return Linear(
        white.back, white.back if treats_alike(spec.queries, context) else white.into, facts={"rank": white.rank}
    )

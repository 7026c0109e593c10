"""``covariance``: similarity weighted by how queries vary, as in Roizner, "Dot product or cosine?".

With ``P / sqrt(m) = Q R`` the cosine of ``R b_i`` and ``R b_j`` is that of the columns of scores of the two items;
with centred queries it is the correlation of their scores over random queries.
"""

import numpy as np

from idxbench.config.transforms import Covariance
from idxbench.data.rows import row_norms
from idxbench.strategies.gauges import queries_of
from idxbench.strategies.transforms import FitContext, Linear, treats_alike


def fit_covariance(spec: Covariance, context: FitContext) -> Linear:
    """Fit the weight, through a factor of the queries that is never squared.

    Raises
    ------
    DataError
        No queries where those are asked for.
    """
    by_items = spec.of == "items" or (spec.of == "auto" and context.queries is None and context.same_space)
    vectors = context.items if by_items else queries_of(context, spec.kind)
    triangle = context.factor(vectors, context.mean(vectors) if spec.center else None)
    # Each axis in units of its own size: rank is judged by directions, not by how small an axis was made.
    size = row_norms(np.ascontiguousarray(triangle.T))
    unit = np.where(size <= np.finfo(float).tiny, 1.0, size)
    _, values, vectors_of = np.linalg.svd(triangle / unit, full_matrices=False)
    kept = values > max(spec.tolerance * float(values[0]), np.finfo(float).tiny)
    rank = int(kept.sum())
    if rank == 0:
        nothing = np.zeros((context.n_dims, 1))
        return Linear(nothing, nothing, facts={"rank": 0})
    axes, spread = vectors_of[kept].T, values[kept]
    weighted = axes * spread * unit[:, None]
    dual = axes / spread / unit[:, None]
    return Linear(weighted, weighted if treats_alike(spec.queries, context) else dual, facts={"rank": rank})

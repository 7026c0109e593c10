"""How far the coordinates that an inner-product index sees are from balanced."""

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.embed import Embedded
from idxbench.bench.figures import Where
from idxbench.linalg.canonical import gauge_imbalance
from idxbench.linalg.factors import qr_factor
from idxbench.records import Measurement

# Rows of either side that are looked at: more would take longer and move the figure by hundredths of its value.
SAMPLED = 20_000


def gauge_rows(embedded: Embedded, threads: int) -> list[Measurement]:
    """Return the imbalance of a strategy's vectors, in decades; nothing where they are not compared by dot."""
    space, items, queries = embedded.space, embedded.items, embedded.queries
    if space.similarity != "dot" or queries is None:
        return []

    def factor(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        some = vectors[:: -(-len(vectors) // SAMPLED)]
        return np.asarray(qr_factor(some, threads=threads) / np.sqrt(len(some)))

    where = Where("retrieve", space.name, space.similarity)
    return [where.value("gauge_imbalance", gauge_imbalance(factor(items), factor(queries)), "decades", n=len(items))]

"""The reference of item-item tasks: the similarity that training determines, and how well it is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.inputs import Inputs
from idxbench.config.schema import Similarity
from idxbench.records import Notice
from idxbench.strategies.score_corr import score_corr, score_corr_halves


@dataclass(frozen=True)
class ItemReference:
    """Items in coordinates where ``similarity`` is the reference.

    Parameters
    ----------
    name
        ``score_corr``, ``dot``, ``cosine`` or ``l2``.
    items
        (n, r).
    similarity
        How these rows are compared.
    halves
        The same reference estimated from two disjoint halves of the queries: how far it is noise. None
        where nothing is estimated.
    notices
        What the reader must know about it.
    """

    name: str
    items: NDArray[Any]
    similarity: Similarity
    halves: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    notices: tuple[Notice, ...]


def item_reference(inputs: Inputs, seed: int, threads: int | None = None) -> ItemReference:
    """Choose the reference that the training determines.

    Two towers trained with a dot product (or in an unknown way) determine ``score_corr``, which needs
    queries. Cosine- and l2-trained models determine their own similarity, and so does one tower trained
    with a dot product, which is also what one tower of unknown training is taken for. Two towers without
    queries leave nothing better than cosine; the run says so.
    """
    trained = inputs.trained_with
    dual = inputs.towers == 2 and trained in ("dot", "unknown")
    if dual and inputs.queries is not None and len(inputs.queries) >= 4 and len(inputs.items) >= 2:
        return _score_corr_reference(inputs, seed, threads)
    if dual:
        notice = Notice(
            "reference-undetermined",
            "two towers trained with a dot product determine item-item neighbours only together with queries, "
            "and there are too few: neighbours and clusters are compared with the plain cosine, which another "
            "training run could have made different",
            "name the queries under data.queries",
        )
        return ItemReference("cosine", inputs.items, "cosine", None, (notice,))
    known: Similarity = "dot" if trained == "unknown" else trained
    return ItemReference(known, inputs.items, known, None, ())


def _score_corr_reference(inputs: Inputs, seed: int, threads: int | None) -> ItemReference:
    queries = np.asarray(inputs.queries)
    whole = score_corr(inputs.items, queries, threads=threads)
    first, second = score_corr_halves(inputs.items, queries, seed=seed, threads=threads)
    notices = []
    if whole.rank < inputs.items.shape[1]:
        notices.append(
            Notice(
                "rank-deficient",
                f"the items span {whole.rank} of {inputs.items.shape[1]} dimensions; the item-item reference "
                "uses those",
            )
        )
    return ItemReference("score_corr", whole.items, "cosine", (first, second), tuple(notices))

"""Whether a strategy kept what the task reference says: its scores, its rankings, or neither."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.truth.exact import ExactIndex

Kept = Literal["scores", "ranking", "neither"]

N_QUERIES = 256
N_ITEMS = 512
# Strategies are stored in float32: a few roundings of scores that span the range of a query.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class RankingCheck:
    """What a strategy kept, over sampled queries and items.

    Parameters
    ----------
    kept
        ``scores``: every score is the reference's; ``ranking``: every query ranks items alike; ``neither``.
    score_change
        The largest change of a score, relative to the size of the products of its query; 0 to any number.
    discordant_share
        Share of item pairs that a query ranks the other way round, 0 to 1.
    """

    kept: Kept
    score_change: float
    discordant_share: float


def check_ranking(
    reference: ExactIndex,
    strategy: ExactIndex,
    queries: NDArray[Any],
    mapped: NDArray[Any],
    heads: NDArray[np.int64],
    seed: int,
) -> RankingCheck:
    """Compare scores and rankings of the same queries and items in two spaces.

    Parameters
    ----------
    reference, strategy
        Exact search over the items as they came and as transformed.
    queries, mapped
        (q, d) the queries as they came, (q, d') as transformed.
    heads
        (q, h) for each query, the items that stand first in either space: a sample at random rarely holds the few
        that answers are made of.
    seed
        Of the sample of queries and items.
    """
    rng = np.random.default_rng(seed)
    n_items = len(reference.items)
    rows = np.sort(rng.choice(len(queries), min(N_QUERIES, len(queries)), replace=False))
    ids = np.sort(rng.choice(n_items, min(N_ITEMS, n_items), replace=False)).astype(np.int64)
    table = np.concatenate([np.broadcast_to(ids, (len(rows), len(ids))), heads[rows]], axis=1)
    before = reference.score_ids(np.asarray(queries[rows]), table)
    after = strategy.score_ids(np.asarray(mapped[rows]), table)
    same = reference.mapping.metric == strategy.mapping.metric
    spread = np.maximum(np.ptp(before, axis=1, keepdims=True), np.abs(before).max(axis=1, keepdims=True))
    spread = np.where(spread > 0, spread, 1.0)
    change = float((np.abs(after - before) / spread).max()) if same else float("inf")
    discordant = discordant_share(before, after)
    kept: Kept = "neither"
    if same and change <= TOLERANCE:
        kept = "scores"
    elif discordant == 0.0:
        kept = "ranking"
    return RankingCheck(kept, change, discordant)


def discordant_share(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the share of neighbouring pairs, in the order of ``before``, that ``after`` turns round.

    Both are (q, m) scores. A difference within rounding (1e-5 of a query's range) on either side is a tie,
    and a tie is never discordant.
    """
    order = np.argsort(-before, axis=1, kind="stable")
    first = np.take_along_axis(before, order, axis=1)
    second = np.take_along_axis(after, order, axis=1)
    drop = first[:, :-1] - first[:, 1:]
    rise = second[:, 1:] - second[:, :-1]
    clear = drop > TOLERANCE * np.maximum(np.ptp(before, axis=1, keepdims=True), np.finfo(float).tiny)
    turned = rise > TOLERANCE * np.maximum(np.ptp(after, axis=1, keepdims=True), np.finfo(float).tiny)
    counted = int(clear.sum())
    return float((clear & turned).sum() / counted) if counted else 0.0

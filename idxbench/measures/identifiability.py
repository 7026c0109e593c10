"""What training determined of a model's coordinates, measured: probes that keep every score, and what else moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.data.dataset import Labels
from idxbench.linalg.canonical import Canonical
from idxbench.measures.clusters import mean_floor, pairwise_ari
from idxbench.measures.hubs import antihub_share, occurrences
from idxbench.measures.intervals import Estimate, mean_interval
from idxbench.measures.kmeans import PreparedItems
from idxbench.measures.neighbors import exclude_self, label_agreement, overlap, self_match_share
from idxbench.strategies.score_corr import score_corr, score_corr_halves
from idxbench.truth.exact import exact_topk

Vectors = NDArray[Any]
Ids = NDArray[np.int64]

# Pairs whose scores are compared before and after a change of coordinates.
SCORED_QUERIES, SCORED_ITEMS = 256, 4096


@dataclass(frozen=True)
class GaugeProbe:
    """What random changes of coordinates do that are undone in the queries.

    Parameters
    ----------
    scores_moved
        The largest change of a score, over the largest score of its query.
    cosine_kept
        Share of an item's neighbours by cosine that stay, over the asking items and all probes.
    score_corr_kept
        The same by ``score_corr``, of the first probe: it is a theorem, and each fit costs as much as all searches.
    probes
        How many changes of coordinates.
    """

    scores_moved: float
    cosine_kept: Estimate
    score_corr_kept: Estimate
    probes: int


@dataclass(frozen=True)
class Answers:
    """Items as each other's answers by dot: what an inner-product graph is made of.

    Parameters
    ----------
    distinct
        Distinct ``argmax_j b_i . b_j`` over the number of items: the build-free predictor of an index's trouble.
    self_match
        Share of items that are their own ``argmax`` (self-dominance).
    unlinked_items
        Share of items among no other item's neighbours: a graph may have no path to them.
    unlinked_answers
        Share of the queries' true answers that are such items; NaN without queries.
    """

    distinct: float
    self_match: float
    unlinked_items: float
    unlinked_answers: float


@dataclass(frozen=True)
class LabelFigures:
    """How often neighbours carry an item's label.

    Parameters
    ----------
    agreement
        By similarity: share of its neighbours with the item's own label.
    differences
        By pair (first, second): the first's share minus the second's, over the same items. Intervals hold together:
        their level is 95 % for all pairs at once.
    chance
        Of random neighbours.
    """

    agreement: Mapping[str, Estimate]
    differences: Mapping[tuple[str, str], Estimate]
    chance: float


def neighbors_of(items: Vectors, asking: Ids, k: int, metric: Similarity, threads: int | None) -> Ids:
    """Return the (a, k) neighbours of the asking items, each without itself."""
    ids, _ = exact_topk(items, items[asking], k + 1, metric, threads=threads)
    return exclude_self(ids, asking, k)


def gauge_probe(
    items: Vectors,
    queries: Vectors,
    fit_queries: Vectors,
    reference: Vectors,
    asking: Ids,
    k: int,
    *,
    axes: Canonical | None,
    sigma: float,
    probes: int,
    seed: int,
    threads: int | None = None,
) -> GaugeProbe:
    """Multiply axes by ``exp(sigma N(0, 1))``, divide them in the queries, and see what stays.

    Parameters
    ----------
    items, queries
        (n, d) and (m, d) float64 of moderate size, no zero rows.
    fit_queries
        (f, d) that ``score_corr`` is fitted on, before and after.
    reference
        (n, r) items as ``score_corr`` maps them, before.
    asking
        Ids of items.
    k
        Neighbours per item, below n.
    axes
        Maps into the axes to be multiplied, and so back out of them. None takes the columns as they are. Of a model
        that uses few of its directions the columns would not do: over many of them random scales average out.
    """
    rng = np.random.default_rng(seed)
    cosine = neighbors_of(items, asking, k, "cosine", threads)
    own = neighbors_of(reference, asking, k, "cosine", threads)
    n_axes = items.shape[1] if axes is None else axes.rank
    some_items = items[:: -(-len(items) // SCORED_ITEMS)]
    some_queries = queries[:: -(-len(queries) // SCORED_QUERIES)]
    moved, cosine_kept, own_kept = 0.0, [], []
    for number in range(probes):
        change = _Change(np.exp(sigma * rng.standard_normal(n_axes)), axes)
        # As they would be served: rounded to float32.
        changed = change.items(items).astype(np.float32)
        new = change.items(some_items), change.queries(some_queries)
        moved = max(moved, scores_moved(some_items, some_queries, *new))
        cosine_kept.append(overlap(cosine, neighbors_of(changed, asking, k, "cosine", threads)))
        if number == 0:
            mapped = score_corr(changed, change.queries(fit_queries), threads=threads).items
            own_kept.append(overlap(own, neighbors_of(mapped, asking, k, "cosine", threads)))
    # Items are the observations, not items times probes: those of one item go together.
    kept, own_share = (mean_interval(np.mean(one, axis=0), seed=seed) for one in (cosine_kept, own_kept))
    return GaugeProbe(moved, kept, own_share, probes)


@dataclass(frozen=True)
class _Change:
    """A change of coordinates that keeps every score."""

    scales: NDArray[np.float64]
    axes: Canonical | None

    def items(self, rows: Vectors) -> Vectors:
        if self.axes is None:
            return np.asarray(rows * self.scales)
        return np.asarray((rows @ self.axes.items * self.scales) @ self.axes.queries.T)

    def queries(self, rows: Vectors) -> Vectors:
        if self.axes is None:
            return np.asarray(rows / self.scales)
        return np.asarray((rows @ self.axes.queries / self.scales) @ self.axes.items.T)


def scores_moved(items: Vectors, queries: Vectors, new_items: Vectors, new_queries: Vectors) -> float:
    """Return the largest change of a score over the largest score of its query; new vectors rounded to float32."""
    before = np.asarray(queries, np.float64) @ np.asarray(items, np.float64).T
    after = new_queries.astype(np.float32).astype(np.float64) @ new_items.astype(np.float32).astype(np.float64).T
    size = np.abs(before).max(axis=1)
    change = np.abs(after - before).max(axis=1)
    return float((change[size > 0] / size[size > 0]).max(initial=0.0))


def answers(items: Vectors, queries: Vectors | None, k: int, *, threads: int | None = None) -> Answers:
    """Search items among themselves by dot, and queries among them.

    Parameters
    ----------
    items
        (n, d), no zero rows; all of them ask.
    queries
        (m, d) or None.
    k
        Depth of "neighbours" and "answers", below n.
    """
    n_items = len(items)
    own = np.arange(n_items)
    ids, _ = exact_topk(items, items, k + 1, threads=threads)
    counts = occurrences(exclude_self(ids, own, k), n_items)
    asked = float("nan")
    if queries is not None and len(queries):
        wanted, _ = exact_topk(items, queries, k, threads=threads)
        asked = float((counts[wanted] == 0).mean())
    first = ids[:, 0]
    return Answers(len(np.unique(first)) / n_items, self_match_share(first, own), antihub_share(counts), asked)


def metric_overlaps(
    items: Vectors, queries: Vectors | None, asking: Ids, k: int, *, seed: int = 0, threads: int | None = None
) -> tuple[dict[tuple[str, str], Estimate], Ids]:
    """Compare the exact answers of dot, cosine and l2, to the queries or (without) to the asking items.

    Returns
    -------
    The overlap of each pair of similarities (``("dot", "cosine")``, ...), and the (., k) answers by dot.
    """
    similarities: tuple[Similarity, ...] = ("dot", "cosine", "l2")
    found: dict[str, Ids] = {}
    for one in similarities:
        if queries is None:
            found[one] = neighbors_of(items, asking, k, one, threads)
        else:
            found[one] = exact_topk(items, queries, k, one, threads=threads)[0]
    shared: dict[tuple[str, str], Estimate] = {
        (one, other): mean_interval(overlap(found[one], found[other]), seed=seed)
        for one, other in combinations(similarities, 2)
    }
    return shared, found["dot"]


def top_tenth_share(ids: Ids, norms: NDArray[np.float64]) -> float:
    """Return the share of answers taken by the tenth of the items with the largest norms: .1 by chance.

    Where several items share the norm at the border, those of the lowest ids are in the tenth.
    """
    tenth = max(1, len(norms) // 10)
    top = np.zeros(len(norms), bool)
    top[np.argsort(-norms, kind="stable")[:tenth]] = True
    return float(top[ids].mean())


def split_half(
    items: Vectors, queries: Vectors, asking: Ids, k: int, *, seed: int = 0, threads: int | None = None
) -> Estimate:
    """Return the overlap of ``score_corr`` neighbours estimated from two disjoint halves of the queries."""
    halves = [
        neighbors_of(mapped, asking, k, "cosine", threads)
        for mapped in score_corr_halves(items, queries, seed=seed, threads=threads)
    ]
    return mean_interval(overlap(*halves), seed=seed)


def cluster_floor(
    items: Vectors, n_clusters: int, seeds: int, *, spherical: bool, seed: int = 0, threads: int | None = None
) -> float:
    """Return the mean ARI between k-means from different seeds on the same items."""
    prepared = PreparedItems(items, spherical=spherical, threads=threads)
    starts = [prepared.start(n_clusters, seed + i) for i in range(seeds)]
    return mean_floor(pairwise_ari(np.array([prepared.cluster(start).labels for start in starts])))


def label_figures(
    found: Mapping[str, Ids], asking: Ids, labels: Labels, chance: float, *, seed: int = 0
) -> LabelFigures:
    """Compare similarities by the labels of the neighbours they give.

    Parameters
    ----------
    found
        By similarity: (a, k) neighbours of the asking items, padded with -1.
    asking
        (a,) ids.
    labels
        One per item.
    chance
        What random neighbours agree on.
    """
    shares = {name: label_agreement(ids, asking, labels) for name, ids in found.items()}
    pairs = list(combinations(shares, 2))
    # As many comparisons share the 5 %.
    level = 1.0 - 0.05 / max(1, len(pairs))
    differences = {}
    for one, other in pairs:
        gap = shares[one] - shares[other]
        differences[one, other] = mean_interval(gap, level=level, seed=seed, bounds=(-1.0, 1.0))
    return LabelFigures(
        {name: mean_interval(values, seed=seed) for name, values in shares.items()}, differences, chance
    )

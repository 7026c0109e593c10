"""The cluster task: how far a strategy moves the clusters, beside how far a seed alone moves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.figures import Where
from idxbench.bench.progress import Advance
from idxbench.config.schema import Config, Similarity
from idxbench.data.dataset import Labels
from idxbench.measures.clusters import (
    ami,
    ari,
    drift,
    largest_cluster_share,
    moved_share,
    pairwise_ari,
)
from idxbench.measures.intervals import Estimate
from idxbench.measures.kmeans import PreparedItems
from idxbench.records import Measurement

Assignments = NDArray[np.int64]


@dataclass(frozen=True)
class Clustered:
    """All clusterings of one space: ``assignments[count]`` is (seeds, n)."""

    assignments: dict[int, Assignments]


def starts(
    items: NDArray[Any], similarity: Similarity, counts: Sequence[int], config: Config, threads: int
) -> dict[int, list[NDArray[np.int64]]]:
    """Choose the starting items of every count and seed, in the reference's space, for all strategies."""
    prepared = PreparedItems(items, spherical=similarity == "cosine", threads=threads)
    return {
        count: [prepared.start(count, config.seed + seed) for seed in range(config.clusters.seeds)] for count in counts
    }


def cluster(
    items: NDArray[Any],
    similarity: Similarity,
    begin: dict[int, list[NDArray[np.int64]]],
    config: Config,
    threads: int,
    advance: Advance,
) -> Clustered:
    """Cluster one space: spherical k-means for cosine, plain k-means for l2 and, for want of one, dot."""
    prepared = PreparedItems(items, spherical=similarity == "cosine", threads=threads)
    assignments = {}
    for count, start_ids in begin.items():
        labels = []
        for start in start_ids:
            labels.append(prepared.cluster(start, config.clusters.iterations).labels)
            advance(1)
        assignments[count] = np.stack(labels)
    return Clustered(assignments)


def cluster_rows(
    where: Where, own: Clustered, reference: Clustered, reference_name: str, labels: Labels | None
) -> list[Measurement]:
    """Compare one space's clusterings with the reference's, with their own seed floor, and with labels."""
    rows = []
    for count, mine in own.assignments.items():
        theirs = reference.assignments[count]
        place = where.at(count)
        floor, other_floor = np.mean(pairwise_ari(mine)), np.mean(pairwise_ari(theirs))
        rows.append(place.value("ari_seed_floor", float(floor), n=_pairs(len(mine))))
        rows.append(place.value("largest_cluster_share", _mean([largest_cluster_share(a) for a in mine]), n=len(mine)))
        if own is not reference:
            cross = cross_seeds(mine, theirs)
            moved = drift(cross, float(floor), float(other_floor))
            both = list(zip(mine, theirs, strict=True))
            rows += [
                place.value("ari", cross, n=2 * _pairs(len(mine)), reference=reference_name),
                place.value("ami", _mean([ami(a, b) for a, b in both]), n=len(both), reference=reference_name),
                place.value(
                    "cluster_drift",
                    float("nan") if moved is None else moved,
                    n=2 * _pairs(len(mine)),
                    reference=reference_name,
                ),
                place.value(
                    "moved_share",
                    _mean([moved_share(a, b) for a, b in both]),
                    n=len(both),
                    reference=reference_name,
                ),
            ]
        if labels is not None:
            codes = labels.codes
            rows += [
                _over_seeds(place, "ari", [ari(a, codes) for a in mine]),
                _over_seeds(place, "ami", [ami(a, codes) for a in mine]),
            ]
    return rows


def cross_seeds(mine: Assignments, theirs: Assignments) -> float:
    """Return the mean ARI over pairs of different seeds.

    Equal seeds start from the same items on both sides, and floors hold no such pair: counting them would
    make two strategies look more alike than two seeds of one.
    """
    pairs = [ari(a, b) for i, a in enumerate(mine) for j, b in enumerate(theirs) if i != j]
    return _mean(pairs)


def _over_seeds(place: Where, metric: str, values: Sequence[float]) -> Measurement:
    # The interval is the range over seeds: what another seed could have said.
    return place.estimate(metric, Estimate(_mean(values), min(values), max(values), len(values)), reference="labels")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _pairs(n: int) -> int:
    return n * (n - 1) // 2

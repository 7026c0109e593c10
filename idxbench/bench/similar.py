"""The similar task: whose neighbours a strategy gives an item, against the reference and its floors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.figures import Where
from idxbench.bench.reference import ItemReference
from idxbench.config.schema import Config, Similarity
from idxbench.data.dataset import Labels
from idxbench.measures.hubs import antihub_share, hub_gini, occurrences, random_floor
from idxbench.measures.intervals import mean_interval
from idxbench.measures.neighbors import (
    chance_label_agreement,
    chance_overlap,
    chance_overlap_within,
    exclude_self,
    label_agreement,
    overlap,
    overlap_within,
)
from idxbench.records import Measurement, Notice
from idxbench.truth.exact import ExactIndex

SHALLOW, DEEP = 10, 50
# A reference that agrees with itself on less than this is worth a word.
NOISY = 0.7


@dataclass(frozen=True)
class NeighborTask:
    """Which items ask, and how deep.

    Parameters
    ----------
    asking
        (m,) ids of the items that ask for neighbours.
    n_items
        How many items are searched.
    shallow, deep
        10 and 50, or fewer where there are fewer other items.
    """

    asking: NDArray[np.int64]
    n_items: int
    shallow: int
    deep: int


def neighbor_task(n_items: int, config: Config) -> NeighborTask:
    """Draw the items that ask; at least two items are needed."""
    asking = np.arange(n_items)
    if 0 < config.similar.sample < n_items:
        rng = np.random.default_rng(config.seed)
        asking = np.sort(rng.choice(n_items, config.similar.sample, replace=False))
    return NeighborTask(asking, n_items, min(SHALLOW, n_items - 1), min(DEEP, n_items - 1))


def item_neighbors(items: NDArray[Any], similarity: Similarity, task: NeighborTask, threads: int) -> NDArray[np.int64]:
    """Return (m, deep) neighbours of the asking items, each without itself."""
    index = ExactIndex(items, similarity, threads=threads, keep=False)
    ids, _ = index.search(np.asarray(items[task.asking]), task.deep + 1)
    return np.asarray(exclude_self(ids, task.asking, task.deep))


def neighbor_rows(
    where: Where,
    found: NDArray[np.int64],
    reference: NDArray[np.int64] | None,
    reference_name: str,
    task: NeighborTask,
    labels: Labels | None,
    seed: int,
) -> list[Measurement]:
    """Return overlap with the reference, label agreement and hubs of one strategy (or of the reference)."""
    place = where.at(task.shallow)
    near = found[:, : task.shallow]
    rows = []
    if reference is not None:
        shared = mean_interval(overlap(reference[:, : task.shallow], near), seed=seed)
        within = mean_interval(overlap_within(reference[:, : task.shallow], found), seed=seed)
        rows.append(place.estimate("neighbor_overlap", shared, reference=reference_name))
        rows.append(place.estimate("neighbor_overlap_in_50", within, reference=reference_name))
    if labels is not None:
        agreement = mean_interval(label_agreement(near, task.asking, labels), seed=seed)
        rows.append(place.estimate("label_agreement", agreement, reference="labels"))
    counts = occurrences(near, task.n_items)
    n = len(task.asking)
    rows.append(place.value("hub_gini", hub_gini(counts), n=n))
    rows.append(place.value("antihub_share", antihub_share(counts), n=n))
    return rows


def noisy_reference(rows: list[Measurement], n_queries: int) -> Notice | None:
    """Say so when two halves of the queries disagree about the reference."""
    floor = next((row for row in rows if (row.metric, row.reference) == ("neighbor_overlap", "floor")), None)
    if floor is None or floor.value >= NOISY:
        return None
    return Notice(
        "reference-noisy",
        f"two halves of the {n_queries} queries agree on {floor.value:.0%} of the reference's {floor.k} neighbours: "
        "the item-item reference is not well known",
        "give more queries; read every overlap beside its floor",
    )


def floor_rows(
    reference: ItemReference, task: NeighborTask, labels: Labels | None, config: Config, threads: int
) -> list[Measurement]:
    """Return what noise and chance alone would show: the reference against itself, and random answers."""
    where = Where("similar", k=task.shallow)
    rows = []
    if reference.halves is not None:
        one, two = (item_neighbors(half, reference.similarity, task, threads) for half in reference.halves)
        near = one[:, : task.shallow]
        shared = mean_interval(overlap(near, two[:, : task.shallow]), seed=config.seed)
        within = mean_interval(overlap_within(near, two), seed=config.seed)
        rows.append(where.estimate("neighbor_overlap", shared, reference="floor"))
        rows.append(where.estimate("neighbor_overlap_in_50", within, reference="floor"))
    chance = {
        "neighbor_overlap": chance_overlap(task.shallow, task.n_items),
        "neighbor_overlap_in_50": chance_overlap_within(task.deep, task.n_items),
    }
    if labels is not None:
        chance["label_agreement"] = chance_label_agreement(labels)
    chance["hub_gini"], chance["antihub_share"] = random_floor(
        task.n_items, len(task.asking), task.shallow, config.seed
    )
    rows += [where.value(metric, value, reference="chance") for metric, value in chance.items()]
    return rows

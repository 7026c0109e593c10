"""Two trainings of one model, compared: scores, neighbours and clusters, each beside what noise alone shows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.cluster import Clustered, cluster_rows
from idxbench.bench.figures import Where
from idxbench.bench.progress import Advance, Progress, Silent
from idxbench.bench.similar import NeighborTask, item_neighbors
from idxbench.bench.trainings_files import TRAINED, Training, Trainings, TrainingsRequest, read_trainings
from idxbench.config.schema import Similarity
from idxbench.errors import DataError, Problem
from idxbench.kernels.compile import compile_kernels
from idxbench.linalg.canonical import gauge_imbalance
from idxbench.linalg.factors import qr_factor
from idxbench.machine import resolve_threads
from idxbench.measures.intervals import Estimate, mean_interval
from idxbench.measures.kmeans import PreparedItems
from idxbench.measures.neighbors import chance_overlap, overlap
from idxbench.measures.trainings import Compared, norm_correlation, procrustes, score_drift, vector_change
from idxbench.pool import single_threaded_blas
from idxbench.records import Measurement, Notice
from idxbench.strategies.score_corr import score_corr, score_corr_halves
from idxbench.truth.exact import ExactIndex
from idxbench.truth.similarity import similarity

TASK = "trainings"
# Items that each query scores for correlations; top answers are searched among all.
SCORED_ITEMS = 1000
# Queries that two halves need: fewer have no covariance.
FEWEST_QUERIES = 4


@dataclass(frozen=True)
class Space:
    """The items of both trainings in coordinates of one kind.

    Parameters
    ----------
    strategy, similarity
        ``raw`` or ``score_corr``, and how its rows are compared.
    base, new
        (m, .) rows of the same items.
    estimated
        Whether the coordinates were estimated from queries, and so have a floor.
    """

    strategy: str
    similarity: Similarity
    base: NDArray[np.float32]
    new: NDArray[np.float32]
    estimated: bool = False

    @property
    def where(self) -> Where:
        """Return the columns that say where a figure belongs."""
        return Where(TASK, self.strategy, self.similarity)


def compare_trainings(request: TrainingsRequest, progress: Progress | None = None) -> Compared:
    """Read two trainings, and measure how far the second is from the first.

    Raises
    ------
    ConfigError, DataError
        As `read_trainings`; or scores leave float32.
    """
    progress, threads = progress or Silent(), resolve_threads(request.threads)
    with progress.stage("read and join", 1) as advance:
        loaded = read_trainings(request)
        advance(1)
    with progress.stage("compile kernels", 1) as advance:
        compile_kernels()
        advance(1)
    trained = TRAINED[request.trained_with]
    dual = request.towers == 2 and trained == "dot"
    k = min(request.k, loaded.items.n_joined - 1)
    with progress.stage("invariant coordinates", 1) as advance:
        spaces = tuple(_spaces(loaded, trained, dual, threads))
        advance(1)
    invariant = ("raw", trained) if not dual else None
    if any(space.strategy == "score_corr" for space in spaces):
        invariant = ("score_corr", "cosine")
    rows: list[Measurement] = []
    notices = [*loaded.notices, *_notices(request, loaded, k, dual and invariant is None)]
    with progress.stage("scores", 1) as advance:
        rows += _score_rows(request, loaded, trained, threads)
        advance(1)
    with progress.stage("neighbours", len(spaces)) as advance:
        for space in spaces:
            rows += _neighbor_rows(space, loaded, request, k, threads)
            advance(1)
    if request.clusters <= loaded.items.n_joined:
        kept = [space for space in spaces if space.similarity != "dot"]
        with progress.stage("clusters", 2 * request.seeds * len(kept)) as advance:
            begin = _starts(kept[-1], request, threads)
            for space in kept:
                rows += _cluster_rows(space, begin, threads, advance)
    with progress.stage("shapes", 1) as advance:
        rows += _shape_rows(loaded, request.seed, threads)
        advance(1)
    return Compared(
        str(request.base.items),
        str(request.new.items),
        request.trained_with,
        request.towers,
        invariant,
        k,
        request.clusters,
        loaded.items,
        loaded.queries,
        (loaded.base.items.shape[1], loaded.new.items.shape[1]),
        tuple(rows),
        tuple(notices),
    )


def _notices(request: TrainingsRequest, loaded: Trainings, k: int, undetermined: bool) -> Iterator[Notice]:
    n_items = loaded.items.n_joined
    if k < request.k:
        yield Notice("depth-cut", f"{n_items:,} items have {k} neighbours each: -k {request.k} was cut down to that")
    if request.clusters > n_items:
        text = f"{n_items:,} items do not make {request.clusters} clusters: these were left out"
        yield Notice("clusters-left-out", text, "ask for fewer with --clusters")
    if undetermined and loaded.queries is not None:
        text = f"score_corr takes at least {FEWEST_QUERIES} queries of each training: it was left out"
        yield Notice("too-few-queries", text)


def _spaces(loaded: Trainings, trained: Similarity, dual: bool, threads: int) -> Iterator[Space]:
    """Yield the coordinates to compare, those that training determines last."""
    base, new = loaded.base, loaded.new
    yield Space("raw", "cosine", base.items, new.items)
    if trained != "cosine":
        yield Space("raw", trained, base.items, new.items)
    both = (base.queries, new.queries)
    asked = [queries for queries in both if queries is not None and np.any(queries, axis=1).sum() >= FEWEST_QUERIES]
    if dual and len(asked) == 2:
        mapped = [score_corr(side.items, asked[i], threads=threads).items for i, side in enumerate((base, new))]
        yield Space("score_corr", "cosine", mapped[0], mapped[1], estimated=True)


def _score_rows(
    request: TrainingsRequest, loaded: Trainings, trained: Similarity, threads: int
) -> Iterator[Measurement]:
    """Compare the scores and top answers of the queries that both trainings know."""
    joined, base, new = loaded.queries, loaded.base, loaded.new
    if joined is None or joined.n_joined == 0 or base.queries is None or new.queries is None:
        return
    rng = np.random.default_rng(request.seed)
    rows = np.sort(rng.choice(joined.n_joined, min(request.sample, joined.n_joined), replace=False))
    n_items = len(base.items)
    items = np.sort(rng.choice(n_items, min(SCORED_ITEMS, n_items), replace=False))
    asked = [np.asarray(base.queries[joined.base[rows]]), np.asarray(new.queries[joined.new[rows]])]
    sides: list[tuple[Training, NDArray[np.float32]]] = list(zip((base, new), asked, strict=True))
    before, after = (similarity(q, np.asarray(side.items[items]), trained, threads=threads) for side, q in sides)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise DataError(Problem("scores", "numbers that float32 can hold", "infinity", "use smaller vectors"))
    drift = score_drift(before, after)
    place = Where(TASK, "raw", trained)
    for metric, values in (("score_spearman", drift.spearman), ("score_pearson", drift.pearson)):
        estimate = mean_interval(values, seed=request.seed, bounds=None)
        yield place.estimate(metric, estimate, "correlation", reference="base")
        yield place.value(metric, 0.0, "correlation", reference="chance")
    yield place.estimate("score_change", mean_interval(drift.change, seed=request.seed, bounds=None), reference="base")
    k = min(request.k, n_items)
    top = [ExactIndex(side.items, trained, threads=threads, keep=False).search(q, k)[0] for side, q in sides]
    yield place.at(k).estimate("topk_overlap", mean_interval(overlap(*top), seed=request.seed), reference="base")
    yield place.at(k).value("topk_overlap", k / n_items, reference="chance")


def _neighbor_rows(
    space: Space, loaded: Trainings, request: TrainingsRequest, k: int, threads: int
) -> Iterator[Measurement]:
    """Compare the neighbours that items have in both trainings, and by both halves of the queries of each."""
    n_items = len(space.base)
    rng = np.random.default_rng(request.seed)
    # Zero rows are as near to everything as to each other: the lowest ids would look like neighbours kept.
    alive = np.flatnonzero(np.any(loaded.base.items, axis=1) & np.any(loaded.new.items, axis=1))
    alive = alive if len(alive) else np.arange(n_items)
    asking = np.sort(rng.choice(alive, min(request.sample, len(alive)), replace=False)).astype(np.int64)

    def shared(sides: Iterable[NDArray[np.float32]]) -> Estimate:
        # One side at a time: mapped items are as large as the items.
        task = NeighborTask(asking, n_items, k, k)
        near = [item_neighbors(items, space.similarity, task, threads) for items in sides]
        return mean_interval(overlap(*near), seed=request.seed)

    place = space.where.at(k)
    yield place.estimate("neighbor_overlap", shared((space.base, space.new)), reference="base")
    yield place.value("neighbor_overlap", chance_overlap(k, n_items), reference="chance")
    if space.estimated:
        floors = [
            shared(score_corr_halves(side.items, side.queries, seed=request.seed, threads=threads))
            for side in (loaded.base, loaded.new)
            if side.queries is not None
        ]
        for name, floor in zip(("base", "new"), floors, strict=True):
            yield place.estimate("neighbor_overlap", floor, reference=f"floor of {name}")
        # As for clusters: both sides are noisy, each by its own queries.
        joint = float(np.sqrt(floors[0].value * floors[1].value))
        yield place.value("neighbor_overlap", joint, n=floors[0].n, reference="floor")


def _starts(space: Space, request: TrainingsRequest, threads: int) -> list[NDArray[np.int64]]:
    """Choose the items that clusters start from, for both trainings and all spaces."""
    prepared = PreparedItems(space.base, spherical=space.similarity == "cosine", threads=threads)
    return [prepared.start(request.clusters, request.seed + seed) for seed in range(request.seeds)]


def _cluster_rows(
    space: Space, begin: list[NDArray[np.int64]], threads: int, advance: Advance
) -> Iterator[Measurement]:
    """Compare the clusters of both trainings, beside what seeds alone change."""
    count = len(begin[0])

    def clustered(items: NDArray[np.float32]) -> Clustered:
        prepared = PreparedItems(items, spherical=space.similarity == "cosine", threads=threads)
        labels = []
        for start in begin:
            labels.append(prepared.cluster(start).labels)
            advance(1)
        return Clustered({count: np.stack(labels)})

    base, new = clustered(space.base), clustered(space.new)
    floors = []
    for name, rows in (
        ("base", cluster_rows(space.where, base, base, "", None)),
        ("new", cluster_rows(space.where, new, base, "base", None)),
    ):
        for row in rows:
            if row.metric == "ari_seed_floor":
                floors.append(row.value)
                yield space.where.at(count).value("ari", row.value, n=row.n, reference=f"floor of {name}")
            elif row.reference == "base":
                yield row
    yield space.where.at(count).value("ari", float(np.sqrt(np.prod(np.maximum(floors, 0)))), reference="floor")
    yield space.where.at(count).value("ari", 0.0, reference="chance")


def _shape_rows(loaded: Trainings, seed: int, threads: int) -> Iterator[Measurement]:
    """Measure what explains a drift: gauges, norms, rotations."""
    base, new = loaded.base, loaded.new
    for name, side in (("base", base), ("new", new)):
        if side.queries is not None:
            factors = (qr_factor(side.items, threads=threads), qr_factor(side.queries, threads=threads))
            yield Where(TASK, name).value("gauge_imbalance", gauge_imbalance(*factors), "decades", n=len(side.items))
    place = Where(TASK)
    norms = norm_correlation(base.items, new.items, threads=threads)
    yield place.value("norm_spearman", norms, "correlation", n=len(base.items), reference="base")
    yield place.value("norm_spearman", 0.0, "correlation", reference="chance")
    with single_threaded_blas():
        found = procrustes(base.items, new.items, seed)
    for metric, value in (
        ("rotation_residual", found.residual),
        ("rotation_factor", found.scale),
        ("rotation_shift", found.shift),
    ):
        yield place.value(metric, value, n=found.n, reference="base")
    yield place.value("vector_change", vector_change(base.items, new.items), n=len(base.items), reference="base")
    yield place.value("rotation_residual", found.chance, n=found.n, reference="chance")

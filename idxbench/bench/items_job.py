"""The tasks between items, similar and cluster, over all strategies."""

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.cluster import Clustered, cluster, cluster_rows, starts
from idxbench.bench.embed import Embedded
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import Plan
from idxbench.bench.progress import Advance
from idxbench.bench.reference import ItemReference, item_reference
from idxbench.bench.session import Finding, Session
from idxbench.bench.similar import floor_rows, item_neighbors, neighbor_rows, neighbor_task, noisy_reference
from idxbench.errors import Problem, ResultError
from idxbench.records import Notice

# What the clusters of the reference are kept by.
BASE = "clusters of the reference"


def compare_items(session: Session, inputs: Inputs, plan: Plan, spaces: Sequence[Embedded]) -> None:
    """Measure neighbours and clusters of every strategy against the reference that training determines."""
    if len(inputs.items) < 2:
        session.notices.append(
            Notice("too-few-items", "one item has no neighbours and no clusters: those tasks were left out")
        )
        return
    with session.progress.stage("item-item reference", 1) as advance:
        reference = item_reference(inputs, session.config.seed, session.threads)
        advance(1)
    session.notices += reference.notices
    session.facts["item_reference"] = reference.name
    if "similar" in plan.tasks:
        _similar(session, inputs, reference, spaces)
    if "cluster" in plan.tasks:
        _cluster(session, inputs, reference, spaces)


def _similar(session: Session, inputs: Inputs, reference: ItemReference, spaces: Sequence[Embedded]) -> None:
    config, threads, labels = session.config, session.threads, inputs.dataset.labels
    task = neighbor_task(len(inputs.items), config)
    session.facts["similar"] = {"asking": len(task.asking), "shallow": task.shallow, "deep": task.deep}
    session.save()

    @cache
    def truth() -> NDArray[np.int64]:
        return item_neighbors(reference.items, reference.similarity, task, threads)

    def of_reference() -> Finding:
        where = Where("similar", "reference", reference.similarity)
        rows = neighbor_rows(where, truth(), None, reference.name, task, labels, config.seed)
        rows += floor_rows(reference, task, labels, config, threads)
        noisy = noisy_reference(rows, 0 if inputs.queries is None else len(inputs.queries))
        session.notices += [noisy] if noisy else []
        return Finding(rows)

    def of_strategy(embedded: Embedded) -> Finding:
        space = embedded.space
        found = item_neighbors(embedded.items, space.similarity, task, threads)
        where = Where("similar", space.name, space.similarity)
        return Finding(neighbor_rows(where, found, truth(), reference.name, task, labels, config.seed))

    with session.progress.stage("similar: neighbours of items", len(spaces) + 1) as advance:
        session.once({"kind": "similar", "reference": reference.name}, of_reference)
        advance(1)
        for embedded in spaces:
            session.once({"kind": "similar", "strategy": embedded.space.name}, partial(of_strategy, embedded))
            advance(1)


def _cluster(session: Session, inputs: Inputs, reference: ItemReference, spaces: Sequence[Embedded]) -> None:
    config, threads, labels = session.config, session.threads, inputs.dataset.labels
    counts = _counts(session, len(inputs.items))
    if not counts:
        return
    n_runs = len(counts) * config.clusters.seeds

    def of_reference(advance: Advance) -> Finding:
        base = cluster(reference.items, reference.similarity, begin(), config, threads, advance)
        # Every strategy is compared with it, also in a later session, and k-means may end a little elsewhere then.
        session.directory.save_arrays(BASE, {str(n): ids.astype(np.int32) for n, ids in base.assignments.items()})
        where = Where("cluster", "reference", reference.similarity)
        return Finding(cluster_rows(where, base, base, reference.name, labels))

    def of_strategy(embedded: Embedded, advance: Advance) -> Finding:
        space = embedded.space
        own = cluster(embedded.items, space.similarity, begin(), config, threads, advance)
        where = Where("cluster", space.name, space.similarity)
        return Finding(cluster_rows(where, own, _base(session), reference.name, labels))

    @cache
    def begin() -> dict[int, list[NDArray[np.int64]]]:
        return starts(reference.items, reference.similarity, counts, config, threads)

    with session.progress.stage("cluster: k-means", n_runs * (len(spaces) + 1)) as advance:
        units = [({"kind": "cluster", "reference": reference.name}, of_reference)]
        units += [({"kind": "cluster", "strategy": one.space.name}, partial(of_strategy, one)) for one in spaces]
        for unit, work in units:
            if session.directory.has(unit):
                advance(n_runs)
            session.once(unit, partial(work, advance))


def _base(session: Session) -> Clustered:
    """Return the clusters of the reference, which are measured before those of any strategy."""
    arrays = session.directory.load_arrays(BASE)
    if arrays is None:
        fix = "run without --resume to begin afresh"
        raise ResultError(Problem(f"{session.directory.path}/parts", "the clusters of the reference", "none", fix))
    return Clustered({int(count): ids.astype(np.int64) for count, ids in arrays.items()})


def _counts(session: Session, n_items: int) -> list[int]:
    asked = list(dict.fromkeys(session.config.clusters.counts))
    counts = [count for count in asked if count <= n_items]
    if len(counts) < len(asked):
        dropped = ", ".join(str(count) for count in asked if count > n_items)
        session.notices.append(
            Notice("clusters-left-out", f"there are {n_items} items: {dropped} clusters were left out")
        )
    return counts

"""The tasks between items, similar and cluster, over all strategies."""

from collections.abc import Sequence

from idxbench.bench.cluster import Clustered, cluster, cluster_rows, starts
from idxbench.bench.embed import Embedded
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import Plan
from idxbench.bench.reference import ItemReference, item_reference
from idxbench.bench.session import Session
from idxbench.bench.similar import floor_rows, item_neighbors, neighbor_rows, neighbor_task, noisy_reference
from idxbench.data.dataset import Labels
from idxbench.records import Notice


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
    with session.progress.stage("similar: neighbours of items", len(spaces) + 2) as advance:
        truth = item_neighbors(reference.items, reference.similarity, task, threads)
        where = Where("similar", "reference", reference.similarity)
        rows = neighbor_rows(where, truth, None, reference.name, task, labels, config.seed)
        advance(1)
        rows += floor_rows(reference, task, labels, config, threads)
        noisy = noisy_reference(rows, 0 if inputs.queries is None else len(inputs.queries))
        session.notices += [noisy] if noisy else []
        session.directory.append({"kind": "similar", "strategy": "reference"}, rows)
        advance(1)
        for embedded in spaces:
            space = embedded.space
            found = item_neighbors(embedded.items, space.similarity, task, threads)
            where = Where("similar", space.name, space.similarity)
            rows = neighbor_rows(where, found, truth, reference.name, task, labels, config.seed)
            session.directory.append({"kind": "similar", "strategy": space.name}, rows)
            advance(1)


def _cluster(session: Session, inputs: Inputs, reference: ItemReference, spaces: Sequence[Embedded]) -> None:
    config, threads = session.config, session.threads
    counts = _counts(session, len(inputs.items))
    if not counts:
        return
    n_runs = len(counts) * config.clusters.seeds * (len(spaces) + 1)
    with session.progress.stage("cluster: k-means", n_runs) as advance:
        begin = starts(reference.items, reference.similarity, counts, config, threads)
        base = cluster(reference.items, reference.similarity, begin, config, threads, advance)
        labels = inputs.dataset.labels
        _append(session, Where("cluster", "reference", reference.similarity), base, base, reference, labels)
        for embedded in spaces:
            space = embedded.space
            own = cluster(embedded.items, space.similarity, begin, config, threads, advance)
            _append(session, Where("cluster", space.name, space.similarity), own, base, reference, labels)


def _counts(session: Session, n_items: int) -> list[int]:
    asked = list(dict.fromkeys(session.config.clusters.counts))
    counts = [count for count in asked if count <= n_items]
    if len(counts) < len(asked):
        dropped = ", ".join(str(count) for count in asked if count > n_items)
        session.notices.append(
            Notice("clusters-left-out", f"there are {n_items} items: {dropped} clusters were left out")
        )
    return counts


def _append(
    session: Session,
    where: Where,
    own: Clustered,
    base: Clustered,
    reference: ItemReference,
    labels: Labels | None,
) -> None:
    rows = cluster_rows(where, own, base, reference.name, labels)
    session.directory.append({"kind": "cluster", "strategy": where.strategy}, rows)

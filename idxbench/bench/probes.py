"""Gauge probes: no score changes, so whatever changes else is an accident of the coordinates."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.cluster import Clustered, cluster, cross_seeds, starts
from idxbench.bench.embed import Embedded, embed
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import Build, Plan, merge
from idxbench.bench.progress import Advance
from idxbench.bench.retrieve import Reference
from idxbench.bench.session import Finding, Session, Unit
from idxbench.bench.similar import NeighborTask, item_neighbors, neighbor_task
from idxbench.config.probe import Probe
from idxbench.config.transforms import Raw
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.indexes.catalogue import make_index, missing_extra
from idxbench.measures.clusters import drift, pairwise_ari
from idxbench.measures.intervals import Estimate
from idxbench.measures.neighbors import overlap
from idxbench.measures.ranking import check_ranking
from idxbench.records import Measurement, Notice, compact_json
from idxbench.strategies.catalogue import Space

AS_GIVEN = "as given"


@dataclass(frozen=True)
class _Given:
    """What every point is compared with: the items as they came.

    Parameters
    ----------
    task, neighbors
        Which items ask, and their neighbours by cosine.
    begin, clusters
        Where k-means starts, and where it ended.
    reference
        Of retrieval; None without queries.
    builds
        The indexes of the config.
    """

    task: NeighborTask
    neighbors: NDArray[np.int64]
    begin: dict[int, list[NDArray[np.int64]]]
    clusters: Clustered
    reference: Reference | None
    builds: Sequence[Build]


# What was measured at a point, by where it belongs: one value, of one seed.
Figures = dict[tuple[Where, str, str], float]


def check_probes(probes: Sequence[Probe], inputs: Inputs) -> None:
    """Refuse probes of models whose coordinates training fixes.

    Raises
    ------
    ConfigError
        The model was trained by cosine or l2, or an axis does not exist.
    """
    problems = []
    n_dims = int(inputs.items.shape[1])
    for position, probe in enumerate(probes):
        if probe.kind == "axis" and probe.axis >= n_dims:
            expected = f"0 to {n_dims - 1}, an axis of the items"
            problems.append(Problem(f"probe[{position}].axis", expected, str(probe.axis)))
    points = [(probe.label, strength) for probe in probes for strength in probe.strength]
    problems += [
        Problem("probe", "each change once", f"{label} at strength {strength:g} twice", "more seeds in one probe")
        for label, strength in dict.fromkeys(point for point in points if points.count(point) > 1)
    ]
    if probes and inputs.trained_with in ("cosine", "l2"):
        problems.append(
            Problem(
                "probe",
                "a model trained with a dot product, whose coordinates are free",
                f"trained_with = {inputs.trained_with}",
                "leave the probes out: another training run can't have changed the coordinates like that",
            )
        )
    if problems:
        raise ConfigError(problems)


def run_probes(session: Session, inputs: Inputs, plan: Plan, reference: Reference | None) -> None:
    """Measure every probe at every strength; figures are means over seeds, with their range."""
    probes = session.config.probe

    @cache
    def given() -> _Given:
        return _given(session, inputs, plan, reference)

    n_builds = max(probe.seeds for probe in probes)
    n_points = n_builds + sum(len(probe.strength) * probe.seeds for probe in probes)
    similarity = session.config.trained_similarity
    point = partial(_point, session, inputs)
    with session.progress.stage("probes", n_points) as advance:

        def as_given() -> Finding:
            space, where = Space(AS_GIVEN, (Raw(),), similarity, AS_GIVEN), Where("probe", AS_GIVEN)
            return Finding(_pooled([point(given(), space, where, 0.0, number) for number in _told(n_builds, advance)]))

        def changed(probe: Probe, strength: float) -> Finding:
            where, figures = Where("probe", probe.label), []
            for number in _told(probe.seeds, advance):
                made = Space(probe.label, probe.transforms(strength, number), similarity, probe.label)
                try:
                    figures.append(point(given(), made, where, strength, number, keeps_scores=probe.keeps_scores))
                except DataError as error:
                    reason = "; ".join(f"expected {one.expected}, found {one.found}" for one in error.problems)
                    text = f"probe {probe.label} at strength {strength:g}: {reason}"
                    notice = Notice("probe-failed", text)
                    # Every seed fails alike.
                    session.notices += [] if notice in session.notices else [notice]
            return Finding(_pooled(figures))

        works: list[tuple[Unit, Callable[[], Finding], int]] = [({"kind": "probe", "as": "given"}, as_given, n_builds)]
        for probe in probes:
            for strength in probe.strength:
                place = {"kind": "probe", "probe": probe.label, "strength": strength}
                works.append((place, partial(changed, probe, strength), probe.seeds))
        for unit, work, steps in works:
            if session.directory.has(unit):
                advance(steps)
            session.once(unit, work)


def _told(n: int, advance: Advance) -> Iterator[int]:
    for number in range(n):
        yield number
        advance(1)


def _given(session: Session, inputs: Inputs, plan: Plan, reference: Reference | None) -> _Given:
    config, threads = session.config, session.threads
    task = neighbor_task(len(inputs.items), config)
    counts = [count for count in dict.fromkeys(config.clusters.counts) if count <= len(inputs.items)]
    begin = starts(inputs.items, "cosine", counts, config, threads)
    clusters = cluster(inputs.items, "cosine", begin, config, threads, lambda _: None)
    neighbors = item_neighbors(inputs.items, "cosine", task, threads)
    # Each index once, whichever strategy and environment it was planned for; seeds are the probes' own.
    alike = []
    for build in plan.builds if reference is not None else ():
        parameters = {name: value for name, value in build.parameters.items() if name not in ("seed", "environment")}
        alike.append(replace(build, space=plan.builds[0].space, parameters=parameters))
    builds = merge([build for build in alike if missing_extra(build.kind) is None])
    for kind in dict.fromkeys(build.kind for build in alike if missing_extra(build.kind) is not None):
        text = f"probes leave {kind} out: they run in this environment, which has not the library"
        session.notices.append(Notice("probe-left-out", text))
    return _Given(task, neighbors, begin, clusters, reference, tuple(builds))


def _point(
    session: Session,
    inputs: Inputs,
    given: _Given,
    space: Space,
    where: Where,
    strength: float,
    number: int,
    *,
    keeps_scores: bool = True,
) -> Figures:
    """Measure one change of coordinates."""
    folder = session.directory.work / "probe"
    try:
        embedded = embed(space, inputs, folder, session.threads)
        place = _at(where, strength)
        figures: Figures = {}
        if given.reference is not None:
            figures |= _scores(session, embedded, given.reference, place, keeps_scores=keeps_scores)
            figures |= _indexes(session, embedded, given, where, strength, number)
        # The vectors as given are their own neighbours and clusters.
        if space.name != AS_GIVEN:
            figures |= _items(session, embedded, given, place)
        elif number == 0:
            for count, mine in given.clusters.assignments.items():
                figures[place.at(count), "ari_seed_floor", ""] = float(np.mean(pairwise_ari(mine)))
        return figures
    finally:
        # Made above, also by a point that failed: its vectors are as large as the data, and there are many points.
        shutil.rmtree(folder, ignore_errors=True)


def _at(where: Where, strength: float, **search: int) -> Where:
    return Where(
        where.task,
        where.strategy,
        where.similarity,
        where.index,
        where.build,
        compact_json({"strength": strength, **search}),
        where.k,
    )


def _scores(session: Session, embedded: Embedded, reference: Reference, place: Where, *, keeps_scores: bool) -> Figures:
    """Make sure that the scores are what they were."""
    mapped = np.asarray(embedded.queries)
    heads = reference.truth.neighbors.ids
    seed = session.config.seed
    check = check_ranking(reference.exact, embedded.exact, reference.queries, mapped, heads, seed)
    if check.kept != "scores" and (keeps_scores or check.kept != "ranking"):
        kept = "scores" if keeps_scores else "rankings"
        session.notices.append(
            Notice(
                "probe-moved-scores",
                f"probe {embedded.space.name} ({place.search}) did not keep the {kept} it should keep: they moved by "
                f"{check.score_change:.1e} of a query's range, {check.discordant_share:.1e} of pairs changed places",
                "float32 holds no more digits: a smaller strength, or read its figures with that in mind",
            )
        )
    figures = {(place, "discordant_share", "task"): check.discordant_share}
    return figures | ({(place, "score_change", "task"): check.score_change} if keeps_scores else {})


def _items(session: Session, embedded: Embedded, given: _Given, place: Where) -> Figures:
    """Compare neighbours and clusters by cosine with those of the items as given."""
    config, threads, task = session.config, session.threads, given.task
    found = item_neighbors(embedded.items, "cosine", task, threads)
    shared = overlap(given.neighbors[:, : task.shallow], found[:, : task.shallow])
    figures = {(place.at(task.shallow), "neighbor_overlap", AS_GIVEN): float(np.nanmean(shared))}
    clusters = cluster(embedded.items, "cosine", given.begin, config, threads, lambda _: None)
    for count, mine in clusters.assignments.items():
        theirs = given.clusters.assignments[count]
        floors = [float(np.mean(pairwise_ari(one))) for one in (mine, theirs)]
        moved = drift(cross_seeds(mine, theirs), *floors)
        figures[place.at(count), "cluster_drift", AS_GIVEN] = float("nan") if moved is None else moved
    return figures


def _indexes(
    session: Session, embedded: Embedded, given: _Given, where: Where, strength: float, number: int
) -> Figures:
    """Build every index on the changed vectors and grade its answers against the unchanged truth."""
    config, reference = session.config, given.reference
    assert reference is not None
    threads = 1 if config.measure.build_mode == "repeatable" else session.threads
    figures: Figures = {}
    for build in given.builds:
        index = make_index(build.kind, build.parameters, embedded.space.similarity)
        index.build(np.ascontiguousarray(embedded.items), seed=config.seed + number, threads=threads, progress=_ignore)
        prepared = index.prepare(np.ascontiguousarray(embedded.queries))
        cell = Where(where.task, where.strategy, where.similarity, build.kind, build.build_json)
        unreachable = 1 - float(index.reachable().mean())
        figures[_at(cell, strength), "unreachable_share", ""] = unreachable
        for search in build.searches:
            index.set_search(search)
            ids = index.search(prepared, max(config.k), threads=session.threads).ids
            for k, values in reference.recalls(ids, config.k).items():
                figures[_at(cell, strength, **search).at(k), "recall", "task"] = float(np.nanmean(values))
    return figures


def _ignore(_: int) -> None:
    """Show no progress of a build: points are what the bar counts."""


def _pooled(points: Sequence[Figures]) -> list[Measurement]:
    """Average over seeds: rows with the range of the seeds as their interval."""
    together: dict[tuple[Where, str, str], list[float]] = {}
    for point in points:
        for key, value in point.items():
            together.setdefault(key, []).append(value)
    rows = []
    for (place, metric, reference), values in together.items():
        known = [value for value in values if not np.isnan(value)]
        middle, low, high = (float(f(known)) if known else float("nan") for f in (np.mean, np.min, np.max))
        rows.append(place.estimate(metric, Estimate(middle, low, high, len(known)), reference=reference))
    return rows

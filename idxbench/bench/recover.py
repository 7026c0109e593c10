"""The recover task: how well item-item similarities find clusters that are known, over models and seeds."""

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.embed import Embedded
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.panels import Panels
from idxbench.bench.plan import Plan
from idxbench.bench.session import Finding, Session
from idxbench.config.recover import Recover, RecoverModel
from idxbench.config.schema import SimulatedData
from idxbench.data.dataset import UNLABELED, Dataset, Labels
from idxbench.errors import DataError, Problem
from idxbench.machine import cache_root
from idxbench.measures.clusters import ari
from idxbench.measures.kmeans import PreparedItems
from idxbench.measures.recovery import (
    CHANCE_ARI,
    CHANCE_AUC,
    halves,
    over_seeds,
    pair_auc,
    sample_labelled,
    supervised_map,
)
from idxbench.records import Measurement, Notice, compact_json
from idxbench.store.files import unwritable
from idxbench.store.rundir import Failure
from idxbench.strategies.catalogue import Space, fit

SUPERVISED = Space("task-specific M", (), "cosine", "supervised")
BOUNDS = {"auc": (0.0, 1.0), "ari": (-1.0, 1.0)}
# Where every figure of every seed is kept; ``measurements.csv`` holds means over seeds.
PER_SEED = "recover.csv"


@dataclass(frozen=True)
class World:
    """The items of one model under one seed.

    Parameters
    ----------
    model
        Its name; empty where there is only one.
    seed
        What the data was drawn with.
    items
        (n, d) as the model made them.
    labels
        The true class of each item.
    popularity
        (n,) users of each item, or None where that is not known.
    vectors
        Makes each strategy's items, (n, d') each.
    notices
        What the data told.
    """

    model: str
    seed: int
    items: NDArray[Any]
    labels: Labels
    popularity: NDArray[np.int64] | None
    vectors: Callable[[Space], NDArray[Any]]
    notices: tuple[Notice, ...] = ()

    @property
    def codes(self) -> NDArray[np.int64]:
        """The classes as numbers, -1 for none."""
        return self.labels.codes


@dataclass(frozen=True)
class Found:
    """What one strategy recovered in one world."""

    model: str
    strategy: str
    similarity: str
    seed: int
    auc: float
    ari: float


def recover(session: Session, inputs: Inputs, plan: Plan, embedded: Sequence[Embedded]) -> None:
    """Measure every strategy on every model and seed of the table ``[recover]``, where the config has one."""
    asked = session.config.recover
    if asked is None:
        return
    models = [model.name for model in asked.models]
    spaces = plan.spaces if _fitted_here(session, asked) else tuple(one.space for one in embedded)
    session.facts["recover"] = _facts(session, asked, models)
    if not plan.tasks:
        # They speak of queries that are asked: none is, and all are there to fit on.
        session.notices = [one for one in session.notices if one.code not in ("queries-split", "queries-sampled")]
    session.save()
    draws = list(_draws(session, inputs, asked, embedded))
    found = _in_worlds(session, asked, draws, spaces)
    for name in models:
        build = compact_json({"model": name}) if name else ""
        rows = list(_rows([one for one in found if one.model == name], build))
        whole = all(session.directory.has(_unit(place)) for draw in draws for place in draw.places if place[0] == name)
        failure = None if whole else Failure("", "", build, (), "a strategy could not be fitted")
        session.once({"kind": "recover", "model": name}, partial(Finding, rows, failure))
    if not found or all(math.isnan(one.auc) for one in found):
        text = "no two labelled items share a class, or all do: there is nothing to recover"
        session.notices.append(Notice("nothing-to-recover", text, "look at the labels"))
    where = Where("recover")
    chance = [where.value("auc", CHANCE_AUC, reference="chance"), where.value("ari", CHANCE_ARI, reference="chance")]
    session.once({"kind": "recover", "reference": "chance"}, partial(Finding, chance))
    try:
        _write_seeds(session, found)
    except OSError as error:
        raise unwritable(session.directory.path, error) from None


@dataclass(frozen=True)
class Draw:
    """Worlds that are made together.

    Parameters
    ----------
    places
        Model and seed of each.
    worlds
        Makes them, in that order.
    """

    places: tuple[tuple[str, int], ...]
    worlds: Callable[[], Iterator[World]]


def _unit(place: tuple[str, int]) -> dict[str, Any]:
    return {"kind": "recover", "model": place[0], "seed": place[1]}


def _in_worlds(session: Session, asked: Recover, draws: Sequence[Draw], spaces: Sequence[Space]) -> list[Found]:
    """Measure in every world, once, and save the panels of those of the first seed."""
    directory, first = session.directory, _first_seed(session)
    panels, drawing = Panels(asked, spaces, session.config.seed), {"kind": "recover-panels"}
    shown = asked.heatmaps is not False and not directory.has(drawing)
    steps = len(spaces) + asked.supervised
    found: list[Found] = []
    with session.progress.stage("recover", sum(len(draw.places) for draw in draws) * steps) as advance:
        for draw in draws:
            show = shown and draw.places[0][1] == first
            done = all(directory.has(_unit(place)) for place in draw.places) and not show
            worlds = repeat(None) if done else draw.worlds()
            # Places first: nothing may be drawn that no place is left for.
            for place, world in zip(draw.places, worlds, strict=False):
                told = session.once(_unit(place), partial(_in_world, session, asked, world, spaces))
                found += [_read_found(one) for one in told.get("found", ())]
                if world is not None and show:
                    panels.add(world.model, world.items, world.labels, world.popularity, world.vectors)
                advance(steps)

    def save() -> Finding:
        try:
            panels.save(directory.path)
        except OSError as error:
            raise unwritable(directory.path, error) from None
        return Finding()

    if shown:
        session.once(drawing, save)
    return found


def _in_world(session: Session, asked: Recover, world: World | None, spaces: Sequence[Space]) -> Finding:
    """Measure one world; its figures are kept, and become rows once those of all seeds are there."""
    assert world is not None  # those that are done are not drawn, and not measured
    n_failures = len(session.failures)
    if world.seed == _first_seed(session):
        told = [one for one in world.notices if one not in session.notices]
        session.notices += [replace(one, text=_named(world.model, one.text)) for one in told]
    found = [_plain(one) for one in _measure(session, asked, world, spaces)]
    failed = session.failures[n_failures:]
    return Finding((), failed[0] if failed else None, {"found": found})


def _plain(found: Found) -> dict[str, Any]:
    """Write figures as plain JSON values; NaN, which JSON has no word for, becomes None."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(found).items()
    }


def _read_found(given: Mapping[str, Any]) -> Found:
    values: dict[str, Any] = {key: math.nan if value is None else value for key, value in given.items()}
    return Found(**values)


def _facts(session: Session, asked: Recover, models: Sequence[str]) -> dict[str, Any]:
    return {
        "seeds": asked.seeds,
        "models": list(models),
        "kmeans_seeds": session.config.clusters.seeds,
        "sample": asked.sample,
        "interval": "Student's t over seeds" if asked.seeds > 1 else "none: one seed",
    }


def _fitted_here(session: Session, asked: Recover) -> bool:
    return isinstance(session.config.data, SimulatedData) or asked.model is not None


def _first_seed(session: Session) -> int:
    return int(getattr(session.config.data, "seed", 0))


def _named(model: str, text: str) -> str:
    return f"{model}: {text}" if model else text


def _draws(session: Session, inputs: Inputs, asked: Recover, embedded: Sequence[Embedded]) -> Iterator[Draw]:
    first = _first_seed(session)
    if isinstance(session.config.data, SimulatedData):
        for seed in range(first, first + asked.seeds):
            places = tuple((model.name, seed) for model in asked.models)
            yield Draw(places, partial(_simulated, session, session.config.data, asked, seed))
    elif asked.model is not None:
        for model in asked.models:
            yield Draw(((model.name, first),), partial(_refitted, session, model))
    else:
        by_name = {one.space.name: one.items for one in embedded}
        labels = _labels(inputs.dataset)
        world = World("", first, inputs.items, labels, None, lambda space: by_name[space.name])
        yield Draw((("", first),), lambda: iter([world]))


def _simulated(session: Session, data: SimulatedData, asked: Recover, seed: int) -> Iterator[World]:
    from idxbench.data.sources.simulated import simulated_models
    from idxbench.models.fitting import ModelChoice
    from idxbench.models.preparation import popularity
    from idxbench.models.simulation import SIMULATION_KEYS, simulate

    given = data.model_dump()
    settled = [given | model.changes() for model in asked.models]
    keys = {field.name for field in fields(ModelChoice)}
    choices = [ModelChoice(**{key: value for key, value in one.items() if key in keys}) for one in settled]
    drawn = simulate(seed=seed, **{key: given[key] for key in SIMULATION_KEYS})
    popular = popularity(drawn.interactions)
    for model, dataset in zip(asked.models, simulated_models(drawn, data.n_clusters, choices), strict=True):
        yield _world(session, model, dataset, seed, popular)


def _refitted(session: Session, model: RecoverModel) -> Iterator[World]:
    from idxbench.data.load import load

    data = session.config.data.model_copy(update=model.changes())
    yield _world(session, model, load(data, cache_root()).dataset, _first_seed(session), None)


def _world(
    session: Session, model: RecoverModel, dataset: Dataset, seed: int, popular: NDArray[np.int64] | None
) -> World:
    def vectors(space: Space) -> NDArray[Any]:
        # No query is asked in this task, so all of them are there to fit on.
        fitted = fit(space.transforms, dataset.items, dataset.queries, same_space=False, threads=session.threads)
        return fitted.items(np.asarray(dataset.items, np.float64))

    return World(model.name, seed, dataset.items, _labels(dataset), popular, vectors, dataset.notices)


def _labels(dataset: Dataset) -> Labels:
    if dataset.labels is None:  # `check_recover` lets no such data pass
        raise DataError(Problem("recover", "labels, one class per item", "none"))
    return dataset.labels


def _measure(session: Session, asked: Recover, world: World, spaces: Iterable[Space]) -> Iterator[Found]:
    rows = sample_labelled(world.codes, asked.sample, session.config.seed)
    for space in spaces:
        try:
            items = world.vectors(space)
            figures = pair_auc(items[rows], world.codes[rows], space.similarity, threads=session.threads)
            yield _found(world, space, figures, _mean_ari(session, items, world.codes, space))
        except DataError as error:
            _fail(session, world, space, error)
    if asked.supervised:
        yield from _supervised(session, world, rows)


def _found(world: World, space: Space, pairs: float, clusters: float) -> Found:
    return Found(world.model, space.name, space.similarity, world.seed, pairs, clusters)


def _mean_ari(session: Session, items: NDArray[Any], codes: NDArray[np.int64], space: Space) -> float:
    """Cluster into as many clusters as there are classes, from several seeds; dot has no k-means."""
    n_classes = len(np.unique(codes[codes != UNLABELED]))
    if space.similarity == "dot" or n_classes < 2:
        return math.nan
    prepared = PreparedItems(items, spherical=space.similarity == "cosine", threads=session.threads)
    values = []
    for seed in range(session.config.seed, session.config.seed + session.config.clusters.seeds):
        labels = prepared.cluster(prepared.start(n_classes, seed), session.config.clusters.iterations).labels
        values.append(ari(labels, codes))
    return float(np.mean(values))


def _supervised(session: Session, world: World, rows: NDArray[np.int64]) -> Iterator[Found]:
    """Fit on one half of the labels and measure on the other, both ways round, and yield the mean."""
    items = np.asarray(world.items[rows], np.float64)
    codes = world.codes[rows]
    split = halves(codes, items.shape[1], session.config.seed)
    if split is None:
        notice = Notice(
            "supervised-left-out",
            _named(world.model, f"{len(rows)} labelled items are too few to fit {items.shape[1]} dimensions on half"),
        )
        session.notices += [] if notice in session.notices else [notice]
        return
    figures = []
    for fitted_on, measured_on in (split, split[::-1]):
        mapped = supervised_map(items, codes, fitted_on, measured_on)
        pairs = pair_auc(mapped, codes[measured_on], "cosine", threads=session.threads)
        figures.append((pairs, _mean_ari(session, mapped, codes[measured_on], SUPERVISED)))
    pairs, clusters = np.mean(figures, axis=0)
    yield _found(world, SUPERVISED, float(pairs), float(clusters))


def _fail(session: Session, world: World, space: Space, error: DataError) -> None:
    reason = "; ".join(f"{one.where}: expected {one.expected}, found {one.found}" for one in error.problems)
    failure = Failure(space.name, "", compact_json({"model": world.model}) if world.model else "", (), reason)
    if failure not in session.failures:
        session.failures.append(failure)
        text = f"{_named(world.model, space.name)} could not be fitted: {reason}"
        session.notices.append(Notice("recover-failed", text))


def _rows(found: Sequence[Found], build: str) -> Iterator[Measurement]:
    by_strategy: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        by_strategy[one.strategy, one.similarity].append(one)
    for (strategy, similarity), seeds in by_strategy.items():
        where = Where("recover", strategy, similarity, build=build)
        for metric, bounds in BOUNDS.items():
            estimate = over_seeds([getattr(one, metric) for one in seeds], bounds)
            if estimate.n:
                yield where.estimate(metric, estimate, reference="labels")


def _write_seeds(session: Session, found: Sequence[Found]) -> None:
    names = [field.name for field in fields(Found)]
    with (session.directory.path / PER_SEED).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for one in found:
            values = [getattr(one, name) for name in names]
            writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value for value in values])

"""From the table ``[data]`` to vectors: files, built-in sources, labels, and the split into queries."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.base import ArrayFile
from idxbench.config.schema import (
    AnnBenchmarksData,
    AnyData,
    FactorizedData,
    FilesData,
    GaussianData,
    SimulatedData,
    Trained,
)
from idxbench.data.dataset import Dataset, Labels
from idxbench.data.vectors import Role
from idxbench.errors import DataError, Problem
from idxbench.records import Notice


@dataclass(frozen=True)
class Loaded:
    """A data set and how its model was trained.

    Parameters
    ----------
    dataset
        As it lies in its files, before anything is held out.
    trained_with, towers
        Declared in the config, or known from the source.
    where
        What to call items and queries in messages: their files.
    """

    dataset: Dataset
    trained_with: Trained
    towers: int
    where: dict[str, str]


def load(data: AnyData, cache_dir: Path, on_progress: Any = None) -> Loaded:
    """Load what the config's ``[data]`` names.

    Parameters
    ----------
    data
        The checked table.
    cache_dir
        Where downloads are kept unless the table says otherwise.
    on_progress
        Told ``(bytes so far, bytes in all or None)`` while something is downloaded.

    Raises
    ------
    DataError
        Everything that is missing, broken, or does not fit.
    """
    trained_with = data.trained_with
    item_ids: NDArray[np.int64] | None = None
    if isinstance(data, FilesData):
        dataset = _from_files(data)
    elif isinstance(data, GaussianData):
        from idxbench.data.sources.gaussian import gaussian

        dataset = gaussian(
            data.n_items,
            data.n_queries,
            data.n_dims,
            spectrum_decay=data.spectrum_decay,
            norm_spread=data.norm_spread,
            clusters=data.clusters,
            cluster_spread=data.cluster_spread,
            seed=data.seed,
        )
    elif isinstance(data, SimulatedData):
        from idxbench.data.sources.simulated import simulated

        dataset = simulated(**data.model_dump(exclude={*_COMMON, "source"}))
    elif isinstance(data, FactorizedData):
        from idxbench.data.sources.factorized import factorized

        dataset, item_ids, _ = factorized(**data.model_dump(exclude={*_COMMON, "source"}))
    elif isinstance(data, AnnBenchmarksData):
        dataset, trained_with = _from_ann_benchmarks(data, cache_dir, on_progress)
    else:
        from idxbench.data.sources.digits import digits

        dataset = digits()
    dataset = _with_labels(dataset, data, item_ids)
    towers = data.towers or (2 if dataset.queries is not None else 1)
    return Loaded(dataset, trained_with, towers, _where(data))


def _where(data: AnyData) -> dict[str, str]:
    where = {"items": "items", "queries": "queries"}
    if isinstance(data, FilesData):
        where["items"] = f"{data.items.path}: items"
        if data.queries is not None:
            where["queries"] = f"{data.queries.path}: queries"
    return where


_COMMON = ("trained_with", "towers", "labels", "query_labels", "holdout")


def _from_files(data: FilesData) -> Dataset:
    from idxbench.data.groundtruth import read_groundtruth
    from idxbench.data.vectors import read_vectors

    problems: list[Problem] = []
    notices: list[Notice] = []
    arrays: dict[str, NDArray[Any]] = {}
    roles: tuple[tuple[Role, ArrayFile | None], ...] = (("items", data.items), ("queries", data.queries))
    for role, file in roles:
        if file is None:
            continue
        try:
            vectors = read_vectors(file.path, file.key, role=role)
            arrays[role], notice = _without_augmentation(file, vectors)
            notices += [notice] if notice else []
        except DataError as error:
            problems += error.problems
    neighbors = None
    if data.neighbors is not None:
        try:
            neighbors = read_groundtruth(data.neighbors.path, key=data.neighbors.key).ids
        except DataError as error:
            problems += error.problems
    for extra in (data.labels, data.query_labels):
        if extra is not None and not extra.path.is_file():
            problems.append(Problem(str(extra.path), "a file of labels", "no such file"))
    if problems:
        raise DataError(problems)
    queries = arrays.get("queries")
    if neighbors is not None and queries is not None and len(neighbors) != len(queries):
        raise DataError(
            Problem(
                str(data.neighbors.path if data.neighbors else ""),
                f"{len(queries)} rows, one per query",
                f"{len(neighbors)} rows",
            )
        )
    return Dataset(data.items.path.name, arrays["items"], queries, neighbors=neighbors, notices=tuple(notices))


def _without_augmentation(file: ArrayFile, vectors: NDArray[Any]) -> tuple[NDArray[Any], Notice | None]:
    """Leave out the column that some dot-product files append (``lastfm-64-dot`` has 65)."""
    if file.path.suffix.lower() not in (".hdf5", ".h5"):
        return vectors, None
    from idxbench.data.hdf5 import without_augmentation

    return without_augmentation(file.path, vectors)


def _from_ann_benchmarks(data: AnnBenchmarksData, cache_dir: Path, on_progress: Any) -> tuple[Dataset, Trained]:
    from idxbench.data.hdf5 import read_ann_benchmarks
    from idxbench.data.sources.ann_benchmarks import fetch

    path = fetch(
        data.name,
        base_url=data.base_url,
        sha256=data.sha256,
        cache_dir=data.cache_dir or cache_dir / "ann-benchmarks",
        on_progress=on_progress,
    )
    dataset, similarity = read_ann_benchmarks(path)
    trained = data.trained_with if data.trained_with != "unknown" else similarity
    return dataset, trained


def _with_labels(dataset: Dataset, data: AnyData, item_ids: NDArray[np.int64] | None) -> Dataset:
    if data.labels is not None:
        labels, notices = _read_labels(data.labels, len(dataset.items), "items", item_ids)
        dataset = replace(dataset, labels=labels, notices=dataset.notices + notices)
    if data.query_labels is not None and dataset.queries is not None:
        labels, notices = _read_labels(data.query_labels, len(dataset.queries), "queries", None)
        dataset = replace(dataset, query_labels=labels, notices=dataset.notices + notices)
    return dataset


def _read_labels(
    file: ArrayFile, n_rows: int, name: str, ids: NDArray[np.int64] | None
) -> tuple[Labels, tuple[Notice, ...]]:
    from idxbench.data.labels import read_labels

    labels, notices = read_labels(file.path, key=file.key)
    n_labels = len(labels.codes)
    if n_labels == n_rows:
        return labels, notices
    if ids is not None and int(ids.min()) >= 0 and n_labels > int(ids.max()):
        # A ratings table numbers items by rows of a catalogue that also lists items nobody rated.
        notice = Notice(
            "labels-by-id",
            f"{file.path.name} labels {n_labels} catalogue rows; the {n_rows} rated items took theirs by id",
        )
        return labels.take(ids), (*notices, notice)
    raise DataError(Problem(str(file.path), f"{n_rows} labels, one per row of {name}", f"{n_labels} labels"))


def hold_out_counts(dataset: Dataset, n_queries: int) -> tuple[int, int]:
    """Return how many items and queries there are once some are held out."""
    if dataset.queries is not None:
        return len(dataset.items), len(dataset.queries)
    if n_queries >= len(dataset.items):
        raise DataError(Problem("data.holdout", f"fewer than the {len(dataset.items)} items there are", str(n_queries)))
    return len(dataset.items) - n_queries, n_queries


def hold_out(dataset: Dataset, n_queries: int, seed: int) -> Dataset:
    """Take items out at random and make them the queries; both keep their order.

    Raises
    ------
    DataError
        Fewer than one item would be left.
    """
    n_items = len(dataset.items)
    hold_out_counts(dataset, n_queries)
    chosen = np.zeros(n_items, bool)
    chosen[np.random.default_rng(seed).choice(n_items, n_queries, replace=False)] = True
    taken, left = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    labels = dataset.labels
    return replace(
        dataset,
        items=np.asarray(dataset.items[left]),
        queries=np.asarray(dataset.items[taken]),
        labels=labels.take(left) if labels else None,
        query_labels=labels.take(taken) if labels else None,
        neighbors=None,
    )


def sample_queries(dataset: Dataset, limit: int, seed: int) -> tuple[Dataset, NDArray[np.int64]]:
    """Keep at most ``limit`` queries (0 for all), chosen at random, in their order, and return their rows."""
    n_queries = 0 if dataset.queries is None else len(dataset.queries)
    rows = np.arange(n_queries)
    if dataset.queries is None or not 0 < limit < n_queries:
        return dataset, rows
    rows = np.sort(np.random.default_rng(seed).choice(n_queries, limit, replace=False))
    return (
        replace(
            dataset,
            queries=np.asarray(dataset.queries[rows]),
            query_labels=dataset.query_labels.take(rows) if dataset.query_labels else None,
            neighbors=None if dataset.neighbors is None else dataset.neighbors[rows],
        ),
        rows,
    )

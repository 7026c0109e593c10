"""Everything cheap that can be wrong is found here, before any work: shapes, depths, counts, values."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.progress import Advance, Progress
from idxbench.config.schema import Config, Trained
from idxbench.config.transforms import (
    SAME_WIDTH,
    Augmented,
    DropTop,
    Projected,
    Rescaled,
    TransformSpec,
    Whitened,
    needs_queries,
)
from idxbench.data.check import VectorReport, check_vectors, check_widths
from idxbench.data.dataset import Dataset
from idxbench.data.fingerprint import fingerprint
from idxbench.data.load import Loaded, hold_out, hold_out_counts, load, sample_queries
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.machine import cache_root, usable_cores
from idxbench.records import Notice
from idxbench.strategies.projected import read_map

# Queries that strategies are fitted on: more would take room and tell hardly more.
MOST_FITTED = 1 << 18


@dataclass(frozen=True)
class Inputs:
    """The vectors a run works on, checked and split.

    Parameters
    ----------
    dataset
        Items, and the queries that will be asked (held out or sampled as the config says).
    trained_with, towers
        How the model was trained.
    fingerprints
        Content hashes of items and queries.
    reports
        What the check saw of ``items`` and ``queries`` as they came, before any were held out or sampled.
    n_queries_given
        Queries before sampling.
    notices
        What the reader must know.
    fit_queries
        Queries that strategies are fitted on, none of them among those asked. None where none is needed.
    all_queries
        All that were given, or held out of the items.
    """

    dataset: Dataset
    trained_with: Trained
    towers: int
    fingerprints: dict[str, str]
    reports: dict[str, VectorReport]
    n_queries_given: int
    notices: tuple[Notice, ...]
    fit_queries: NDArray[Any] | None = None
    all_queries: NDArray[Any] | None = None

    @property
    def items(self) -> NDArray[Any]:
        """The items."""
        return self.dataset.items

    @property
    def queries(self) -> NDArray[Any] | None:
        """The queries, if there are any."""
        return self.dataset.queries

    @property
    def same_space(self) -> bool:
        """Whether queries live where items live, so that what is done to one may be done to the other."""
        return self.towers == 1 or self.trained_with in ("cosine", "l2")


def load_inputs(config: Config, config_name: str, progress: Progress) -> Inputs:
    """Load, hold out, check sizes, then read every vector once.

    Raises
    ------
    ConfigError, DataError
        What is wrong with the config or the data.
    """
    with progress.stage("load", 1000) as advance:
        loaded = load(config.data, cache_root(), _in_thousandths(advance))
        given = loaded.dataset
        _, n_queries = check_shapes(config, config_name, loaded)
    with progress.stage("check and fingerprint", 2) as advance:
        # Before anything is held out or sampled, so that messages name the rows of the files.
        reports = {"items": check_vectors(given.items, loaded.where["items"])}
        if given.queries is not None:
            reports["queries"] = check_vectors(given.queries, loaded.where["queries"])
        advance(1)
        whole = hold_out(given, config.data.holdout, config.seed) if config.data.holdout else given
        dataset, fit_queries = split_queries(whole, config)
        fingerprints = {"items": fingerprint(dataset.items)}
        if dataset.queries is not None:
            fingerprints["queries"] = fingerprint(dataset.queries)
        advance(1)
    notices = (*dataset.notices, *_notices(config, replace(loaded, dataset=dataset), reports, n_queries, fit_queries))
    return Inputs(
        dataset,
        loaded.trained_with,
        loaded.towers,
        fingerprints,
        reports,
        n_queries,
        notices,
        fit_queries,
        whole.queries,
    )


def splits_queries(config: Config) -> bool:
    """Tell whether a strategy, or what follows a probe, is fitted on queries, which then can't be asked."""
    fitted = [*(one.transform for one in config.strategy), *(probe.then or () for probe in config.probe)]
    return any(needs_queries(spec) for transforms in fitted for spec in transforms)


def split_queries(dataset: Dataset, config: Config) -> tuple[Dataset, NDArray[Any] | None]:
    """Choose the queries to ask, and where a strategy is fitted on queries, others for that: half, or what is left.

    Raises
    ------
    ConfigError
        One query can't be both.
    """
    queries = dataset.queries
    if queries is None or not splits_queries(config):
        return sample_queries(dataset, config.measure.queries, config.seed)[0], None
    half = len(queries) // 2
    if half == 0:
        raise ConfigError(
            Problem("strategy", "at least 2 queries: some to fit on and others to ask", f"{len(queries)}")
        )
    limit = min(config.measure.queries or half, half)
    asked, rows = sample_queries(dataset, limit, config.seed)
    left = np.setdiff1d(np.arange(len(queries)), rows)
    if len(left) > MOST_FITTED:
        left = np.sort(np.random.default_rng(config.seed).choice(left, MOST_FITTED, replace=False))
    return asked, np.asarray(queries[left])


def check_shapes(config: Config, config_name: str, loaded: Loaded) -> tuple[int, int]:
    """Compare the config with the shapes of the data, before a value is read; return the items and queries to be.

    Raises
    ------
    ConfigError, DataError
        Widths, holdout, depths, counts, axes or scales that do not fit.
    """
    given = loaded.dataset
    if given.queries is not None:
        check_widths(given.items, given.queries, loaded.where["items"], loaded.where["queries"])
        if config.data.holdout:
            raise ConfigError(
                Problem(
                    f"{config_name}: data.holdout",
                    "queries from the data or from holdout, not both",
                    f"holdout = {config.data.holdout}, and the data brings queries of its own",
                )
            )
    n_items, n_queries = hold_out_counts(given, config.data.holdout)
    check_sizes(config, config_name, n_items, n_queries)
    check_transforms(config, config_name, int(given.items.shape[1]))
    return n_items, n_queries


def _in_thousandths(advance: Advance) -> Callable[[int, int | None], None]:
    """Turn the bytes of a download into steps of a bar of 1,000."""
    shown = 0

    def tell(done: int, total: int | None) -> None:
        nonlocal shown
        if total:
            step = min(1000, 1000 * done // total)
            advance(step - shown)
            shown = step

    return tell


def check_transforms(config: Config, config_name: str, n_dims: int) -> None:
    """Compare the axes and scales of transforms with the width of the data.

    Raises
    ------
    ConfigError
        All that do not fit, at once.
    """
    problems = []
    for i, strategy in enumerate(config.strategy):
        width: int | None = n_dims
        for j, spec in enumerate(strategy.transform):
            if width is None:
                break  # what a fit keeps is known once it is made
            key = f"{config_name}: strategy[{i}].transform" + (f"[{j}]" if len(strategy.transform) > 1 else "")
            problems += _transform_problems(spec, key, width)
            width = None if problems else _width_after(spec, width)
    if problems:
        raise ConfigError(problems)


def _transform_problems(spec: TransformSpec, key: str, n_dims: int) -> list[Problem]:
    """Compare one transform with the width of the vectors that it gets."""
    problems = []
    if isinstance(spec, Rescaled) and spec.axis is not None and spec.axis >= n_dims:
        problems.append(Problem(f"{key}.axis", f"0 to {n_dims - 1}, an axis of the items", str(spec.axis)))
    if isinstance(spec, Rescaled) and isinstance(spec.scales, tuple) and len(spec.scales) != n_dims:
        expected = f"{n_dims} numbers, one per axis of the items"
        problems.append(Problem(f"{key}.scales", expected, f"{len(spec.scales)} numbers"))
    if isinstance(spec, DropTop) and spec.components >= n_dims:
        problems.append(Problem(f"{key}.components", f"at most {n_dims - 1} of {n_dims}", str(spec.components)))
    if isinstance(spec, Whitened) and spec.rank is not None and spec.rank > n_dims:
        problems.append(Problem(f"{key}.rank", f"at most {n_dims}, the width of the vectors", str(spec.rank)))
    if isinstance(spec, Projected):
        for name, path in (("items", spec.items), ("queries", spec.queries)):
            try:
                if path is not None:
                    read_map(path, n_dims)
            except DataError as error:
                problems += [replace(one, where=f"{key}.{name}: {one.where}") for one in error.problems]
    return problems


def _width_after(spec: TransformSpec, n_dims: int) -> int | None:
    """Return how wide a transform makes vectors; None where only its fit tells."""
    if isinstance(spec, Projected):
        return int(read_map(spec.items, n_dims).shape[1])
    if isinstance(spec, Augmented):
        return n_dims + 1
    return n_dims if isinstance(spec, SAME_WIDTH) else None


def check_sizes(config: Config, config_name: str, n_items: int, n_queries: int) -> None:
    """Compare depths and cluster counts with the number of items.

    Raises
    ------
    ConfigError
        A k or a count larger than the corpus: all of them at once.
    """
    problems = [
        Problem(f"{config_name}: k[{i}]", f"at most {n_items}, the number of items", str(k), "lower k")
        for i, k in enumerate(config.k)
        if k > n_items and "retrieve" in config.tasks and n_queries
    ]
    if "clusters" in config.model_fields_set and "cluster" in config.tasks:
        problems += [
            Problem(f"{config_name}: clusters.counts[{i}]", f"at most {n_items}, the number of items", str(n))
            for i, n in enumerate(config.clusters.counts)
            if n > n_items
        ]
    if problems:
        raise ConfigError(problems)


def _notices(
    config: Config, loaded: Loaded, reports: dict[str, VectorReport], n_given: int, fit_queries: NDArray[Any] | None
) -> list[Notice]:
    notices = []
    dataset = loaded.dataset
    if loaded.trained_with == "unknown":
        notices.append(
            Notice(
                "trained-with-unknown",
                "how the model was trained is not declared; answers are graded against the dot product",
                'say it under [data]: trained_with = "dot", "cosine" or "l2"',
            )
        )
    if dataset.queries is not None and fit_queries is not None:
        notices.append(
            Notice(
                "queries-split",
                f"{len(fit_queries)} of {n_given} queries, drawn by seed {config.seed}, fit the strategies that need "
                f"them; {len(dataset.queries)} others are asked",
            )
        )
    elif dataset.queries is not None and len(dataset.queries) < n_given:
        notices.append(
            Notice(
                "queries-sampled",
                f"{len(dataset.queries)} of {n_given} queries are asked, drawn by seed {config.seed}",
                "measure.queries = 0 asks all",
            )
        )
    if config.threads > usable_cores():
        notices.append(
            Notice(
                "threads-above-cores",
                f"{config.threads} threads on {usable_cores()} usable cores wait for each other: times mean little",
                "threads = 0 takes every usable core",
            )
        )
    for name, report in reports.items():
        notices += _row_notices(name, report)
    return notices


def _row_notices(name: str, report: VectorReport) -> list[Notice]:
    notices = []
    if report.n_zero_rows:
        rows = ", ".join(str(row) for row in report.zero_rows)
        notices.append(
            Notice(
                f"zero-rows-{name}",
                f"{report.n_zero_rows} of {report.n_rows} {name} are zero vectors (row {rows}): their cosine "
                "with everything counts as 0"
                + (", and under dot and cosine they are left out of recall" if name == "queries" else ""),
                "find out why the model gave them nothing; leave them out if they are placeholders",
            )
        )
    if name == "items" and report.n_duplicate_rows:
        share = report.n_duplicate_rows / report.n_rows
        notices.append(
            Notice(
                "duplicate-items",
                f"{report.n_duplicate_rows} items ({share:.1%}) repeat an earlier one: they tie in every "
                "ranking, and their order is that of their ids",
                "ties at the k-th score are credited in recall; deduplicate if they are the same thing twice",
            )
        )
    if np.dtype(report.dtype) != np.float32:
        notices.append(
            Notice(
                f"converted-{name}",
                f"{name} are {report.dtype}; indexes hold them as float32, the task reference uses them as given",
            )
        )
    return notices

"""Everything cheap that can be wrong is found here, before any work: shapes, depths, counts, values."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.progress import Progress
from idxbench.config.schema import Config, Trained
from idxbench.data.check import VectorReport, check_vectors, check_widths
from idxbench.data.dataset import Dataset
from idxbench.data.fingerprint import fingerprint
from idxbench.data.load import Loaded, hold_out, load, sample_queries
from idxbench.errors import ConfigError, Problem
from idxbench.records import Notice
from idxbench.truth.cache import cache_root


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
        What the check saw, for ``items`` and ``queries``.
    n_queries_given
        Queries before sampling.
    notices
        What the reader must know.
    """

    dataset: Dataset
    trained_with: Trained
    towers: int
    fingerprints: dict[str, str]
    reports: dict[str, VectorReport]
    n_queries_given: int
    notices: tuple[Notice, ...]

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
    with progress.stage("load", 1) as advance:
        loaded = load(config.data, cache_root())
        dataset = loaded.dataset
        if dataset.queries is not None:
            check_widths(dataset.items, dataset.queries, "items", "queries")
        if config.data.holdout and dataset.queries is None:
            dataset = hold_out(dataset, config.data.holdout, config.seed)
        elif config.data.holdout:
            raise ConfigError(
                Problem(
                    f"{config_name}: data.holdout",
                    "queries from the data or from holdout, not both",
                    f"holdout = {config.data.holdout}, and the data brings queries of its own",
                )
            )
        n_given = 0 if dataset.queries is None else len(dataset.queries)
        check_sizes(config, config_name, len(dataset.items), n_given)
        dataset, _ = sample_queries(dataset, config.measure.queries, config.seed)
        advance(1)
    with progress.stage("check and fingerprint", 2) as advance:
        reports = {"items": check_vectors(dataset.items, "items")}
        fingerprints = {"items": fingerprint(dataset.items)}
        advance(1)
        if dataset.queries is not None:
            reports["queries"] = check_vectors(dataset.queries, "queries")
            fingerprints["queries"] = fingerprint(dataset.queries)
        advance(1)
    notices = (*dataset.notices, *_notices(config, replace(loaded, dataset=dataset), reports, n_given))
    return Inputs(dataset, loaded.trained_with, loaded.towers, fingerprints, reports, n_given, notices)


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


def _notices(config: Config, loaded: Loaded, reports: dict[str, VectorReport], n_given: int) -> list[Notice]:
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
    if dataset.queries is not None and len(dataset.queries) < n_given:
        notices.append(
            Notice(
                "queries-sampled",
                f"{len(dataset.queries)} of {n_given} queries are asked, drawn by seed {config.seed}",
                "measure.queries = 0 asks all",
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
                "with everything counts as 0",
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

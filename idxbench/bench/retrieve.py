"""The retrieve task: what a strategy loses by itself, and what each index loses on top."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.embed import Embedded
from idxbench.bench.figures import Where
from idxbench.bench.plan import Build
from idxbench.bench.truths import Truth
from idxbench.config.schema import Config
from idxbench.data.dataset import Dataset
from idxbench.linalg.norms import norms
from idxbench.measures.intervals import Estimate, mean_interval, median_interval
from idxbench.measures.ranking import RankingCheck
from idxbench.measures.recall import recall_at_labels, recall_per_query, summary
from idxbench.measures.strata import found_by_part, norm_parts
from idxbench.records import Measurement, compact_json
from idxbench.store.round_rows import ROUND_METRICS, RoundRow
from idxbench.timing.child import BuildResult
from idxbench.timing.worker import Job, Mode
from idxbench.truth.exact import ExactIndex


@dataclass(frozen=True)
class Reference:
    """The task reference: exact search, on the vectors as they came, under what the model was trained with."""

    exact: ExactIndex
    truth: Truth
    dataset: Dataset

    @property
    def queries(self) -> NDArray[Any]:
        """The queries as they came."""
        if self.dataset.queries is None:
            raise ValueError("the retrieve task needs queries")
        return self.dataset.queries

    @property
    def pointless(self) -> NDArray[np.bool_]:
        """Which queries are zero vectors under dot or cosine: every answer is as good as any other."""
        if self.exact.mapping.by_distance:
            return np.zeros(len(self.queries), bool)
        return np.asarray(~np.any(self.queries, axis=1))

    @cached_property
    def norm_parts(self) -> NDArray[np.int8]:
        """The tenth, by norm, that each item belongs to."""
        return norm_parts(norms(np.asarray(self.dataset.items)))

    def recalls(self, ids: NDArray[np.int64], depths: Sequence[int]) -> dict[int, NDArray[np.float64]]:
        """Return each query's recall of found ids at every depth; NaN for pointless queries."""
        return _recalls(self.exact, self.queries, self.truth, ids, depths, self.pointless)

    def label_recall(self, ids: NDArray[np.int64], k: int) -> NDArray[np.float64] | None:
        """Return each query's share of same-label answers; None where there are no labels."""
        labels, asked = self.dataset.labels, self.dataset.query_labels
        return None if labels is None or asked is None else recall_at_labels(ids, k, labels, asked)


@dataclass(frozen=True)
class StrategyResult:
    """What exact search in a strategy's own space gives, per depth."""

    embedded: Embedded
    truth: Truth
    overlap: dict[int, NDArray[np.float64]]
    rows: list[Measurement]

    @property
    def n_queries(self) -> int:
        """How many queries every search is asked."""
        return 0 if self.embedded.queries is None else len(self.embedded.queries)


def _recalls(
    exact: ExactIndex,
    queries: NDArray[Any],
    truth: Truth,
    ids: NDArray[np.int64],
    depths: Sequence[int],
    left_out: NDArray[np.bool_],
) -> dict[int, NDArray[np.float64]]:
    """Grade found ids against a truth, ties at the k-th score credited; they are scored once for all depths."""
    scores = exact.score_ids(np.asarray(queries), ids)
    neighbors = truth.neighbors
    graded = {
        k: recall_per_query(ids, neighbors.ids, k, found_scores=scores, truth_scores=neighbors.scores) for k in depths
    }
    return {k: np.where(left_out, np.nan, values) for k, values in graded.items()}


def measure_strategy(
    embedded: Embedded, truth: Truth, reference: Reference, ranking: RankingCheck, config: Config
) -> StrategyResult:
    """Grade exact search in a strategy's space against the task reference and the labels."""
    space = embedded.space
    where = Where("retrieve", space.name, space.similarity)
    rows = [
        truth_time_row(where, truth, "own"),
        where.value("score_change", _finite(ranking.score_change), reference="task"),
        where.value("discordant_share", ranking.discordant_share, reference="task"),
    ]
    overlap = reference.recalls(truth.neighbors.ids, config.k)
    for k in config.k:
        place = where.at(k)
        estimate = mean_interval(overlap[k], seed=config.seed)
        lost = Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low, estimate.n)
        rows.append(place.estimate("exact_overlap", estimate, reference="task"))
        rows.append(place.estimate("metric_loss", lost, reference="task"))
        labelled = reference.label_recall(truth.neighbors.ids, k)
        if labelled is not None:
            rows.append(place.estimate("recall", mean_interval(labelled, seed=config.seed), reference="labels"))
    return StrategyResult(embedded, truth, overlap, rows)


def truth_time_row(where: Where, truth: Truth, reference: str) -> Measurement:
    """Return the seconds a truth took; NaN with n = 0 where it was not computed in this run."""
    computed = truth.origin == "computed"
    seconds, n = (truth.seconds, len(truth.neighbors.ids)) if computed else (math.nan, 0)
    return where.value("truth_time", seconds, "s", n=n, reference=reference)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def make_job(
    build: Build, embedded: Embedded, config: Config, threads: int, folder: Path, saved: Path, mode: Mode
) -> Job:
    """Say what a child process has to do for one build, in a folder made for it.

    Raises
    ------
    ValueError
        There are no queries.
    """
    if embedded.queries_path is None:
        raise ValueError("the retrieve task needs queries")
    environment = build.parameters.get("environment")
    return Job(
        mode=mode,
        items=str(embedded.items_path),
        queries=str(embedded.queries_path),
        out=str(folder),
        saved=str(saved),
        python=None if environment is None else str(config.environment[environment].python),
        kind=build.kind,
        parameters={name: value for name, value in build.parameters.items() if name not in ("seed", "environment")},
        searches=list(build.searches),
        similarity=build.space.similarity,
        k=max(config.k),
        seed=build.seed,
        build_threads=1 if config.measure.build_mode == "repeatable" else threads,
        search_threads=threads,
        rate=config.measure.rate,
    )


def build_rows(
    build: Build, result: BuildResult, strategy: StrategyResult, reference: Reference, config: Config
) -> list[Measurement]:
    """Return the figures of a build that no search parameter changes.

    ``recall_ceiling`` is the share of true neighbours that are reachable at all: no ef gets beyond it. A large
    share of unreachable items may cost nothing, where no query asks for them, or everything.
    """
    where = _place(build, "")
    ceilings = []
    for name, truth in (("own", strategy.truth), ("task", reference.truth)):
        for k in config.k:
            held = result.reachable[truth.neighbors.ids[:, :k]].mean(axis=1)
            ceilings.append(where.at(k).value("recall_ceiling", float(held.mean()), n=len(held), reference=name))
    return [
        *ceilings,
        where.value("build_time", result.build_s, "s"),
        where.value("index_bytes", result.index_bytes, "bytes"),
        where.value(
            "memory_peak",
            result.memory_peak,
            "bytes",
            reference="" if result.memory_exact else "inexact",
        ),
        where.value("unreachable_share", float(1 - result.reachable.mean())),
        where.value("batch_threads", result.batch_threads, "count"),
    ]


@dataclass(frozen=True)
class CellResult:
    """One cell: its rows, and the samples of every query."""

    search: dict[str, Any]
    rows: list[Measurement]
    samples: dict[str, NDArray[Any]]
    own_recall: float


@dataclass(frozen=True)
class Timed:
    """What one search found and took.

    Parameters
    ----------
    ids
        (q, k) int64, padded with -1.
    n_short
        Queries with fewer than k results.
    rounds
        What each round measured.
    single_s
        Seconds of each query that was timed alone, round by round.
    """

    ids: NDArray[np.int64]
    n_short: int
    rounds: tuple[RoundRow, ...]
    single_s: tuple[NDArray[np.float32], ...]


def cell_result(
    build: Build,
    search: dict[str, Any],
    timed: Timed,
    strategy: StrategyResult,
    reference: Reference,
    config: Config,
) -> CellResult:
    """Grade one search of a build."""
    where = _place(build, compact_json(search))
    rows: list[Measurement] = []
    samples: dict[str, NDArray[Any]] = {"latency": np.array(timed.single_s, np.float32)}
    embedded = strategy.embedded
    own = _recalls(
        embedded.exact,
        np.asarray(embedded.queries),
        strategy.truth,
        timed.ids,
        config.k,
        reference.pointless,
    )
    task = reference.recalls(timed.ids, config.k)
    for k in config.k:
        graded = {"own": own[k], "task": task[k]}
        labelled = reference.label_recall(timed.ids, k)
        if labelled is not None:
            graded["labels"] = labelled
        rows += _recall_rows(where.at(k), graded, strategy.overlap[k], config, samples)
        truth_ids = reference.truth.neighbors.ids[:, :k]
        samples[f"found_by_norm@{k}"] = found_by_part(timed.ids[:, :k], truth_ids, reference.norm_parts)
    rows += time_rows(where.at(max(config.k)), timed)
    deepest = own[max(config.k)]
    found = float(np.nanmean(deepest)) if np.isfinite(deepest).any() else math.nan
    return CellResult(search, rows, samples, found)


def _place(build: Build, search: str) -> Where:
    space = build.space
    return Where("retrieve", space.name, space.similarity, build.kind, build.build_json, search)


def _recall_rows(
    where: Where,
    graded: Mapping[str, NDArray[np.float64]],
    overlap: NDArray[np.float64],
    config: Config,
    samples: dict[str, NDArray[Any]],
) -> list[Measurement]:
    k = where.k
    rows = []
    for name, values in graded.items():
        samples[f"recall_{name}@{k}"] = values.astype(np.float32)
        told = summary(values, seed=config.seed)
        rows += [
            where.estimate("recall", told.mean, reference=name),
            where.value("recall_p05", told.p05, n=told.mean.n, reference=name),
            where.value("zero_recall_share", told.zero_share, n=told.mean.n, reference=name),
        ]
    # Paired by query: the loss of the index on top of what the strategy's exact search already lost.
    loss = mean_interval(overlap - graded["task"], seed=config.seed, bounds=(-1.0, 1.0))
    rows.append(where.estimate("index_loss", loss, reference="task"))
    return rows


def time_rows(where: Where, timed: Timed) -> list[Measurement]:
    """Return each time's median over rounds, with its interval: the round is the unit of replication.

    Queries within a round share its noise, and an interval over them is too narrow (81 % false alarms in A/A runs).
    What no round measured (client threads where there is one thread, a rate that was not asked for) has no row.
    """
    rows = []
    for metric in ROUND_METRICS:
        estimate = median_interval(np.array([getattr(row, metric) for row in timed.rounds]))
        if estimate.n or metric.startswith("latency"):
            rows.append(where.estimate(metric, estimate, "1/s" if metric.startswith("qps") else "s"))
    rows.append(where.value("short_results", timed.n_short, "count", n=len(timed.ids)))
    return rows

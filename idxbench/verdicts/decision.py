"""The decision of a run: the cheapest way to the declared recall, ties declared, or why there is none.

A configuration reaches the target when the whole 95 % interval of its recall against the task reference
lies at or above it. Of each index the smallest ef that does is a candidate; the candidate that answers one query
with one thread in the least time (median latency) is the cheapest. Candidates that took turns in the same rounds are
compared round by round: one ties with the cheapest unless the whole 95 % interval of their ratio lies above 1.05. Where
they did not, other minutes were other machines: the same work has been seen to take half as long again. So those within
a factor of 1.5 of the cheapest tie, as do those whose intervals over rounds overlap; where there were too few rounds
for an interval, all within a factor of 2. Replicates of one index that differ only by seed are one candidate, as good
as the worst of them.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idxbench.measures.intervals import median_interval
from idxbench.records import Measurement, Run, compact_json, plain_parameters
from idxbench.store.round_rows import RoundRow, counted, read_rounds

# A ratio over the same rounds that is worth a difference; ratios of other minutes that are not told apart.
TIE_PAIRED, TIE, TIE_WITHOUT_INTERVAL = 1.05, 1.5, 2.0


@dataclass(frozen=True)
class Candidate:
    """The smallest search of one built index that reaches the target.

    Parameters
    ----------
    strategy, similarity, index, build, search
        As in ``measurements.csv``.
    recall
        Against the task reference, with its interval.
    qps
        Of the batch; median over rounds, with its interval.
    latency
        Median of single queries on one thread, in seconds; median over rounds, with its interval.
    index_bytes
        Size of the index.
    """

    strategy: str
    similarity: str
    index: str
    build: str
    search: str
    recall: Measurement
    qps: Measurement
    latency: Measurement
    index_bytes: float


@dataclass(frozen=True)
class Miss:
    """An index that does not reach the target, and why."""

    strategy: str
    index: str
    build: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """What to serve at one depth.

    Parameters
    ----------
    k, target
        Depth, and the recall to reach.
    searched
        The largest k, which every search was made with.
    best
        The cheapest candidate, or None.
    ties
        Candidates that can't be told from the best by speed, fastest first.
    others
        Slower candidates, fastest first.
    misses
        Indexes that don't reach it, each with a reason.
    """

    k: int
    target: float
    searched: int
    best: Candidate | None
    ties: tuple[Candidate, ...]
    others: tuple[Candidate, ...]
    misses: tuple[Miss, ...]


def decide(run: Run) -> tuple[Decision, ...]:
    """Decide for every k of a run; empty when nothing was retrieved."""
    target = float(run.info["config"]["target_recall"])
    rows = [row for row in run.measurements if row.task == "retrieve"]
    depths = sorted({row.k for row in rows if row.metric == "recall" and row.reference == "task"})
    rounds = _rounds(read_rounds(run.path))
    return tuple(_decide_at(k, max(depths), target, rows, run.info, rounds) for k in depths)


# Median latencies of a cell, by (session, round).
Rounds = dict[tuple[str, str, str, str], dict[tuple[int, int], float]]


def _rounds(rows: Sequence[RoundRow]) -> Rounds:
    found: Rounds = {}
    for row in counted(rows):
        if row.copy == 0 and row.latency_p50 > 0:
            cell = (row.strategy, row.index, row.build, row.search)
            found.setdefault(cell, {})[row.session, row.round] = row.latency_p50
    return found


def _decide_at(
    k: int, searched: int, target: float, rows: Sequence[Measurement], info: Mapping[str, Any], rounds: Rounds
) -> Decision:
    find = _finder(rows)
    groups: dict[tuple[str, str, str], list[Measurement]] = {}
    for row in rows:
        if row.metric == "recall" and row.reference == "task" and row.k == k and row.index:
            groups.setdefault((row.strategy, row.index, _unseeded(row.build)), []).append(row)
    candidates, misses = [], []
    for (strategy, index, build), rows_of_group in groups.items():
        recalls = _worst_of_replicates(rows_of_group)
        reaching = [row for row in recalls if row.low >= target]
        if reaching:
            candidates.append(_candidate(reaching[0], build, find))
        else:
            misses.append(Miss(strategy, index, build, _reason(recalls, target, k, find)))
    reached = {(one.strategy, one.index, one.build) for one in candidates}
    misses += [miss for miss in _failed(info) if (miss.strategy, miss.index, miss.build) not in reached]
    candidates.sort(key=lambda one: one.latency.value)
    tied = [one for one in candidates if _tie(candidates[0], one, rounds)]
    others = tuple(one for one in candidates if one not in tied)
    return Decision(k, target, searched, tied[0] if tied else None, tuple(tied[1:]), others, tuple(misses))


def _unseeded(build: str) -> str:
    if not build:
        return build
    return compact_json({name: value for name, value in json.loads(build).items() if name != "seed"})


def _worst_of_replicates(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return one row per search, by effort: of several builds that differ by seed, the one that found least."""
    worst: dict[str, Measurement] = {}
    for row in rows:
        if row.search not in worst or row.low < worst[row.search].low:
            worst[row.search] = row
    return sorted(worst.values(), key=_effort)


Find = Callable[..., Measurement | None]


def _finder(rows: Sequence[Measurement]) -> Find:
    table = {(row.strategy, row.index, row.build, row.search, row.metric, row.reference, row.k): row for row in rows}

    def find(
        row: Measurement, metric: str, *, reference: str = "", k: int | None = 0, level: str = "cell"
    ) -> Measurement | None:
        index = row.index if level != "strategy" else ""
        build = row.build if level != "strategy" else ""
        search = row.search if level == "cell" else ""
        if k is not None:
            return table.get((row.strategy, index, build, search, metric, reference, k))
        deepest = [key for key in table if key[:6] == (row.strategy, index, build, search, metric, reference)]
        return table[max(deepest, key=lambda key: key[6])] if deepest else None

    return find


def _effort(row: Measurement) -> float:
    return float(json.loads(row.search).get("ef", math.inf)) if row.search else 0.0


def _candidate(recall: Measurement, build: str, find: Find) -> Candidate:
    qps = find(recall, "qps_batch", k=None)
    p50 = find(recall, "latency_p50", k=None)
    size = find(recall, "index_bytes", level="build")
    if qps is None or p50 is None:
        raise ValueError(f"no times for {recall.strategy} {recall.index} {recall.search}")
    return Candidate(
        recall.strategy,
        recall.similarity,
        recall.index,
        build,
        recall.search,
        recall,
        qps,
        p50,
        math.nan if size is None else size.value,
    )


def _tie(best: Candidate, other: Candidate, rounds: Rounds) -> bool:
    of_best, of_other = (
        rounds.get((one.strategy, one.index, one.recall.build, one.search), {}) for one in (best, other)
    )
    ratios = [math.log(of_other[turn] / of_best[turn]) for turn in of_best.keys() & of_other.keys()]
    paired = median_interval(np.array(ratios))
    if not math.isnan(paired.low):
        return paired.low <= math.log(TIE_PAIRED)
    bare = math.isnan(best.latency.low) or math.isnan(other.latency.low)
    if other.latency.value < best.latency.value * (TIE_WITHOUT_INTERVAL if bare else TIE):
        return True
    return not bare and other.latency.low <= best.latency.high


def _reason(recalls: Sequence[Measurement], target: float, k: int, find: Find) -> str:
    last = max(recalls, key=lambda row: row.value)
    exact = find(last, "exact_overlap", reference="task", k=k, level="strategy")
    if exact is not None and exact.value < target:
        return (
            f"transform loss: exact search in this space reaches {exact.value:.3f}, so no index and no ef can do better"
        )
    if last.value >= target:
        return f"too few queries: {last.n} of them show {last.value:.3f} with a 95 % interval from {last.low:.3f}"
    if not last.search:
        return (
            f"rounding: it looks at every item, and recall is {last.value:.3f} all the same: its arithmetic can't tell "
            "the best items apart"
        )
    where = f"recall is {last.value:.3f} at its best ({plain_parameters(last.search)})"
    ceiling = find(last, "recall_ceiling", reference="task", k=k, level="build")
    if ceiling is not None and ceiling.value < target:
        return (
            f"unreachable items: {1 - ceiling.value:.1%} of the true answers have no path to them, so no ef gets "
            f"beyond {ceiling.value:.3f}; {where}: change the strategy, or try a larger M"
        )
    return f"ef range: {where}: raise ef, M or ef_construction"


def _failed(info: Mapping[str, Any]) -> list[Miss]:
    return [
        Miss(failure["strategy"], failure["index"], failure["build"], f"failed: {failure['reason']}")
        for failure in info.get("failures", ())
    ]

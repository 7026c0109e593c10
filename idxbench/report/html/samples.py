"""Pictures of what single queries got: their latency, their recall, and recall by the norm of the answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from idxbench.measures.distributions import LEVELS, REACHED, latency_curve, share_reaching
from idxbench.records import Run
from idxbench.report.html.pictures import Column, Picture, Value, control, parameters
from idxbench.report.html.retrieve import PLACE, SEARCH, search_control
from idxbench.store.samples import CellSamples, read_samples
from idxbench.verdicts.decision import Decision

# Of a cell, beside its latency: recall_task@<k>, and found_by_norm@<k>: (2, parts) of the items by norm, how many of
# the task reference's top k lie in each, and how many of those were found.
RECALL, NORMS = "recall_task@", "found_by_norm@"


def sample_pictures(run: Run, decisions: Sequence[Decision]) -> Iterator[Picture]:
    """Yield the pictures that ``queries.npz`` supports."""
    latency: list[tuple[Value, ...]] = []
    recall: list[tuple[Value, ...]] = []
    strata: list[tuple[Value, ...]] = []
    true_answers: dict[int, tuple[int, ...]] = {}
    for cell in read_samples(run.path):
        where = (cell.strategy, cell.index, parameters(cell.build), parameters(cell.search))
        if "latency" in cell.arrays:
            latency.append((*where, *map(float, latency_curve(cell.arrays["latency"]))))
        recall += [(*where, *row) for row in _recalls(cell)]
        for k, true, shares in _strata(cell):
            true_answers[k] = true
            strata.append((*where, k, *shares))
    if latency:
        yield _latency_picture(latency, decisions)
    if recall:
        yield _recall_picture(recall, decisions)
    if strata:
        yield _norm_picture(strata, true_answers, decisions)


def _recalls(cell: CellSamples) -> Iterator[tuple[Value, ...]]:
    for name, values in cell.arrays.items():
        if name.startswith(RECALL):
            yield (int(name.removeprefix(RECALL)), *map(float, share_reaching(values)))


def _strata(cell: CellSamples) -> Iterator[tuple[int, tuple[int, ...], tuple[Value, ...]]]:
    """Yield depth, how many true answers lie in each tenth, and the share of them that was found."""
    for name, counts in cell.arrays.items():
        if name.startswith(NORMS):
            true, found = np.asarray(counts, np.int64)
            shares = tuple(float(f) / float(t) if t else None for t, f in zip(true, found, strict=True))
            yield int(name.removeprefix(NORMS)), tuple(map(int, true)), shares


def _searches(rows: Sequence[tuple[Value, ...]]) -> list[str]:
    return [str(row[3]) for row in rows]


def _depths(rows: Sequence[tuple[Value, ...]]) -> dict[str, Any]:
    return control("k", "top", [(str(k), str(k)) for k in sorted({int(row[4] or 0) for row in rows})])


def _latency_picture(rows: Sequence[tuple[Value, ...]], decisions: Sequence[Decision]) -> Picture:
    named = [f"{100 * level:g}" for level in LEVELS]
    levels = [Column(f"p{name}_s", f"p{name} µs", "latency", digits=4) for name in named]
    return Picture(
        "latency",
        "Latency of single queries",
        "Lower is better, and the tail is to the right: µs per query on one thread (log axis) by percentile of the "
        "queries, each further nine having the same room. Percentiles of every round by itself, then their median "
        "over rounds.",
        (*PLACE, SEARCH, *levels),
        tuple(rows),
        {
            "draw": "wide",
            "levels": [{"column": f"p{name}_s", "at": level} for name, level in zip(named, LEVELS, strict=True)],
            "x": {"title": "percentile of queries", "scale": "nines", "kind": "percentile"},
            "y": {"title": "µs", "scale": "log", "kind": "latency"},
            "group": "strategy",
            "line": ["strategy", "index", "build", "search"],
            "controls": [search_control(_searches(rows), decisions)],
        },
    )


def _recall_picture(rows: Sequence[tuple[Value, ...]], decisions: Sequence[Decision]) -> Picture:
    named = [f"{level:g}" for level in REACHED]
    levels = [Column(f"share_{name}", "> 0" if name == "0" else f"≥ {name}", "share", digits=4) for name in named]
    return Picture(
        "per-query",
        "Recall of single queries",
        "Higher is better, and a mean hides the fall. Share of the queries (upright) whose recall against the task "
        "reference is at least that large (along); at 0: above 0, so what is missing there found nothing.",
        (*PLACE, SEARCH, Column("k", "k", "plain"), *levels),
        tuple(rows),
        {
            "draw": "wide",
            "levels": [{"column": f"share_{name}", "at": level} for name, level in zip(named, REACHED, strict=True)],
            "x": {"title": "recall of a query", "scale": "share", "name": "recall at least"},
            "y": {"title": "share of queries", "scale": "share", "kind": "share"},
            "group": "strategy",
            "line": ["strategy", "index", "build", "search"],
            "controls": [
                _depths(rows),
                search_control(_searches(rows), decisions),
            ],
        },
    )


def _norm_picture(
    rows: Sequence[tuple[Value, ...]], true_answers: Mapping[int, Sequence[int]], decisions: Sequence[Decision]
) -> Picture:
    n = max(map(len, true_answers.values()))
    tenths = [Column(f"found_{i}", f"part {i}", "share", digits=4) for i in range(1, n + 1)]
    counted = (f"top {k}: {', '.join(f'{count:,}' for count in counts)}" for k, counts in sorted(true_answers.items()))
    return Picture(
        "norm-strata",
        "Recall by the norm of the answer",
        f"Level is fair. Items are cut into {n} equal parts by the norm of their vector, from the smallest (1) to the "
        f"largest ({n}); of the task reference's top answers that lie in a part, the share that was found. Parts that "
        "hold few true answers jump about.",
        (*PLACE, SEARCH, Column("k", "k", "plain"), *tenths),
        tuple(rows),
        {
            "draw": "wide",
            "levels": [{"column": f"found_{i}", "at": i} for i in range(1, n + 1)],
            "x": {"title": "part of the items, by norm", "scale": "linear", "step": True, "name": "found in"},
            "y": {"title": "share found", "scale": "share", "kind": "share"},
            "group": "strategy",
            "line": ["strategy", "index", "build", "search"],
            "controls": [_depths(rows), search_control(_searches(rows), decisions)],
        },
        note=f"True answers in the parts: {'; '.join(counted)}.",
    )

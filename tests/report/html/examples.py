"""Run directories written by hand, down to the samples of their queries."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from idxbench.records import COLUMNS, Measurement, Run, compact_json, csv_row

NAN = math.nan
# What a name may hold that a page could trip over.
NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "quotes \" and ' and `",
    "line\u2028and\u2029paragraph",
    "🙂 emoji",
    "עברית RTL",
    "a|bar, a comma",
    "{{ 7 * 7 }} {% raw %}",
)


def make_run(
    folder: Path,
    *,
    strategies: tuple[str, ...] = ("raw", "normalized"),
    links: tuple[int, ...] = (8, 16),
    efs: tuple[int, ...] = (10, 40),
    depths: tuple[int, ...] = (10,),
    n_queries: int = 200,
    rounds: int = 3,
    status: str = "finished",
    extras: bool = True,
    info: dict[str, Any] | None = None,
) -> Run:
    """Write a run directory and return the run."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [_row("run", "", "compile_time", 0.5, unit="s")]
    cells: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    for s, strategy in enumerate(strategies):
        for k in depths:
            rows += [
                _row("retrieve", strategy, "exact_overlap", 1.0 - 0.3 * s / len(strategies), k=k, reference="task"),
                _row("retrieve", strategy, "metric_loss", 0.3 * s / len(strategies), k=k, reference="task"),
            ]
        for m in links:
            build = compact_json({"M": m, "ef_construction": 100})
            place = {"index": "hnswlib", "build": build}
            rows += [
                _row("retrieve", strategy, "build_time", 0.01 * m, unit="s", **place),
                _row("retrieve", strategy, "index_bytes", 1e5 * m, unit="bytes", **place),
                _row("retrieve", strategy, "memory_peak", 3e5 * m, unit="bytes", **place),
                _row("retrieve", strategy, "unreachable_share", 0.01, **place),
            ]
            for ef in efs:
                rows += _cell_rows(
                    strategy, s / len(strategies), m, ef, {**place, "search": compact_json({"ef": ef})}, depths
                )
                recalls = np.round(rng.beta(20, 1 + 30 / ef, n_queries), 1)
                number = len(cells)
                cells.append("|".join((strategy, "hnswlib", build, compact_json({"ef": ef}))))
                arrays[f"{number}/latency"] = rng.lognormal(-11 + m / 40, 0.3, (rounds, n_queries)).astype(np.float32)
                for k in depths:
                    arrays[f"{number}/recall_task@{k}"] = recalls.astype(np.float32)
                    if extras:
                        true = np.full(10, 20)
                        arrays[f"{number}/found_by_norm@{k}"] = np.stack([true, true - np.arange(10)])
    if extras:
        rows += _extra_rows(strategies)
        _write_heatmaps(folder)
    np.savez_compressed(folder / "queries.npz", cells=np.array(cells, dtype=np.str_), **arrays)
    told = run_info(strategies, depths, status=status, extras=extras) | (info or {})
    (folder / "run.json").write_text(json.dumps(told), encoding="utf-8")
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        import csv

        csv.writer(file).writerows([COLUMNS, *map(csv_row, rows)])
    return Run(folder, told, tuple(rows))


def _cell_rows(
    strategy: str, lost: float, m: int, ef: int, cell: dict[str, str], depths: tuple[int, ...]
) -> list[Measurement]:
    rows = []
    for k in depths:
        own = 1.0 - 1.0 / (ef + m)
        task = own * (1.0 - 0.3 * lost)
        for reference, value in (("own", own), ("task", task)):
            ends = {"low": value - 0.01, "high": value + 0.005}
            rows.append(_row("retrieve", strategy, "recall", value, k=k, reference=reference, **ends, **cell))
        rows += [
            _row("retrieve", strategy, "recall_p05", 0.8, k=k, reference="task", **cell),
            _row("retrieve", strategy, "index_loss", own - task, k=k, reference="task", low=0.0, high=0.1, **cell),
        ]  # fmt: skip
    deepest = max(depths)
    return [
        *rows,
        _row("retrieve", strategy, "latency_p50", 1e-6 * ef, k=deepest, unit="s", **cell),
        _row("retrieve", strategy, "latency_p99", 3e-6 * ef, k=deepest, unit="s", **cell),
        _row("retrieve", strategy, "qps_batch", 1e6 / ef / m, k=deepest, unit="1/s", **cell),
    ]


def _extra_rows(strategies: tuple[str, ...]) -> list[Measurement]:
    rows = [
        _row("similar", "", "neighbor_overlap", 0.8, k=10, reference="floor", low=0.7, high=0.9),
        _row("similar", "", "neighbor_overlap", 0.01, k=10, reference="chance"),
        _row("cluster", "reference", "ari_seed_floor", 0.6, similarity="cosine", k=5),
    ]
    for strategy in strategies:
        rows += [
            _row("similar", strategy, "neighbor_overlap", 0.5, k=10, reference="score_corr", low=0.4, high=0.6),
            _row("cluster", strategy, "ari_seed_floor", 0.7, k=5),
            _row("cluster", strategy, "cluster_drift", 0.25, k=5, reference="score_corr"),
            _row("cluster", strategy, "ari", 0.45, k=5, reference="score_corr"),
        ]
    for probe, strength in (("as given", 0.0), ("diagonal", 0.5), ("diagonal", 1.0), ("axis 0", 1000.0)):
        search = compact_json({"strength": strength})
        searched = compact_json({"strength": strength, "ef": 10})
        built = {"index": "hnswlib", "build": '{"M":8}'}
        rows.append(
            _row("probe", probe, "recall", 0.9 - strength / 5000, k=10, reference="task", search=searched, **built)
        )
        if probe != "as given":
            rows.append(_row("probe", probe, "neighbor_overlap", 0.5, k=10, reference="as given", search=search))
    return rows


def run_info(strategies: tuple[str, ...], depths: tuple[int, ...], *, status: str, extras: bool) -> dict[str, Any]:
    """Return what ``run.json`` holds."""
    side = {"norm_levels": [0.0, 0.5, 1.0], "norms": [1.0, 2.0, 8.0], "spectrum": [0.7, 0.2, 0.1]}
    return {
        "schema_version": 1,
        "name": "by hand",
        "status": status,
        "started": "2026-11-21T12:00:00+00:00",
        "seconds": 12.0,
        "tasks": ["retrieve", "similar", "cluster"],
        "git_commit": "0123456789abcdef0123456789abcdef01234567+",
        "config": {"k": list(depths), "target_recall": 0.95, "measure": {"build_mode": "repeatable"}},
        "data": {
            "name": "d.npy",
            "trained_with": "dot",
            "towers": 2,
            "items": {"n_rows": 1000, "n_dims": 8},
            "queries": {"n_rows": 200},
            "fingerprints": {"items": "ab" * 16},
        },
        "environment": {
            "processor": "CPU",
            "threads": 2,
            "memory_bytes": 8_000_000_000,
            "platform": "Linux",
            "python": "3.13",
            "versions": {"numpy": "2.3.0"},
        },
        "strategies": [
            {"name": name, "transform": name, "similarity": "dot", "kept": "scores"} for name in strategies
        ],
        "similar": {"asking": 500, "shallow": 10, "deep": 50},
        "item_reference": "score_corr",
        "warnings": [{"code": "a", "text": "one <thing> & another", "advice": "do this"}],
        "failures": [],
        **({"vectors": {strategies[0]: {"items": side}}} if extras else {}),
    }  # fmt: skip


def _write_heatmaps(folder: Path) -> None:
    codes = np.repeat([0, 1], [150, 50])
    cosines = np.where(codes[:, None] == codes[None, :], 0.9, 0.1)
    np.fill_diagonal(cosines, 1.0)
    np.savez_compressed(
        folder / "heatmaps.npz",
        panels=np.array(["<b>panel</b>"]),
        cosines=cosines[None].astype(np.float16),
        order=np.array("then by id"),
        item_ids=np.arange(200),
        codes=codes,
        classes=np.array([0, 1]),
        class_names=np.array(["first & last", "second"]),
        mean_cosine=np.array([[[0.9, 0.1], [0.1, 0.9]]]),
    )


def _row(
    task: str,
    strategy: str,
    metric: str,
    value: float,
    *,
    similarity: str = "dot",
    index: str = "",
    build: str = "",
    search: str = "",
    k: int = 0,
    reference: str = "",
    low: float = NAN,
    high: float = NAN,
    unit: str = "share",
) -> Measurement:
    return Measurement(
        task, strategy, similarity, index, build, search, k, metric, reference, value, low, high, 100, unit
    )

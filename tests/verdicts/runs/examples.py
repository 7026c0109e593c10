"""Runs on disk as ``idxbench run`` leaves them, with figures that a test plants: no index is built, nothing is timed.

::

    write_run(folder, arms=[Arm("raw"), Arm("normalized", slower=1.1)], rounds=20)

Queries per second fall and recall rises with ef, every round has a noise that all arms share (the machine) and one of
its own, and recalls per query are the same for the same ``query_seed``: two runs of one configuration repeat to the
last digit, as repeatable builds do.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from idxbench.config.policy import Policy
from idxbench.records import COLUMNS, Measurement, Run, compact_json, csv_row, load_run
from idxbench.store.round_rows import FILE, ROUND_COLUMNS, ROUND_METRICS, RoundRow, round_csv_row

EFS = (10, 20, 40)
RECALLS = {10: 0.88, 20: 0.94, 40: 0.98}
QPS = {10: 200_000.0, 20: 120_000.0, 40: 70_000.0}
N_QUERIES = 200
K = 10


@dataclass(frozen=True)
class Arm:
    """One build of one strategy: what its searches find, and how fast.

    ``slower`` multiplies its times (1.1: 10 % slower), ``recall_shift`` is added to every query's recall, ``bytes`` is
    its size; ``fails`` makes it a build that failed. ``swept`` is None for an index without parameters of a search.
    """

    strategy: str = "raw"
    similarity: str = "dot"
    transform: str = ""
    index: str = "hnswlib"
    build: Mapping[str, Any] = field(default_factory=lambda: {"M": 16, "ef_construction": 200})
    efs: Sequence[int] | None = EFS
    slower: float = 1.0
    recall_shift: float = 0.0
    bytes: float = 2_760_000.0
    build_s: float = 0.4
    fails: str = ""

    @property
    def build_json(self) -> str:
        return compact_json(self.build)

    @property
    def searches(self) -> tuple[dict[str, int], ...]:
        return ({},) if self.efs is None else tuple({"ef": ef} for ef in self.efs)


def write_run(
    folder: Path,
    *,
    arms: Sequence[Arm] = (Arm(),),
    rounds: int = 20,
    noise: float = 0.02,
    shared: float = 0.05,
    drift: float = 0.0,
    control: float | None = 1.0,
    level: float = 1.0,
    seed: int = 0,
    query_seed: int = 0,
    sessions: Sequence[int] = (),
    k: int = K,
    info: Mapping[str, Any] | None = None,
    extra: Sequence[Measurement] = (),
) -> Path:
    """Write a finished run into ``folder`` (made if need be), and return it.

    Parameters
    ----------
    arms
        What was measured; the first has the A/A control.
    rounds
        How many; 0 writes no ``rounds.csv``, as runs before it did not.
    noise, shared, drift
        Standard deviations of log times: of every arm and round, and of the machine in that round; and how much slower
        the machine is in the last round than in the first (in logs). A standard deviation may be a function
        ``f(rng, n) -> n draws`` for other distributions.
    control
        How much slower the second copy of the first arm is; None leaves it out.
    level
        Multiplies all times of the run (a slower night).
    seed, query_seed
        Of times and of recalls.
    sessions
        First rounds of later sessions: ``(8, 15)`` for a run that was resumed twice.
    info
        Merged into ``run.json``, tables key by key: ``{"environment": {"processor": "other"}}``.
    extra
        More rows of ``measurements.csv``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [] if rounds == 0 else round_rows(arms, rounds, noise, shared, drift, control, level, seed, sessions)
    samples = query_samples(arms, query_seed, k)
    measured = [*_measurements(arms, rows, samples, k), *extra]
    _write_csv(folder / "measurements.csv", COLUMNS, [csv_row(row) for row in measured])
    if rows:
        _write_csv(folder / FILE, ROUND_COLUMNS, [round_csv_row(row) for row in rows])
    cells = [key for key, _ in samples]
    arrays = {f"{i}/{name}": values for i, (_, held) in enumerate(samples) for name, values in held.items()}
    np.savez(folder / "queries.npz", cells=np.array(cells, dtype=np.str_), **arrays)
    (folder / "run.json").write_text(json.dumps(merged(run_info(arms, k, rounds), info or {}), indent=2))
    (folder / "config.toml").write_text("# written by a test\n")
    return folder


def make_run(folder: Path, **given: Any) -> Run:
    """Write a run and read it back."""
    return load_run(write_run(folder, **given))


def run_info(arms: Sequence[Arm], k: int, rounds: int) -> dict[str, Any]:
    """Return what ``run.json`` says of such a run."""
    strategies = {arm.strategy: arm for arm in reversed(arms)}
    return {
        "schema_version": 1,
        "name": "example",
        "status": "finished",
        "exit_status": 0,
        "started": "2026-11-21T13:16:31+00:00",
        "seconds": 15.0,
        "config": {
            "name": "example",
            "k": [k],
            "seed": 0,
            "threads": 2,
            "tasks": ["retrieve"],
            "target_recall": 0.95,
            "measure": {"queries": 10000, "rounds": max(rounds, 1), "builds": 1, "build_mode": "repeatable"},
            "gate": Policy().model_dump(mode="json"),
        },
        "only": [],
        "git_commit": "c9b003cfd38208e362e0028770c7efd44c8e6f16",
        "data": {
            "name": "gaussian-10000x32",
            "trained_with": "dot",
            "towers": 2,
            "n_queries_given": N_QUERIES,
            "fingerprints": {"items": "e8067386", "queries": "b623c56f"},
            "items": {"n_rows": 10000, "n_dims": 32, "dtype": "float32"},
            "queries": {"n_rows": N_QUERIES, "n_dims": 32, "dtype": "float32"},
        },
        "tasks": ["retrieve"],
        "n_cells": sum(len(arm.searches) for arm in arms),
        "strategies": [
            {
                "name": name,
                "transform": arm.transform or name,
                "similarity": arm.similarity,
                "kept": "scores",
                "n_dims": 32,
                "fitted": {},
            }
            for name, arm in strategies.items()
        ],
        "environment": {
            "platform": "Linux-6.18.44-x86_64-with-glibc2.36",
            "python": "3.11.7",
            "processor": "AMD EPYC",
            "cores_usable": 2,
            "cores_online": 2,
            "memory_bytes": 25276518400,
            "threads": 2,
            "versions": {"idxbench": "0.1.0", "numpy": "2.4.6", "hnswlib": "0.8.0"},
        },
        "warnings": [],
        "failures": [
            {
                "strategy": arm.strategy,
                "index": arm.index,
                "build": arm.build_json,
                "searches": [compact_json(search) for search in arm.searches],
                "reason": arm.fails,
            }
            for arm in arms
            if arm.fails
        ],
    }


def round_rows(
    arms: Sequence[Arm],
    rounds: int,
    noise: Any = 0.02,
    shared: Any = 0.05,
    drift: float = 0.0,
    control: float | None = 1.0,
    level: float = 1.0,
    seed: int = 0,
    sessions: Sequence[int] = (),
) -> list[RoundRow]:
    """Return the rows of ``rounds.csv``; see `write_run`."""
    rng = np.random.default_rng(seed)
    working = [arm for arm in arms if not arm.fails]
    copies = [(arm, 0) for arm in working]
    if control is not None and working:
        copies.append((replace(working[0], slower=working[0].slower * control), 1))
    machine = _draws(shared, rng, rounds) + np.linspace(0.0, drift, rounds)
    rows = []
    for arm, copy in copies:
        for search in arm.searches:
            own = machine + _draws(noise, rng, rounds) + math.log(level * arm.slower)
            single = machine + _draws(noise, rng, rounds) + math.log(level * arm.slower)
            base = QPS.get(search.get("ef", 0), 10_000.0)
            for number in range(rounds):
                session = 1 + sum(number >= first for first in sessions)
                rows.append(_round_row(arm, copy, search, session, number, base, own[number], single[number]))
    return rows


def _round_row(
    arm: Arm, copy: int, search: Mapping[str, int], session: int, number: int, base: float, own: float, single: float
) -> RoundRow:
    p50 = 2.0 / base * math.exp(single)
    figures = dict.fromkeys(ROUND_METRICS, math.nan) | {
        "qps_batch": base * math.exp(-own),
        "qps_single": 0.45 * base * math.exp(-single),
        "latency_p50": p50,
        "latency_p95": 1.6 * p50,
        "latency_p99": 2.1 * p50,
    }
    place = {"strategy": arm.strategy, "index": arm.index, "build": arm.build_json, "search": compact_json(search)}
    given = {"session": session, "round": number, "attempt": 0, "copy": copy, **place, **figures}
    rest = {"pressure": 0.0, "steal": 0.0, "others": 0.0, "switches": 0, "settled": True}
    rest |= {"overloaded": False, "flagged": False}
    return RoundRow(**{one.name: (given | rest)[one.name] for one in fields(RoundRow)})


def _draws(noise: Any, rng: np.random.Generator, n: int) -> np.ndarray:
    return noise(rng, n) if callable(noise) else rng.normal(0.0, noise, n)


def query_samples(arms: Sequence[Arm], seed: int, k: int) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Return the recalls of every query by cell: what ``queries.npz`` holds."""
    found = []
    for arm in arms:
        if arm.fails:
            continue
        for search in arm.searches:
            # Queries are hard or easy whatever searches them, so that differences are paired.
            rng = np.random.default_rng(seed)
            hard, target = rng.normal(0.0, 0.08, N_QUERIES), RECALLS.get(search.get("ef", 0), 1.0)
            tenths = np.clip(np.round((target + hard) * k), 0, k) / k
            recalls = np.clip(tenths + arm.recall_shift, 0.0, 1.0).astype(np.float32)
            key = "|".join((arm.strategy, arm.index, arm.build_json, compact_json(search)))
            found.append((key, {f"recall_own@{k}": recalls, f"recall_task@{k}": recalls}))
    return found


def _measurements(
    arms: Sequence[Arm], rows: Sequence[RoundRow], samples: Sequence[tuple[str, Mapping[str, np.ndarray]]], k: int
) -> list[Measurement]:
    held = dict(samples)
    made = []
    for arm in arms:
        place = ("retrieve", arm.strategy, arm.similarity, arm.index, arm.build_json)
        if arm.fails:
            made += [_row(*place, compact_json(search), 0, "failed", 1.0, "count") for search in arm.searches]
            continue
        made += [
            _row(*place, "", 0, "build_time", arm.build_s, "s"),
            _row(*place, "", 0, "index_bytes", arm.bytes, "bytes"),
            _row(*place, "", 0, "memory_peak", 2.5 * arm.bytes, "bytes"),
            _row(*place, "", 0, "unreachable_share", 0.01, "share"),
        ]
        for search in arm.searches:
            text = compact_json(search)
            recalls = held["|".join((arm.strategy, arm.index, arm.build_json, text))]
            for name in ("own", "task"):
                mean = float(np.mean(recalls[f"recall_{name}@{k}"], dtype=np.float64))
                made.append(_row(*place, text, k, "recall", mean, "share", name, N_QUERIES, 0.01))
            made += _time_rows(arm, text, [row for row in rows if row.copy == 0], place, k)
    return made


def _time_rows(arm: Arm, search: str, rows: Sequence[RoundRow], place: tuple[str, ...], k: int) -> list[Measurement]:
    mine = [row for row in rows if (row.strategy, row.index, row.build) == (arm.strategy, arm.index, arm.build_json)]
    mine = [row for row in mine if row.search == search]
    made = []
    for metric in ROUND_METRICS:
        values = np.array([getattr(row, metric) for row in mine])
        if values.size and not np.isnan(values).any():
            unit = "1/s" if metric.startswith("qps") else "s"
            made.append(_row(*place, search, k, metric, float(np.median(values)), unit, "", len(values)))
    if not rows:
        qps = QPS.get(json.loads(search)["ef"] if search else 0, 10_000.0) / arm.slower
        made.append(_row(*place, search, k, "qps_batch", qps, "1/s", "", 10))
        made.append(_row(*place, search, k, "latency_p50", 2.0 / qps, "s", "", 10))
    return made


def _row(*given: Any) -> Measurement:
    task, strategy, similarity, index, build, search, k, metric, value, unit, *rest = given
    reference, n, half = (*rest, *("", 1, math.nan)[len(rest) :])
    place = (task, strategy, similarity, index, build, search, k, metric, reference)
    return Measurement(*place, value, value - half, value + half, n, unit)


def merged(info: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with others merged into it, key by key."""
    both = dict(info)
    for key, value in changes.items():
        held = both.get(key)
        both[key] = merged(held, value) if isinstance(held, dict) and isinstance(value, Mapping) else value
    return both


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)

"""Simulated nights written as the history of a machine, through the same door as real ones."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from idxbench.store.history import HistoryRow, add_rows

FIRST = datetime(2026, 8, 20, 2, 0, tzinfo=UTC)
VERSIONS = {"hnswlib": "0.8.0", "numpy": "2.1.0"}


def started(night, *, hours=0):
    return (FIRST + timedelta(days=int(night), hours=hours)).isoformat(timespec="seconds")


def history_row(**changes):
    """Make a record; what is not said is of a quiet night."""
    row = {
        "run": "20260820T020000Z-0a1b2c3d#00000000",
        "started": started(0),
        "machine": "box",
        "name": "nightly",
        "task": "retrieve",
        "strategy": "raw",
        "similarity": "dot",
        "index": "hnswlib",
        "build": '{"M":16,"ef_construction":200}',
        "search": '{"ef":40}',
        "k": 10,
        "metric": "qps_batch",
        "reference": "",
        "value": 40_000.0,
        "low": math.nan,
        "high": math.nan,
        "n": 40,
        "unit": "1/s",
        "noise": 0.01,
        "flags": (),
        "commit": "abc",
        "versions": VERSIONS,
        "data": "d0",
        "setup": "s0",
    }
    return HistoryRow(**row | changes)


def run_name(night, *, hours=0):
    stamp = datetime.fromisoformat(started(night, hours=hours)).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-0a1b2c3d#{night:04d}{hours:04d}"


def night_rows(simulated, night, *, machine="box", **changes):
    """Make the records of one night: two searches (latency) of every index, and its recall, which does not move."""
    rows = []
    for series, level in enumerate(simulated.levels[:, night]):
        place = {
            "strategy": f"s{series // 2:02d}",
            "search": f'{{"ef":{40 if series % 2 else 80}}}',
            "machine": machine,
        }
        place |= {"run": run_name(night), "started": started(night)} | changes
        flags = ("unstable",) if simulated.flagged[night] else ()
        value = 1e-4 * math.exp(level)
        rows.append(history_row(**{"metric": "latency_p50", "unit": "s", "value": value, "flags": flags} | place))
        if series % 2:
            rows.append(
                history_row(**{"metric": "recall", "reference": "task", "unit": "share", "value": 0.95} | place)
            )
    return rows


def write_history(folder, simulated, *, machine="box", nights=None):
    for night in range(simulated.levels.shape[1]) if nights is None else nights:
        add_rows(folder, night_rows(simulated, night, machine=machine))


def arms(n):
    """Number the indexes of `night_rows`: two series each."""
    return np.arange(n) // 2

"""Comparisons written by hand, for the gate and its reports."""

import math

from idxbench.verdicts.changes import Cell, Change, Comparison, Difference

NAN = math.nan


def cell(metric="qps_batch", *, strategy="raw", reference="", build='{"M":16}', search='{"ef":40}', k=10):
    return Cell("retrieve", strategy, "dot", "hnswlib", build, search, k, metric, reference)


def change(verdict="same", *, gated=True, where=None, effect=0.0, half=0.03, n=20, why="", **more):
    given = {
        "cell": where or cell(),
        "base": 100_000.0,
        "new": 100_000.0 * math.exp(-effect),
        "effect": effect,
        "low": effect - half,
        "high": effect + half,
        "kind": "ratio",
        "n": n,
        "basis": "rounds",
        "declared": 0.05,
        "floor": 0.05,
        "verdict": verdict,
        "gated": gated,
        "detectable": 0.08,
        "why": why,
        "unit": "1/s",
    }
    return Change(**(given | more))


def comparison(*changes, **more):
    given = {
        "base": "results/a",
        "new": "results/b",
        "base_runs": 1,
        "new_runs": 1,
        "paired": True,
        "machine": True,
        "differences": (Difference("hnswlib", "0.8.0", "0.9.0"),),
        "changes": tuple(changes),
        "matched": (),
        "unstable": "",
        "notices": (),
    }
    return Comparison(**(given | more))

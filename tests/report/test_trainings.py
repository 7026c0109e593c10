"""Two trainings on an injected console, and as JSON."""

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from idxbench.data.joined import Joined
from idxbench.measures.trainings import Compared
from idxbench.records import Measurement, Notice
from idxbench.report.trainings import print_trainings, trainings_json
from idxbench.verdicts.trainings import TrainingsVerdict

VERDICT = TrainingsVerdict("mostly-gauge", "mostly gauge: [every] score is kept")


def row(metric, value, place=("", ""), reference="base", interval=(math.nan, math.nan), k=0):
    return Measurement("trainings", *place, "", "", "", k, metric, reference, value, *interval, 100, "share")


def compared(*, queries=True, notices=()):
    dot, raw, invariant = ("raw", "dot"), ("raw", "cosine"), ("score_corr", "cosine")
    rows = [
        row("neighbor_overlap", 0.25, raw, interval=(0.2, 0.3), k=10),
        row("neighbor_overlap", 0.01, raw, "chance", k=10),
        row("ari", 0.21, raw, k=20),
        row("ari", 0.28, raw, "floor", k=20),
        row("cluster_drift", math.nan, raw, k=20),
        row("norm_spearman", 0.9),
        row("rotation_residual", 0.4),
        row("rotation_residual", 0.98, reference="chance"),
        row("rotation_factor", 1.5),
        row("rotation_shift", 0.0),
    ]
    if queries:
        rows += [
            row("score_spearman", 1.0, dot),
            row("score_change", 7.04e-8, dot),
            row("topk_overlap", 0.99, dot, interval=(0.98, 1.0), k=10),
            row("neighbor_overlap", 0.96, invariant, interval=(0.95, 0.97), k=10),
            row("neighbor_overlap", 0.83, invariant, "floor", k=10),
            row("ari", 0.5, invariant, k=20),
            row("cluster_drift", 0.125, invariant, k=20),
            row("gauge_imbalance", 0.07, ("base", ""), ""),
            row("gauge_imbalance", 0.54, ("new", ""), ""),
        ]
    ids = np.arange(97)
    items = Joined(ids, ids, 103, 98, tuple("abcde"), ("[x]",))
    joined = Joined(ids[:40], ids[:40], 40, 40, by_id=False) if queries else None
    return Compared("a.npy", "b[1].npy", "unknown", 2, invariant, 10, 20, items, joined, (8, 9), tuple(rows), notices)


def printed(record):
    text = io.StringIO()
    print_trainings(record, VERDICT, Console(file=text, width=120, highlight=False))
    return text.getvalue()


def line(text, start):
    (found,) = [one.split() for one in text.splitlines() if one.strip().startswith(start)]
    return found[len(start.split()) :]


def test_everything_is_shown():
    said = printed(compared(notices=(Notice("x", "few [items]", "add some"),)))
    assert said.startswith("Mostly gauge: [every] score is kept.\n")
    assert "a.npy -> b[1].npy" in said
    assert "training unknown, dot assumed (two towers)" in said
    assert "97 items joined by id; 6 lost (a, b, c, d, e, ...); 1 added ([x]); 8 and 9 dimensions" in said
    assert "40 queries, joined by row number: row i of both is taken for the same" in said
    assert line(said, "neighbours@10, raw cosine") == [".250", ".200", "to", ".300", "–", ".010"]
    assert line(said, "neighbours@10, score_corr") == [".960", ".950", "to", ".970", ".830", "–"]
    assert line(said, "scores, change over their spread, by dot")[0] == "7e-08"
    assert line(said, "20 clusters, raw cosine: ARI")[:3] == [".210", "–", ".280"]
    assert line(said, "20 clusters, raw cosine: drift")[:2] == ["not", "measurable"]
    assert line(said, "20 clusters, score_corr: drift")[0] == ".125"
    assert line(said, "gauge imbalance of new, decades")[0] == ".540"
    assert line(said, "left after the best rotation")[-1] == ".980"
    assert line(said, "its shift")[0] == ".000"
    assert " 1. few [items]; add some." in said


def test_without_queries():
    said = printed(compared(queries=False))
    assert "no queries" in said
    for word in ("score_corr", "Gauge imbalance", "Spearman), by"):
        assert word not in said


@pytest.mark.parametrize("queries", [True, False])
def test_json_holds_what_the_table_holds(queries):
    record = compared(queries=queries, notices=(Notice("few", "few", ""),))
    read = json.loads(trainings_json(record, VERDICT))
    assert read["schema"] == "idxbench-trainings/1"
    assert read["verdict"] == {"code": "mostly-gauge", "sentence": VERDICT.sentence}
    assert read["joined"]["items"]["lost"] == 6
    assert read["joined"]["items"]["first_added"] == ["[x]"]
    assert (read["joined"]["queries"] or {}).get("by") == ("row" if queries else None)
    assert len(read["measurements"]) == len(record.rows)
    assert next(one["value"] for one in read["measurements"] if one["metric"] == "cluster_drift") is None
    assert read["warnings"] == [{"code": "few", "text": "few", "advice": ""}]

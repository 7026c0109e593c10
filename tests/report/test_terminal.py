"""A whole run on an injected console, from records written by hand."""

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from idxbench.records import Measurement, Run
from idxbench.report.terminal import print_run
from idxbench.verdicts.decision import decide

NAN = math.nan


def row(
    task,
    strategy,
    metric,
    value,
    *,
    similarity="dot",
    index="",
    build="",
    search="",
    k=0,
    reference="",
    low=NAN,
    high=NAN,
):
    return Measurement(
        task, strategy, similarity, index, build, search, k, metric, reference, value, low, high, 100, ""
    )


def a_run(*, failures=(), warnings=(), status="finished", name="hand", flat=False):
    hnsw = {"index": "faiss-flat"} if flat else {"index": "hnswlib", "build": '{"M":8,"ef_construction":40}'}
    cell = {**hnsw, "search": "" if flat else '{"ef":20}', "k": 10}
    rows = [
        row("run", "", "compile_time", 0.5),
        row("retrieve", "raw", "exact_overlap", 1.0, k=10, reference="task", low=0.99, high=1.0),
        row("retrieve", "raw", "metric_loss", 0.0, k=10, reference="task", low=0.0, high=0.01),
        row("retrieve", "raw", "build_time", 1.5, **hnsw),
        row("retrieve", "raw", "index_bytes", 2e6, **hnsw),
        row("retrieve", "raw", "memory_peak", 3e6, reference="inexact", **hnsw),
        row("retrieve", "raw", "unreachable_share", 0.02, **hnsw),
        row("retrieve", "raw", "recall_ceiling", 0.98, k=10, reference="task", **hnsw),
        row("retrieve", "raw", "recall", 0.97, reference="own", low=0.96, high=0.98, **cell),
        row("retrieve", "raw", "recall", 0.96, reference="task", low=0.955, high=0.97, **cell),
        row("retrieve", "raw", "index_loss", 0.04, reference="task", **cell),
        row("retrieve", "raw", "latency_p50", 12.3e-6, **cell),
        row("retrieve", "raw", "latency_p99", 45.6e-6, **cell),
        row("retrieve", "raw", "qps_batch", 123456.0, low=120000.0, high=130000.0, **cell),
        row("similar", "reference", "hub_gini", 0.3, similarity="cosine", k=10),
        row("similar", "raw", "neighbor_overlap", 0.5, k=10, reference="score_corr", low=0.4, high=0.6),
        row("similar", "", "neighbor_overlap", 0.8, k=10, reference="floor", low=0.7, high=0.9),
        row("similar", "", "neighbor_overlap", 0.01, k=10, reference="chance"),
        row("cluster", "reference", "ari_seed_floor", 0.6, similarity="cosine", k=5),
        row("cluster", "raw", "ari_seed_floor", 0.7, k=5),
        row("cluster", "raw", "cluster_drift", 0.25, k=5, reference="score_corr"),
    ]  # fmt: skip
    if failures:
        failed = {"index": "numpy"} if flat else {"index": "hnswlib", "build": '{"M":9}', "search": '{"ef":20}'}
        rows.append(row("retrieve", "raw", "failed", 1.0, **failed))
    info = {
        "name": name,
        "status": status,
        "seconds": 12.0,
        "config": {"k": [10], "target_recall": 0.95, "measure": {"build_mode": "repeatable"}},
        "data": {
            "name": "d.npy",
            "trained_with": "dot",
            "towers": 2,
            "items": {"n_rows": 1000, "n_dims": 8},
            "queries": {"n_rows": 100},
        },
        "environment": {"processor": "CPU", "threads": 2},
        "strategies": [{"name": "raw", "transform": "raw", "similarity": "dot", "kept": "scores"}],
        "similar": {"asking": 500, "shallow": 10, "deep": 50},
        "item_reference": "score_corr",
        "warnings": list(warnings),
        "failures": list(failures),
    }
    return Run(Path("results/hand/x"), info, tuple(rows))


def printed(run, width=100, everything=False):
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, color_system=None)
    print_run(run, decide(run), console, everything=everything)
    return out.getvalue()


def line_with(text, *words):
    """The one line that holds all words."""
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return line


def test_every_figure_is_in_its_column():
    text = printed(a_run())
    assert line_with(text, "raw", "every score").split() == ["raw", "dot", "every", "score", "1.000", "-.010", ".000"]
    assert line_with(text, "raw", "±.010", "123k").split() == [
        "raw", "M8", "c40", "20", ".970", ".960", "±.010", ".040", "12.3", "45.6", "123k",
    ]  # fmt: skip
    assert line_with(text, "M8 c40", "3.00~").split() == ["raw", "M8", "c40", "1.50", "2.00", "3.00~", ".020", ".980"]
    assert line_with(text, "raw", ".500 ±.100").split() == ["raw", "dot", ".500", "±.100", "–", "–", "–"]
    assert ".800 ±.100" in line_with(text, "floor ", ".800")
    assert line_with(text, "plain *").split() == ["5", "raw", "plain", "*", ".250", "–", ".700", "–", "–"]
    assert "Dot has no k-means" in text


def test_exact_searches_have_no_columns_that_only_graphs_fill():
    failure = {"strategy": "raw", "index": "numpy", "build": "", "searches": [""], "reason": "out of memory"}
    text = printed(a_run(flat=True, failures=[failure]), everything=True, width=160)
    assert line_with(text, "faiss-flat", "±.010", "123k").split() == [
        "raw", "faiss-flat", ".970", ".960", "±.010", ".040", "12.3", "45.6", "123k",
    ]  # fmt: skip
    assert line_with(text, "faiss-flat", "3.00~").split() == ["raw", "faiss-flat", "1.50", "2.00", "3.00~"]
    assert line_with(text, "failed: out of memory", "raw   ").split()[:3] == ["raw", "numpy", "failed:"]
    tables = text.partition("Decision")[0]
    assert not {"ef", "unreachable", "ceiling@10", "ef_construction."} & set(tables.split())


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_console(width):
    text = printed(a_run(name="n" * 60), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_at_most_nine_columns():
    from idxbench.report.items import cluster_table, similar_table
    from idxbench.report.retrieve import cells_table, indexes_table, strategies_table, tails_table

    run = a_run()
    tables = [strategies_table(run), cells_table(run, 10), tails_table(run, 10), indexes_table(run)]
    for table in [*tables, similar_table(run), cluster_table(run)]:
        assert len(table.columns) <= 9
        assert table.caption


def test_warnings_are_numbered_with_their_advice():
    text = printed(
        a_run(
            warnings=[
                {"code": "a", "text": "one thing", "advice": "do this"},
                {"code": "b", "text": "two?", "advice": ""},
            ]
        )
    )
    assert " 1. one thing. Do this." in text
    assert " 2. two?" in text


def test_failures_keep_their_row_and_their_reason():
    failure = {"strategy": "raw", "index": "hnswlib", "build": '{"M":9}', "searches": [], "reason": "killed by SIGKILL"}
    text = " ".join(printed(a_run(failures=[failure]), width=160).split())
    assert "raw M9 20 failed: killed by SIGKILL" in text
    assert "raw in hnswlib M9: no, failed: killed by SIGKILL" in text


def test_an_incomplete_run_says_so():
    assert "This run is not complete (interrupted)" in printed(a_run(status="interrupted"))
    assert "Decision" not in printed(a_run(status="interrupted"))
    assert "not complete" not in printed(a_run())


def test_markup_in_names_is_text():
    text = printed(a_run(name="[bold]x[/bold]", warnings=[{"code": "a", "text": "[red]r[/red]", "advice": ""}]))
    assert "[bold]x[/bold]" in text
    assert "[red]r[/red]" in text

"""Gauge probes: scores stay, the rest is measured; and the queries that fit are not those that are asked."""

import io
import json

import numpy as np
import pytest

import idxbench
from idxbench.bench.inputs import split_queries
from idxbench.bench.probes import Inputs as ProbeInputs
from idxbench.bench.probes import check_probes
from idxbench.config.load import parse_config
from idxbench.data.dataset import Dataset
from idxbench.errors import ConfigError

PROBES = [
    {"kind": "diagonal", "strength": [0.3, 1.0], "seeds": 2},
    {"kind": "axis", "strength": 1000.0},
    {"kind": "axis", "strength": 1000.0, "then": "balanced"},
    {"kind": "dense", "strength": 1.0, "seeds": 1},
    {"kind": "shift", "strength": 2.0, "seeds": 1},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return idxbench.run(
        {
            "name": "probes",
            "k": [5, 10],
            "threads": 2,
            "data": {"source": "gaussian", "n_items": 1500, "n_queries": 300, "n_dims": 16, "clusters": 6},
            "strategy": [{"transform": "raw"}, {"transform": "balanced"}],
            "index": [{"kind": "hnswlib", "M": 6, "ef_construction": 40, "ef": [10, 60]}, {"kind": "numpy"}],
            "clusters": {"counts": [6], "seeds": 3},
            "measure": {"rounds": 1},
            "probe": PROBES,
            "cache": False,
        },
        out=tmp_path_factory.mktemp("probes"),
    )


def rows(run, probe, strength, metric, **wanted):
    found = [row for row in run.measurements if row.task == "probe" and row.strategy == probe and row.metric == metric]
    found = [row for row in found if json.loads(row.search)["strength"] == strength]
    return [row for row in found if all(getattr(row, name) == value for name, value in wanted.items())]


def only(run, probe, strength, metric, **wanted):
    (row,) = rows(run, probe, strength, metric, **wanted)
    return row


@pytest.mark.parametrize(
    ("probe", "strength"), [("diagonal", 0.3), ("diagonal", 1.0), ("axis 0", 1000.0), ("axis 0 then balanced", 1000.0)]
)
def test_no_score_moves(run, probe, strength):
    assert only(run, probe, strength, "score_change").high < 1e-5
    assert not [notice for notice in run.notices if notice.code == "probe-moved-scores"]
    # Exact search finds in every gauge what it found before.
    assert only(run, probe, strength, "recall", index="numpy", k=10).value > 0.999


def test_a_shift_keeps_rankings_only(run):
    assert rows(run, "shift", 2.0, "score_change") == []
    assert only(run, "shift", 2.0, "discordant_share").value == 0


def test_neighbours_and_recall_fall_and_are_repaired(run):
    mild, strong = (only(run, "diagonal", strength, "neighbor_overlap") for strength in (0.3, 1.0))
    assert mild.value > strong.value
    assert strong.low <= strong.value <= strong.high
    assert strong.n == 2
    broken, repaired = (only(run, name, 1000.0, "neighbor_overlap") for name in ("axis 0", "axis 0 then balanced"))
    assert broken.value < 0.6 < repaired.value
    place = {"index": "hnswlib", "k": 10}
    given = next(row for row in rows(run, "as given", 0.0, "recall", **place) if json.loads(row.search)["ef"] == 60)
    after = {
        name: next(row for row in rows(run, name, 1000.0, "recall", **place) if json.loads(row.search)["ef"] == 60)
        for name in ("axis 0", "axis 0 then balanced")
    }
    assert after["axis 0"].value < given.value - 0.2
    assert after["axis 0 then balanced"].value > given.value - 0.05
    # The range of "as given" is that of index seeds, as many as the most of any probe.
    assert given.n == 3


def test_probes_are_in_no_decision_and_no_advice(run):
    assert not any("axis 0" in notice.text for notice in run.notices)
    assert not list((run.path).glob("work*"))


def test_runs_say_how_far_coordinates_are_from_balanced(run):
    """Isotropic Gaussians are nearly balanced as they come, and what was balanced on other queries stays so."""
    found = {row.strategy: row for row in run.measurements if row.metric == "gauge_imbalance"}
    assert set(found) == {"raw", "balanced"}
    assert all(row.value < 0.08 and row.unit == "decades" for row in found.values())


def test_a_scaled_axis_shows_in_the_gauge(tmp_path):
    """By hand: one of 4 axes times 100 is 2 decades off, the others none: a deviation of 2 sqrt(3) / 4."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "items.npy", rng.normal(size=(4000, 4)).astype("f4"))
    np.save(tmp_path / "queries.npy", rng.normal(size=(4000, 4)).astype("f4"))
    made = idxbench.run(
        {
            "data": {"items": str(tmp_path / "items.npy"), "queries": str(tmp_path / "queries.npy"),
                     "trained_with": "dot"},
            "tasks": ["retrieve"],
            "strategy": [{"transform": {"kind": "rescaled", "axis": 0, "factor": 100.0}}, {"transform": "normalized"}],
            "index": [{"kind": "exact"}],
            "measure": {"rounds": 1, "queries": 50},
        },
        out=tmp_path / "out",
    )  # fmt: skip
    (row,) = [row for row in made.measurements if row.metric == "gauge_imbalance"]
    assert row.value == pytest.approx(2 * np.sqrt(3) / 4, abs=0.06)


def test_every_probe_has_its_lines_in_the_tables(run):
    from rich.console import Console

    from idxbench.report.probes import probe_tables

    console = Console(width=120, record=True, file=io.StringIO())
    for table in probe_tables(run):
        console.print(table)
    text = console.export_text()
    assert text.count("axis 0 then balanced") == 3  # items, and two indexes
    assert "Probes: recall@10 in hnswlib M6 c40" in text
    assert "rankings" in text


SMALL = {
    "data": {"source": "gaussian", "n_items": 300, "n_queries": 60, "n_dims": 6},
    "tasks": ["retrieve", "similar"],
    "strategy": [{"transform": "raw"}],
    "index": [{"kind": "numpy"}],
    "measure": {"rounds": 1},
    "threads": 1,
    "cache": False,
}


def test_what_follows_a_probe_is_fitted_on_queries_that_are_not_asked(tmp_path):
    """Though no strategy is fitted on any."""
    made = idxbench.run(
        SMALL | {"probe": [{"kind": "axis", "strength": 100.0, "then": "balanced", "seeds": 1}]}, out=tmp_path
    )
    assert only(made, "axis 0 then balanced", 100.0, "recall", k=10).value > 0.999
    told = {notice.code: notice.text for notice in made.notices}
    assert "probe-failed" not in told
    assert "30 of 60 queries" in told["queries-split"]


def test_a_probe_that_fails_leaves_the_others_alone(tmp_path):
    """Vectors that leave float32, in both seeds: told once, and what comes after is measured."""
    beyond = {"kind": "rescaled", "axis": 0, "factor": 1e39}
    probes = [
        {"kind": "axis", "strength": 10.0, "then": beyond, "seeds": 2},
        {"kind": "axis", "strength": 10.0, "seeds": 2},
        {"kind": "dense", "strength": 0.5, "seeds": 1},
    ]
    made = idxbench.run(SMALL | {"probe": probes}, out=tmp_path)
    (failed,) = [notice for notice in made.notices if notice.code == "probe-failed"]
    assert "at strength 10: expected" in failed.text
    assert {row.strategy for row in made.measurements if row.task == "probe"} == {"as given", "axis 0", "dense"}
    assert only(made, "axis 0", 10.0, "neighbor_overlap").n == 2
    assert only(made, "dense", 0.5, "neighbor_overlap").n == 1


def test_each_change_is_asked_for_once():
    twice = [{"kind": "diagonal", "strength": [0.5]}, {"kind": "diagonal", "strength": [0.25, 0.5], "seed": 9}]
    with pytest.raises(ConfigError, match=r"diagonal at strength 0\.5 twice"):
        check_probes(parse_config({"data": {"source": "digits"}, "probe": twice}).probe, _inputs("dot"))
    repairs = [
        {"kind": "axis", "strength": 10.0, "then": {"kind": "rescaled", "axis": 0, "factor": factor}}
        for factor in (0.1, 10.0)
    ]
    probes = parse_config({"data": {"source": "digits"}, "probe": repairs}).probe
    check_probes(probes, _inputs("dot"))
    assert len({probe.label for probe in probes}) == 2


def _inputs(trained):
    return ProbeInputs(Dataset("d", np.ones((5, 3)), None), trained, 2, {}, {}, 0, ())


def test_coordinates_that_training_fixes_are_not_probed():
    probes = parse_config({"data": {"source": "digits"}, "probe": PROBES}).probe
    check_probes(probes, _inputs("dot"))
    with pytest.raises(ConfigError, match="trained_with = cosine"):
        check_probes(probes, _inputs("cosine"))
    check_probes((), _inputs("cosine"))
    beyond = parse_config({"data": {"source": "digits"}, "probe": [{"kind": "axis", "strength": 2.0, "axis": 3}]}).probe
    with pytest.raises(ConfigError, match="0 to 2"):
        check_probes(beyond, _inputs("dot"))


@pytest.mark.parametrize("probe", [{"kind": "diagonal", "strength": 50.0}, {"kind": "diagonal", "strength": []},
                                   {"kind": "twist", "strength": 1.0}, {"kind": "axis"}])  # fmt: skip
def test_probes_that_make_no_sense(probe):
    with pytest.raises(ConfigError, match="probe"):
        parse_config({"data": {"source": "digits"}, "probe": [probe]})


@pytest.mark.parametrize(("n", "limit", "asked"), [(100, 10_000, 50), (100, 20, 20), (101, 0, 50), (2, 10, 1)])
def test_queries_that_fit_are_not_asked(n, limit, asked):
    queries = np.arange(2.0 * n).reshape(n, 2)
    table = {"data": {"source": "digits"}, "strategy": [{"transform": ["raw", "balanced"]}]}
    config = parse_config(table | {"measure": {"queries": limit}})
    dataset, fit_queries = split_queries(Dataset("d", queries, queries), config)
    assert len(dataset.queries) == asked
    together = np.concatenate([dataset.queries, fit_queries])
    np.testing.assert_array_equal(np.sort(together, axis=0), queries)
    # Without a strategy that is fitted on queries all are asked.
    whole, none = split_queries(Dataset("d", queries, queries), parse_config({"data": {"source": "digits"}}))
    assert (len(whole.queries), none) == (n, None)


def test_one_query_can_not_be_both():
    config = parse_config({"data": {"source": "digits"}, "strategy": [{"transform": "score_corr"}]})
    with pytest.raises(ConfigError, match="at least 2 queries"):
        split_queries(Dataset("d", np.ones((5, 2)), np.ones((1, 2))), config)

"""The recover task as a run: what is measured is what its parts say, over models and seeds."""

import csv
import json
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import idxbench
from idxbench.bench.panels import Panels, block_means
from idxbench.config import recover as config_recover
from idxbench.config.load import parse_config
from idxbench.config.recover import Recover, check_recover
from idxbench.data.dataset import Labels
from idxbench.data.sources.simulated import simulated
from idxbench.errors import ConfigError
from idxbench.strategies.catalogue import Space

SIZES = {"n_users": 300, "n_items": 90, "n_clusters": 3, "rank": 6, "seed": 4}
DATA = {"source": "simulated", **SIZES}
PROJECT_BACK = {"name": "project back", "transform": {"kind": "covariance", "center": False}}
STRATEGIES = [{"transform": "raw", "similarity": by, "name": by} for by in ("cosine", "dot", "l2")] + [PROJECT_BACK]
MODELS = [
    {"name": "plain"},
    {"name": "other gauge", "gauge": "d^(1/2)"},
    {"name": "second", "objective": 2, "regularization": 5.0},
    {"name": "weighted", "weighting": "popularity"},
]


def config(recover, data=DATA, **more):
    return {"name": "lab", "tasks": [], "data": data, "strategy": STRATEGIES, "recover": recover, **more}


def figures(run, metric):
    return {
        (json.loads(row.build)["model"] if row.build else "", row.strategy): row
        for row in run.measurements
        if (row.task, row.metric, row.reference) == ("recover", metric, "labels")
    }


def twin_auc(scores, codes):
    above = np.triu_indices(len(codes), 1)
    return roc_auc_score((codes[:, None] == codes[None, :])[above], scores[above])


def cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return idxbench.run(
        config({"seeds": 3, "model": MODELS, "heatmaps": ["plain", "second"]}),
        out=tmp_path_factory.mktemp("lab"),
        threads=2,
    )


def test_every_model_and_strategy_is_there_with_its_seeds(lab):
    found = figures(lab, "auc")
    assert list(found) == [(model["name"], one["name"]) for model in MODELS for one in STRATEGIES]
    assert {row.n for row in found.values()} == {3}
    clusters = figures(lab, "ari")
    assert {strategy for _, strategy in clusters} == {"cosine", "l2", "project back"}  # dot has no k-means
    chance = {row.metric: row.value for row in lab.measurements if row.reference == "chance"}
    assert chance == {"auc": 0.5, "ari": 0.0}


def test_figures_are_those_of_the_sources_own_vectors(lab):
    found = figures(lab, "auc")
    expected = {}
    for model in MODELS:
        values = []
        for seed in (4, 5, 6):
            given = {key: value for key, value in model.items() if key != "name"}
            data = simulated(**SIZES | given | {"seed": seed})
            items, users = data.items.astype(float), data.queries.astype(float)
            scores = users @ items.T
            values.append([twin_auc(cosines(items), data.labels.codes), twin_auc(cosines(scores.T), data.labels.codes)])
        expected[model["name"]] = np.array(values)
    for name, values in expected.items():
        for column, strategy in enumerate(("cosine", "project back")):
            row = found[name, strategy]
            assert row.value == pytest.approx(values[:, column].mean(), abs=2e-4)
            arm = 4.302653 * values[:, column].std(ddof=1) / math.sqrt(3)
            assert row.high == pytest.approx(min(row.value + arm, 1.0), abs=2e-3)


def test_projecting_back_does_not_see_the_gauge_and_cosine_does(lab):
    for metric in ("auc", "ari"):
        found = figures(lab, metric)
        back = [found[name, "project back"].value for name in ("plain", "other gauge")]
        assert back[0] == pytest.approx(back[1], abs=1e-4)
        raw = [found[name, "cosine"].value for name in ("plain", "other gauge")]
        assert abs(raw[0] - raw[1]) > 0.02


def test_every_seed_is_kept(lab):
    with (lab.path / "recover.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(MODELS) * len(STRATEGIES) * 3
    mine = [float(row["auc"]) for row in rows if (row["model"], row["strategy"]) == ("second", "l2")]
    assert [row["seed"] for row in rows[:16:4]] == ["4"] * 4
    assert np.mean(mine) == pytest.approx(figures(lab, "auc")["second", "l2"].value, abs=1e-12)
    assert {row["ari"] for row in rows if row["strategy"] == "dot"} == {""}


def test_the_panels_of_the_models_that_were_named(lab):
    data = simulated(**SIZES)
    with np.load(lab.path / "heatmaps.npz", allow_pickle=False) as file:
        assert file["panels"].tolist() == ["plain", "second"]
        ids, codes = file["item_ids"], file["codes"]
        assert sorted(ids.tolist()) == list(range(90))
        assert np.array_equal(data.labels.codes[ids], codes)
        assert (np.diff(codes) >= 0).all()
        np.testing.assert_allclose(file["cosines"][0], cosines(data.items.astype(float))[np.ix_(ids, ids)], atol=6e-4)
        assert str(file["order"]) == "popular items first"
        assert file["class_names"].tolist() == ["cluster 0", "cluster 1", "cluster 2"]
    assert lab.info["recover"]["seeds"] == 3
    # Nothing is asked in this run, so nothing is said of queries; objective 2 has zero dimensions or not.
    assert not {"queries-split", "queries-sampled"} & {notice.code for notice in lab.notices}


def test_labelled_data_is_measured_once(tmp_path):
    run = idxbench.run(
        config({"seeds": 1, "heatmaps": True, "supervised": True, "sample": 400}, {"source": "digits"})
        | {"strategy": STRATEGIES[:1]},
        out=tmp_path,
        threads=2,
    )
    found = figures(run, "auc")
    assert set(found) == {("", "cosine"), ("", "task-specific M")}
    assert math.isnan(found["", "cosine"].low)
    assert 0.85 < found["", "cosine"].value < found["", "task-specific M"].value
    with np.load(run.path / "heatmaps.npz", allow_pickle=False) as file:
        assert file["panels"].tolist() == ["cosine"]
        assert file["cosines"].shape == (1, 1000, 1000)
        assert str(file["order"]) == "then by id"


def test_too_few_labels_for_a_supervised_map_are_told(tmp_path):
    run = idxbench.run(
        config({"seeds": 2, "supervised": True}, DATA | {"n_items": 24}) | {"strategy": STRATEGIES[:1]},
        out=tmp_path,
        threads=2,
    )
    assert [notice.text for notice in run.notices if notice.code == "supervised-left-out"] == [
        "24 labelled items are too few to fit 6 dimensions on half"
    ]


def test_one_class_is_nothing_to_recover(tmp_path):
    run = idxbench.run(
        config({"seeds": 1}, DATA | {"n_clusters": 1}) | {"strategy": STRATEGIES[:1]}, out=tmp_path, threads=2
    )
    assert "nothing-to-recover" in {notice.code for notice in run.notices}
    assert figures(run, "auc") == {}


@pytest.mark.parametrize(
    ("recover", "data", "expected"),
    [
        ({}, {"source": "digits"}, {"recover.seeds": "1: only the source 'simulated'"}),
        ({"seeds": 1}, {"items": "x.npy"}, {"recover": "labels, one class per item"}),
        ({"seeds": 1}, {"source": "gaussian"}, {"recover": "labels, one class per item"}),
        ({"seeds": 1}, {"source": "gaussian", "clusters": 4}, {}),
        (
            {"seeds": 1, "model": [{"name": "a"}]},
            {"source": "digits"},
            {"recover.model": "'simulated' or 'factorized'"},
        ),
        ({"model": [{"name": "a"}, {"name": "a"}]}, DATA, {"recover.model[1].name": "a name of its own"}),
        (
            {"model": [{"name": "a", "objective": 2, "gauge": "d^(1/2)"}]},
            DATA,
            {"recover.model[0].gauge": "no gauge with objective 2"},
        ),
        ({"model": [{"name": "a", "objective": 2}]}, DATA | {"gauge": "d^(1/2)"}, {}),
        (
            {"model": [{"name": "a", "standardize": True}]},
            DATA | {"weighting": "popularity"},
            {"recover.model[0]": "standardize or weighting, not both"},
        ),
        ({"heatmaps": ["b"], "model": [{"name": "a"}]}, DATA, {"recover.heatmaps[0]": "names of [[recover.model]]: a"}),
        ({"heatmaps": ["b"]}, DATA, {"recover.heatmaps[0]": "true or false"}),
        ({"seeds": 2, "heatmaps": True}, DATA, {}),
    ],
)
def test_what_does_not_fit_is_told_before_any_work(recover, data, expected):
    parsed = parse_config(config(recover, data))
    found = {}
    try:
        check_recover(parsed, "c.toml")
    except ConfigError as error:
        found = {problem.where.removeprefix("c.toml: "): problem.expected for problem in error.problems}
    assert set(found) == set(expected)
    for where, text in expected.items():
        assert text in found[where]


def test_a_missing_library_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(config_recover, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"matplotlib is not installed(.|\n)*pip install 'idxbench\[figures\]'"):
        idxbench.run(config({"heatmaps": True}), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    check_recover(parse_config(config({})), "c.toml")


def test_a_model_that_changes_the_objective_starts_from_its_defaults():
    parsed = parse_config(config({"model": [{"name": "a", "objective": 2}, {"name": "b", "gauge": "d^(1/2)"}]}))
    assert parsed.recover.models[0].changes() == {"objective": 2, "regularization": None, "gauge": "I"}
    assert parsed.recover.models[1].changes() == {"gauge": "d^(1/2)"}
    assert [model.name for model in Recover().models] == [""]


def test_no_task_and_no_table_is_refused():
    with pytest.raises(ConfigError, match="at least one value"):
        parse_config({"tasks": [], "data": DATA})


def test_means_of_blocks_by_hand():
    codes = np.array([0, 0, 1])
    cosine = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.4], [0.2, -0.4, 1.0]])
    means = block_means(cosine, codes, np.array([0, 1]))
    np.testing.assert_allclose(means, [[0.5, -0.1], [-0.1, np.nan]])


def test_panels_are_of_models_or_of_strategies():
    spaces = (Space("a", (), "cosine", ""), Space("b", (), "dot", ""))
    codes, items = np.array([1, 0, -1, 0]), np.eye(4)
    calls = []

    def vectors(space):
        calls.append(space.name)
        return items

    panels = Panels(Recover(heatmaps=True), spaces, 0)
    labels = Labels(codes, ("none", "one"))
    panels.add("", items, labels, np.array([1, 2, 9, 7]), vectors)
    assert calls == ["a"]  # b is not compared by cosine
    assert panels._rows.tolist() == [3, 1, 0]  # class 0 first, its popular item 3 before 1; item 2 has no label
    quiet = Panels(Recover(), spaces, 0)
    quiet.add("", items, labels, None, vectors)
    assert not quiet._cosines


def test_the_supervised_row_is_measured_on_labels_it_has_not_seen(tmp_path):
    rng = np.random.default_rng(6)
    np.save(tmp_path / "items.npy", rng.standard_normal((600, 60)).astype(np.float32))
    np.save(tmp_path / "labels.npy", rng.integers(0, 3, 600))
    data = {"items": str(tmp_path / "items.npy"), "labels": str(tmp_path / "labels.npy"), "trained_with": "cosine"}
    given = config({"seeds": 1, "supervised": True}, data) | {"strategy": STRATEGIES[:1]}
    run = idxbench.run(given, out=tmp_path / "out", threads=2)
    for metric, chance in (("auc", 0.5), ("ari", 0.0)):
        assert figures(run, metric)["", "task-specific M"].value == pytest.approx(chance, abs=0.02)

"""The diagnosis that a run keeps: what `idxbench diagnose` says of the same vectors, told first."""

import json

import numpy as np
import pytest

import idxbench
from idxbench.api import run
from idxbench.records import load_run
from idxbench.report.html.run_page import run_page
from idxbench.report.verdict import diagnosis_lines

CONFIG = {
    "data": {"source": "gaussian", "n_items": 400, "n_queries": 60, "n_dims": 6, "clusters": 3},
    "tasks": ["retrieve"],
    "strategy": [{"transform": "raw"}],
    "index": [{"kind": "numpy"}],
    "measure": {"rounds": 1, "queries": 20},
    "threads": 1,
    "cache": False,
}


@pytest.fixture
def done(tmp_path):
    return run(CONFIG, out=tmp_path)


def test_a_run_says_what_diagnose_says(done):
    """Of all queries, though 20 of 60 are asked."""
    told, alone = done.info["diagnosis"], idxbench.diagnose(CONFIG)
    assert told["headline"] == alone.headline
    assert [one["code"] for one in told["findings"]] == [one.code for one in alone.findings]
    assert told["figures"]["queries"]["n_rows"] == 60
    assert told["figures"]["gauge_imbalance"] == pytest.approx(alone.examined.imbalance)
    # Plain JSON, without a NaN.
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("trained", ["unknown", "dot", "cosine"])
@pytest.mark.parametrize("towers", [None, 1])
def test_items_alone(tmp_path, trained, towers):
    """Two towers trained with dot can't be assessed without queries, here as there."""
    np.save(tmp_path / "items.npy", np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32))
    data = {"items": str(tmp_path / "items.npy"), "trained_with": trained} | ({"towers": towers} if towers else {})
    given = CONFIG | {"data": data, "tasks": ["similar"], "similar": {"sample": 100}}
    told, alone = run(given, out=tmp_path / "results").info["diagnosis"], idxbench.diagnose(given)
    assert told["headline"] == alone.headline
    assert ("Cannot assess" in told["headline"]) is (trained != "cosine" and towers is None)


def test_runs_that_are_not_diagnosed(tmp_path):
    done = run(CONFIG | {"diagnose": {"in_runs": False}}, out=tmp_path)
    assert "diagnosis" not in done.info
    assert run_page(done, ()).heading == "Decision"


def test_the_page_of_a_run_that_was_cut_short(done):
    done.info["status"] = "interrupted"
    page = run_page(done, ())
    assert page.heading == "Not complete"
    said = [one.first for one in page.statements]
    assert said[0].startswith("This run is not complete (interrupted)")
    assert said[1:] == [done.info["diagnosis"]["headline"]]


def test_a_holdout_is_asked_for(tmp_path):
    given = CONFIG | {"data": {"source": "digits", "holdout": 100}}
    figures = run(given, out=tmp_path).info["diagnosis"]["figures"]
    assert (figures["items"]["n_rows"], figures["queries"]["n_rows"]) == (1697, 100)


def test_lines_tell_what_asks_for_something(done):
    findings = [
        {"severity": "problem", "title": "A is broken", "advice": "mend A", "text": "A is."},
        {"severity": "warning", "title": "B is odd", "advice": "", "text": "B is."},
        {"severity": "note", "title": "C is so", "advice": "", "text": ""},
        {"severity": "fine", "title": "D is fine", "advice": "", "text": ""},
    ]
    done.info["diagnosis"] = {"headline": "Rank by dot.", "findings": findings}
    assert list(diagnosis_lines(done)) == ["Rank by dot.", "A is broken (problem): mend A", "B is odd (warning): B is."]
    page = run_page(done, ())
    assert page.heading == "Diagnosis and decision"
    assert (page.statements[0].first, len(page.statements[0].rest)) == ("Rank by dot.", 2)


def test_an_older_run_has_none(done):
    del done.info["diagnosis"]
    assert list(diagnosis_lines(done)) == []
    assert run_page(done, ()).heading == "Decision"


def test_a_resumed_run_keeps_it(tmp_path, monkeypatch):
    """The vectors are examined once."""
    from idxbench.bench import run_diagnosis, runner

    examined = []
    original = run_diagnosis.examine
    monkeypatch.setattr(run_diagnosis, "examine", lambda *a, **b: examined.append(1) or original(*a, **b))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "portray", stop)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, out=tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(run_diagnosis, "examine", lambda *a, **b: examined.append(1) or original(*a, **b))
    done = load_run(run(CONFIG, out=tmp_path, resume=True).path)
    assert (len(examined), done.info["sessions"]) == (1, 2)
    assert done.info["diagnosis"]["headline"] == idxbench.diagnose(CONFIG).headline

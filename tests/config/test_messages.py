"""What a user reads when the config is wrong: every mistake at once, each with its key and a way out."""

from pathlib import Path

import pytest

from idxbench.config.load import load_config, parse_config
from idxbench.errors import ConfigError

DIGITS = {"data": {"source": "digits"}}


def problems(given: dict) -> dict[str, tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_config(given)
    return {p.where.removeprefix("config: "): (p.expected, p.found, p.fix) for p in caught.value.problems}


def test_two_misspelled_keys_are_reported_together(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('tread = 2\n[data]\nsource = "digits"\nhold_out = 3\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    first, second = sorted(str(problem) for problem in caught.value.problems)
    assert first.startswith(f"{path}: data.hold_out")
    assert "did you mean 'holdout'?" in first
    assert second.startswith(f"{path}: tread")
    assert "did you mean 'threads'?" in second


@pytest.mark.parametrize(
    ("extra", "where", "expected", "fix"),
    [
        ({"k": 0}, "k", "greater than 0", ""),
        ({"k": [10, -1]}, "k[1]", "greater than 0", ""),
        ({"k": []}, "k", "at least one value", ""),
        ({"k": 2.5}, "k", "a whole number", ""),
        ({"k": True}, "k", "a whole number", ""),
        ({"threads": "two"}, "threads", "a whole number", ""),
        ({"name": "a/b"}, "name", "letters, digits", ""),
        ({"tasks": ["retrive"]}, "tasks[0]", "'retrieve', 'similar' or 'cluster'", "did you mean 'retrieve'?"),
        ({"target_recall": 1.5}, "target_recall", "less than 1", ""),
        ({"data": 5}, "data", "a table of keys", ""),
        ({"data": {}}, "data.items", "a value", 'source = "digits"'),
        ({"data": {"items": 3}}, "data.items", "a path in quotes", ""),
        ({"data": {"items": {"path": "x", "ky": "a"}}}, "data.items.ky", "path, key", "did you mean 'key'?"),
        ({"data": {"source": "digit"}}, "data", "a source", "did you mean 'digits'?"),
        ({"data": {"items": "x", "queries": "q", "holdout": 2}}, "data", "not both", ""),
        ({"data": {"items": "x", "neighbors": "n"}}, "data", "queries beside neighbors", ""),
        ({"data": {"items": "x", "trained_with": "dott"}}, "data.trained_with", "'dot'", "did you mean 'dot'?"),
        ({"strategy": {"transform": "raw"}}, "strategy", "a list", "[[strategy]], with two brackets"),
        ({"strategy": [{"transform": "normalised"}]}, "strategy[0].transform", "a transform", "'normalized'"),
        (
            {"strategy": [{"transform": {"kind": "rescaled", "axis": 0}}]},
            "strategy[0].transform",
            "axis and factor together",
            "",
        ),
        (
            {"strategy": [{"transform": {"kind": "rescaled", "axis": 0, "factor": 0.0}}]},
            "strategy[0].transform",
            "scales other than 0",
            "",
        ),
        (
            {"strategy": [{"transform": {"kind": "rescaled", "axis": 0, "factor": 2.0, "sigma": 1.0}}]},
            "strategy[0].transform",
            "one of axis and factor, scales, or sigma",
            "",
        ),
        (
            {"strategy": [{"transform": ["centered", {"kind": "rescaled", "facto": 2.0}]}]},
            "strategy[0].transform[1].facto",
            "factor",
            "did you mean 'factor'?",
        ),
        ({"index": [{"kind": "hnsw"}]}, "index[0]", "a kind", "did you mean 'hnswlib'?"),
        ({"index": [{"kind": "hnswlib", "m": 4}]}, "index[0].m", "M", "did you mean 'M'?"),
        ({"index": [{"kind": "hnswlib", "M": 1}]}, "index[0].M", "2 to 10000", ""),
        ({"clusters": {"counts": 5.0}}, "clusters.counts", "a whole number", ""),
        ({"measure": {"build_mode": "quick"}}, "measure.build_mode", "'repeatable' or 'fast'", ""),
    ],
)
def test_each_mistake_is_named(extra, where, expected, fix):
    found = problems(DIGITS | extra)
    assert where in found, found
    assert expected in found[where][0]
    assert fix in found[where][2]


def test_an_empty_config_says_what_is_needed():
    assert "items" in problems({})["data"][2]


def test_every_mistake_is_found_in_one_go():
    found = problems(
        {"k": 0, "nam": "x", "data": {"source": "digits", "holdout": -1}, "index": [{"kind": "hnswlib", "ef": 0}]}
    )
    assert set(found) == {"k", "nam", "data.holdout", "index[0].ef"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"k = [1,", "TOML"),
        (b"\xff", "UTF-8 text"),
        (b"a = 1\na = 2", "TOML"),
    ],
)
def test_files_that_are_no_config(tmp_path, content, message):
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_missing_file_points_to_init(tmp_path):
    with pytest.raises(ConfigError, match="idxbench init"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="readable config file"):
        load_config(tmp_path)


def test_paths_are_relative_to_the_config(tmp_path):
    (tmp_path / "c.toml").write_text('[data]\nitems = "a/items.npy"\nqueries = { path = "/q.npz", key = "u" }\n')
    data = load_config(tmp_path / "c.toml").data
    assert data.items.path == tmp_path / "a/items.npy"
    assert (data.queries.path, data.queries.key) == (Path("/q.npz"), "u")


def test_the_design_example_is_accepted(tmp_path):
    (tmp_path / "c.toml").write_text("""
name = "two-tower"
k = [10, 100]
seed = 7
threads = 0
tasks = ["retrieve", "similar", "cluster"]
[data]
items = "items.npy"
queries = "users.npy"
labels = "labels.tsv"
trained_with = "dot"
towers = 2
[[strategy]]
transform = "raw"
similarity = "dot"
[[strategy]]
transform = "normalized"
[[strategy]]
transform = { kind = "rescaled", axis = 0, factor = 1000.0 }
[[index]]
kind = "hnswlib"
M = [16, 32]
ef_construction = 200
ef = [10, 20, 40, 80, 160, 320]
[clusters]
counts = [5, 20]
seeds = 5
[measure]
rounds = 10
builds = 1
build_mode = "repeatable"
""")
    config = load_config(tmp_path / "c.toml")
    assert config.index[0].M == (16, 32)
    assert config.index[0].ef_construction == (200,)
    assert config.k == (10, 100)


def test_defaults_are_the_design_card():
    config = parse_config({"data": {"items": "x.npy"}})
    assert [strategy.kinds for strategy in config.strategy] == ["raw", "normalized", "rescaled"]
    assert [index.kind for index in config.index] == ["hnswlib"]
    assert config.trained_similarity == "dot"

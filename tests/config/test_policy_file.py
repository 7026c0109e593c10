"""A policy in a file of its own: the keys of ``[gate]``, and every mistake in one go."""

import ast
from pathlib import Path

import pytest

import idxbench
from idxbench.config.load import parse_config
from idxbench.config.metric_names import KNOWN_METRICS, known_measures
from idxbench.config.policy import DEFAULT_METRICS, Policy
from idxbench.config.policy_file import load_policy, parse_policy
from idxbench.errors import ConfigError


def problems(given):
    with pytest.raises(ConfigError) as caught:
        parse_policy(given, "p.toml")
    return {p.where.removeprefix("p.toml: "): (p.expected, p.found, p.fix) for p in caught.value.problems}


def test_a_file(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        'base = "raw"\nnew = "normalized"\nstrategies = "raw"\nk = [10]\n'
        '[metrics."recall@task"]\nfloor = 0.01\n[metrics.latency_p95]\ngate = true\nfloor = 0.2\n'
        '[metrics.short_results]\ndirection = "lower"\nfloor = 0\nkind = "difference"\n'
    )
    policy = load_policy(path)
    assert (policy.base, policy.new, policy.strategies, policy.k) == ("raw", "normalized", ("raw",), (10,))
    assert policy.metric("recall@task").floor == 0.01
    assert policy.metric("latency_p95").gate
    assert policy.metric("short_results").direction == "lower"
    assert policy.metric("qps_batch") == DEFAULT_METRICS["qps_batch"]


def test_an_empty_file_is_the_default(tmp_path):
    (tmp_path / "p.toml").write_text("")
    assert load_policy(tmp_path / "p.toml") == Policy()


def test_all_mistakes_together():
    found = problems(
        {
            "levl": 0.99,
            "min_runs": 2,
            "metrics": {
                "qps_batch": {"flor": 0.1},
                "recall": {"floor": 0.1},
                "recal@task": {"floor": 0.1},
                "antihub_share": {"direction": "lower"},
                "latency_p50": {"direction": "up"},
            },
        }
    )
    assert found["levl"][2] == "did you mean 'level'?"
    assert "greater than or equal to 4" in found["min_runs"][0]
    assert found["metrics.qps_batch.flor"][2] == "did you mean 'floor'?"
    assert found["metrics.recall"][2] == "write recall@own or recall@task or recall@labels"
    assert found["metrics.recal@task"][2] == "did you mean 'recall@task'?"
    assert found["metrics.antihub_share"][1] == "no floor"
    assert "'higher' or 'lower'" in found["metrics.latency_p50.direction"][0]
    assert len(found) == 7


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        (None, "p.toml", "No such file"),
        ("level = ", "p.toml", "Invalid value"),
        ("[gate]\nlevel = 0.9\n", "p.toml: gate", "leave [gate] out"),
    ],
)
def test_files_that_are_none(tmp_path, text, where, said):
    if text is not None:
        (tmp_path / "p.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policy(tmp_path / "p.toml")
    assert caught.value.problems[0].where.endswith(where)
    assert said in str(caught.value)


def test_a_config_is_told_the_same():
    with pytest.raises(ConfigError, match=r"config: gate\.metrics\.qps_bach(.|\n)*did you mean 'qps_batch'"):
        parse_config({"data": {"source": "digits"}, "gate": {"metrics": {"qps_bach": {"floor": 0.1}}}})


def test_the_defaults_are_known():
    assert set(DEFAULT_METRICS) <= set(known_measures())


def test_every_metric_of_a_run_is_known():
    """Read what bench/ writes: calls of value() and estimate() with the name as a plain text."""
    named = set()
    for path in (Path(idxbench.__file__).parent / "bench").glob("*.py"):
        # Two commands of their own, whose figures are in no run directory of a config.
        if path.name in ("compare_trainings.py", "diagnose_job.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in ("value", "estimate") and isinstance(first, ast.Constant):
                    named.add(first.value)
    assert {"recall", "build_time", "hub_gini"} <= named
    assert named - {"failed"} <= set(KNOWN_METRICS)

"""From config to cells."""

import pytest

from idxbench.bench import plan as planning
from idxbench.bench.plan import check_extras, make_plan
from idxbench.config.load import parse_config
from idxbench.errors import ConfigError

BASE = {
    "data": {"source": "digits"},
    "k": [5, 10],
    "strategy": [{"transform": "raw"}, {"transform": "normalized"}],
    "index": [
        {"kind": "hnswlib", "M": [8, 16], "ef_construction": [50, 100], "ef": [5, 10, 20]},
        {"kind": "exact"},
    ],
}


def test_sweeps_multiply():
    plan = make_plan(parse_config(BASE))
    assert len(plan.builds) == 2 * (2 * 2 + 1)
    assert plan.n_cells == 2 * (4 * 2 + 1)
    assert [b.space.name for b in plan.builds] == ["raw"] * 5 + ["normalized"] * 5
    assert plan.builds[0].build_json == '{"M":8,"ef_construction":50}'
    assert plan.builds[4].build_json == ""


def test_ef_below_the_largest_k_runs_once_and_is_named():
    plan = make_plan(parse_config(BASE))
    assert plan.builds[0].searches == ({"ef": 10}, {"ef": 20})
    (notice,) = plan.notices
    assert notice.code == "ef-below-k"
    assert "ef 5 is below k = 10" in notice.text


def test_builds_get_seeds_of_their_own():
    plan = make_plan(parse_config(BASE | {"seed": 3, "measure": {"builds": 2}}), only=["raw"])
    assert [b.seed for b in plan.builds[:2]] == [3, 4]
    assert plan.builds[1].build_json == '{"M":8,"ef_construction":50,"seed":4}'


def test_only_keeps_strategies_and_indexes():
    config = parse_config(BASE)
    assert {b.space.name for b in make_plan(config, only=["raw"]).builds} == {"raw"}
    assert {b.kind for b in make_plan(config, only=["exact"]).builds} == {"exact"}
    assert make_plan(config, only=["raw", "exact"]).n_cells == 1
    with pytest.raises(ConfigError, match=r"--only\n.*raw, normalized, hnswlib, exact\n.*'rwa'\n.*'raw'"):
        make_plan(config, only=["rwa"])


def test_repeated_values_of_a_sweep_are_built_once():
    config = parse_config(BASE | {"index": [{"kind": "hnswlib", "M": [8, 8], "ef": [10, 10]}]})
    assert make_plan(config, only=["raw"]).n_cells == 1


def test_without_queries_nothing_is_retrieved():
    plan = make_plan(parse_config(BASE), has_queries=False)
    assert plan.tasks == ("similar", "cluster")
    assert plan.builds == ()
    assert plan.notices[0].code == "no-queries"


def test_a_download_moves_the_bar():
    from idxbench.bench.inputs import _in_thousandths

    steps = []
    tell = _in_thousandths(steps.append)
    for done in (0, 250, 500, 1000):
        tell(done, 1000)
    tell(5, None)
    assert sum(steps) == 1000
    assert steps[:2] == [0, 250]


def test_libraries_that_are_missing_are_named_together_with_what_installs_them(monkeypatch):
    given = BASE | {"index": [{"kind": kind} for kind in ("faiss-flat", "numpy", "usearch-exact", "faiss-flat")]}
    config = parse_config(given)
    check_extras(make_plan(config), config, "c.toml")
    monkeypatch.setattr(planning, "missing_extra", lambda kind: None if kind == "numpy" else (kind[:2], kind[-2:]))
    with pytest.raises(ConfigError) as caught:
        check_extras(make_plan(config), config, "c.toml")
    first, second = caught.value.problems
    assert (first.where, second.where) == ("c.toml: index[0].kind", "c.toml: index[2].kind")
    assert first.expected == "fa, which 'faiss-flat' runs on"
    assert second.fix.startswith("pip install 'idxbench[ct]'")
    check_extras(make_plan(config, only=["numpy"]), config, "c.toml")

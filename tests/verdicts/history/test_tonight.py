"""What a gate asks: the same answer before and after tonight is added, and nothing of later nights."""

import math
from datetime import datetime

import numpy as np
import pytest

from idxbench.config.policy import Policy
from idxbench.errors import ConfigError
from idxbench.records import load_run
from idxbench.store.history import add_rows, read_history
from idxbench.verdicts.history.recorded import history_machine, rows_of
from idxbench.verdicts.history.tonight import alarms, noise
from idxbench.verdicts.runs.context import policy_of
from idxbench.verdicts.runs.surroundings import machine_of
from tests.nights.written import started
from tests.verdicts.runs.examples import Arm, write_run

NAMES = ("raw", "normalized", "centered", "whitened", "balanced")


@pytest.fixture
def run_of(tmp_path):
    """Return a function that makes the run of a night: five indexes, one of which may be slower."""

    def make(night, *, slower=1.0, **given):
        stamp = datetime.fromisoformat(started(night)).strftime("%Y%m%dT%H%M%SZ")
        arms = [Arm(name, slower=slower if name == "centered" else 1.0) for name in NAMES]
        level = math.exp(0.03 * np.random.default_rng(night).standard_normal())
        info = {"started": started(night), "environment": {"machine": "box"}} | given.pop("info", {})
        options = {"rounds": 12, "level": level, "seed": night} | given
        return load_run(write_run(tmp_path / "runs" / f"{stamp}-0a1b2c3d", arms=arms, info=info, **options))

    return make


def add(history, run):
    return add_rows(history, rows_of(run))


def test_records_of_a_run(run_of):
    rows = rows_of(run_of(0))
    assert {row.machine for row in rows} == {"box"}
    assert {row.started for row in rows} == {started(0)}
    metrics = {row.metric for row in rows}
    assert {"recall", "qps_batch", "latency_p50", "build_time", "index_bytes"} <= metrics
    assert all(row.noise > 0 for row in rows if row.metric == "qps_batch")
    assert all(math.isnan(row.noise) for row in rows if row.metric == "recall")
    assert {row.flags for row in rows} == {()}
    assert rows[0].versions["hnswlib"] == "0.8.0"
    assert len(rows_of(run_of(1))) == len(rows_of(run_of(1), everything=True))
    assert rows_of(run_of(1), machine="ci")[0].machine == "ci"


def test_identity_stays_and_set_ups_differ(run_of):
    one = run_of(3)
    rows = rows_of(one)
    renamed = one.path.rename(one.path.with_name("artifact"))
    assert rows_of(load_run(renamed))[0].identity == rows[0].identity
    assert rows_of(run_of(4))[0].identity != rows[0].identity
    assert rows_of(run_of(4))[0].setup == rows[0].setup
    assert rows_of(run_of(5, info={"environment": {"machine": "box", "threads": 9}}))[0].setup != rows[0].setup
    assert rows_of(run_of(6, info={"data": {"fingerprints": {"items": "new"}}}))[0].data != rows[0].data


def test_another_strategy_behind_a_name_and_another_seed_are_other_set_ups(run_of):
    def setups(run):
        return {row.strategy: row.setup for row in rows_of(run)}

    def told(**transforms):
        named = {name: name for name in NAMES} | transforms
        return {"strategies": [{"name": name, "transform": one, "similarity": "dot"} for name, one in named.items()]}

    usual = setups(run_of(0))
    other = setups(run_of(1, info=told(centered="rescaled axis 0 by 1000")))
    assert setups(run_of(2, info=told())) == usual
    assert {name for name in NAMES if other[name] != usual[name]} == {"centered"}
    seeded = setups(run_of(3, info={"config": {"seed": 1}}))
    assert all(seeded[name] != usual[name] for name in NAMES)
    # A run without indexes tells of no strategy; its config does.
    first, second = (
        setups(run_of(4, info={"strategies": [], "config": {"strategy": [{"transform": factor}]}}))
        for factor in (10, 1000)
    )
    assert first["centered"] != second["centered"]


def test_a_policy_of_some_strategies_gates_those_alone(run_of, tmp_path):
    for night in range(12):
        add(tmp_path, run_of(night))
    tonight = run_of(12, slower=1.5)

    def found(policy):
        return {(one.cell.strategy, one.gated) for one in alarms(tmp_path, tonight, policy=policy) if one.cell}

    assert ("centered", True) in found(Policy())
    assert ("centered", True) in found(Policy(strategies=("centered",)))
    assert found(Policy(strategies=("raw",))) == {("centered", False)}
    # A record says by itself what its run's policy left out.
    judged = {(row.strategy, row.metric): row.judged for row in rows_of(tonight, policy=Policy(strategies=("raw",)))}
    assert (judged["raw", "qps_batch"].gate, judged["centered", "qps_batch"].gate) == (True, False)


def test_what_a_run_s_policy_adds_is_kept_and_judged(run_of, tmp_path):
    gate = {"gate": {"metrics": {"qps_batch": {"floor": 0.5}, "build_time": {"gate": False}}}}
    for night in range(14):
        add(tmp_path, run_of(night))
    assert alarms(tmp_path, run_of(14, slower=1.3))
    lenient = run_of(14, slower=1.3, info={"config": gate})
    assert "qps_batch" not in {one.cell.metric for one in alarms(tmp_path, lenient) if one.cell}
    assert "qps_batch" in {one.cell.metric for one in alarms(tmp_path, lenient, policy=Policy()) if one.cell}
    judged = {row.metric: row.judged for row in rows_of(lenient, policy=policy_of(lenient), everything=True)}
    assert (judged["qps_batch"].floor, judged["build_time"].gate) == (0.5, False)


def test_flags(run_of):
    unstable = rows_of(run_of(0, control=1.4))
    assert {row.flags for row in unstable if row.unit in ("s", "1/s")} == {("unstable",)}
    # A recall does not depend on how busy the machine was.
    assert {row.flags for row in unstable if row.metric == "recall"} == {()}
    assert {row.flags for row in rows_of(run_of(1, info={"status": "interrupted"}))} == {("interrupted",)}
    failure = {"strategy": "raw", "index": "hnswlib", "build": Arm("raw").build_json, "searches": [], "reason": "x"}
    failed = rows_of(run_of(2, info={"failures": [failure]}))
    assert {row.strategy for row in failed if row.flags == ("incomplete",)} == {"raw"}


def test_a_machine_without_a_name(run_of):
    run = run_of(0, info={"environment": {"processor": ""}, "started": started(0)})
    with pytest.raises(ConfigError, match="--machine NAME"):
        history_machine(run)
    assert history_machine(run, "ci-1") == "ci-1"
    # An older run that does not know the name of its machine knows what the name is made of.
    older = run_of(1, info={"environment": {}, "started": started(1)})
    assert history_machine(older) == machine_of(older) == "amd-epyc-2-cores-24-gb-x86-64"


def test_the_same_before_and_after_it_is_added(run_of, tmp_path):
    history = tmp_path / "history"
    assert alarms(history, run_of(0)) == ()
    assert noise(history, run_of(0)) == {}
    for night in range(14):
        add(history, run_of(night))
    tonight = run_of(14, slower=1.3)
    before, quiet = alarms(history, tonight), noise(history, tonight)
    assert {one.cell.strategy for one in before} == {"centered"}
    assert {one.state for one in before} == {"candidate"}
    add(history, tonight)
    assert alarms(history, tonight) == before
    assert noise(history, tonight) == quiet
    # Nights that come after a run say nothing of it.
    add(history, run_of(15, slower=1.3))
    assert alarms(history, tonight) == before
    assert noise(history, tonight) == quiet
    after = alarms(history, run_of(16))
    assert {(one.cell.strategy, one.state, one.basis) for one in after} == {("centered", "confirmed", "nights")}


def test_noise_is_what_nights_differ_by(run_of, tmp_path):
    for night in range(16):
        add(tmp_path, run_of(night))
    found = noise(tmp_path, run_of(16))
    times = [one for cell, one in found.items() if cell.metric == "qps_batch"]
    assert len(times) == 15
    # The machine's own nights, of 3 %, are split off; what is left are medians of 12 rounds of 2 %.
    assert all(0.002 < one.width < 0.06 for one in times)
    assert {one.width for cell, one in found.items() if cell.metric == "index_bytes"} == {0.0}
    assert len(read_history(tmp_path, "box").rows) == 16 * len(rows_of(run_of(16)))
    # 8 nights and the last three before the run.
    assert noise(tmp_path, run_of(10)) == {}
    assert len(noise(tmp_path, run_of(11))) == len(found)
    assert noise(tmp_path, run_of(16), machine="other") == {}

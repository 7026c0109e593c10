"""``idxbench gate --self-test``: green where nothing is worse, red where it is, or why it can't tell."""

import json

import pytest

from tests.cli.gated import two
from tests.verdicts.runs.examples import Arm


@pytest.mark.parametrize("flag", [["--baseline", "results/1"], ["--first-run-ok"], ["--machine", "box"]])
def test_2_a_self_test_with_a_baseline(night, call, flag):
    two(night)
    assert "leave them out" in call("gate", "results/2", "--self-test", *flag, code=2).stderr


def self_tested(call, tmp_path, code, *arguments, run="results/2"):
    done = call("gate", run, "--self-test", *arguments, code=code, GITHUB_ACTIONS="", GITHUB_STEP_SUMMARY="")
    codes = {}
    for name in ("identical", "worsened"):
        path = tmp_path / run / "gate" / f"self-test-{name}" / "verdict.json"
        codes[name] = json.loads(path.read_text())["exit_code"] if path.exists() else None
    return " ".join(done.stdout.split()), codes


@pytest.mark.parametrize("control", [1.0, None])
def test_a_self_test_that_goes_red_and_stays_green(night, call, tmp_path, control):
    night("2", arms=[Arm(), Arm("normalized")], rounds=30, control=control)
    said, codes = self_tested(call, tmp_path, 0)
    assert codes == {"identical": 0, "worsened": 1}
    assert said.startswith("Self-test passed (exit 0)")
    assert "as good, must pass: pass (exit 0)" in said
    assert "worse by twice the floor, must be red: regressed (exit 1)" in said
    assert "qps_batch by 10 %" in said
    assert "Not tested, as it decides nothing: build_time (built once)" in said
    assert "between single runs, times are advisory" in said


def test_a_self_test_with_too_few_rounds_says_what_is_needed(night, call, tmp_path):
    night("2", rounds=5)
    said, codes = self_tested(call, tmp_path, 4)
    assert said.startswith("Self-test failed (exit 4)")
    assert "this gate could never go red on qps_batch" in said
    assert "5 rounds; 8 support an interval at this level" in said
    assert codes["worsened"] == 1


def test_a_self_test_keeps_to_the_policy(night, call, tmp_path):
    night("2", rounds=5)
    off = ["qps_batch", "latency_p50"]
    (tmp_path / "p.toml").write_text("".join(f"[metrics.{name}]\ngate = false\n" for name in off))
    said, _ = self_tested(call, tmp_path, 0, "--policy", "p.toml")
    assert "qps_batch" not in said
    (tmp_path / "p.toml").write_text('strategies = ["balanced"]\n')
    said, _ = self_tested(call, tmp_path, 4, "--policy", "p.toml")
    assert "this gate could never go red: no gated figure can be judged" in said


def test_a_self_test_of_an_unstable_night_is_undecided(night, call, tmp_path):
    night("2", rounds=30, control=1.2)
    said, codes = self_tested(call, tmp_path, 3)
    assert codes["identical"] == 3
    assert said.startswith("Self-test undecided (exit 3): tonight is too noisy to tell")
    assert "tonight is unstable: two copies of the same index differ" in said


def test_a_self_test_of_a_noisy_night_says_what_would_have_been_seen(night, call, tmp_path):
    night("2", rounds=10, noise=0.04)
    said, codes = self_tested(call, tmp_path, 3)
    assert "1 of 3 figures did not go red, worse by twice the floor: raw hnswlib M16 c200 ef 20 (would have" in said
    # Recall did.
    assert codes["worsened"] == 1


def test_a_self_test_of_a_run_that_was_stopped(night, call, tmp_path):
    night("2", info={"status": "running"})
    said, codes = self_tested(call, tmp_path, 4)
    assert "is not finished (running)" in said
    assert codes == {"identical": None, "worsened": None}


def test_a_self_test_leaves_nothing_behind_but_its_verdicts(night, call, tmp_path):
    night("2", rounds=30)
    before = sorted(path.name for path in (tmp_path / "results/2").iterdir())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    call("gate", "results/2", "--self-test", TMPDIR=str(scratch))
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "results/2").iterdir()) == sorted([*before, "gate"])

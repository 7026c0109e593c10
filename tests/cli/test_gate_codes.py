"""``idxbench gate`` as a night runs it: every exit code, from real processes, whatever the baseline."""

import json

import pytest

from tests.cli.gated import two
from tests.verdicts.runs.examples import Arm

# Two sides of one run: the same index in two environments.
SIDES = {"config": {"gate": {"base": "environment=", "new": "environment=next"}}}


def sides(**new):
    build = {"M": 16, "ef_construction": 200}
    return [Arm(build=build), Arm(build=build | {"environment": "next"}, **new)]


def test_0_pass(night, gate):
    two(night)
    said, verdict = gate("results/2", "--baseline", "results/1", code=0)
    assert verdict["counts"]["gated"]["advisory"] > 0
    # Times of two runs are advisory: that is said, and what to do about it.
    assert "times of single runs are advisory and decide nothing" in said
    assert "--runs 6" in said
    assert "Written to results/2/gate" in said


def test_1_regressed(night, gate):
    two(night, arms=[Arm(recall_shift=-0.02)])
    said, verdict = gate("results/2", "--baseline", "results/1", code=1)
    assert verdict["status"] == "regressed"
    assert "recall@task" in said


def test_1_a_slower_side_of_one_run(night, gate):
    night("2", arms=sides(slower=1.2), rounds=30, info=SIDES)
    _, verdict = gate("results/2", code=1)
    assert verdict["paired"] is True
    regressed = {one["measure"] for one in verdict["changes"] if one["verdict"] == "regressed"}
    assert {"qps_batch", "latency_p50"} <= regressed


def test_0_a_side_of_one_run_that_is_as_fast(night, gate):
    night("2", arms=sides(), rounds=30, info=SIDES)
    said, verdict = gate("results/2", code=0)
    assert verdict["counts"]["gated"]["same"] > 6
    assert "advisory, deciding nothing: build_time (built once)" in said


def test_2_a_policy_with_mistakes(night, gate, tmp_path):
    two(night)
    (tmp_path / "p.toml").write_text('levl = 0.9\n[metrics."recal@task"]\nfloor = 0.1\n')
    _, verdict = gate("results/2", "--baseline", "results/1", "--policy", "p.toml", code=2)
    assert verdict["status"] == "error"
    assert [one["fix"] for one in verdict["problems"]] == ["did you mean 'level'?", "did you mean 'recall@task'?"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results/2"], "two sides of the run itself"),
        (["results/2", "--baseline", "results/2"], "the same run"),
        (["results/2::rwa", "--baseline", "results/1::raw"], "rwa"),
        (["results/2", "--baseline", "results/1", "--policy", "nope.toml"], "a readable policy file"),
    ],
)
def test_2_other_mistakes(night, gate, arguments, said):
    two(night)
    _, verdict = gate(*arguments, code=2)
    assert said in json.dumps(verdict["problems"])


def test_2_what_does_not_exist(call):
    assert "no such folder" in call("gate", "results/nope", "--baseline", "results", code=2).stderr
    call("gate", "results/nope", "--baseline", "results", "--out", "here", code=2)


def test_3_inconclusive(night, gate):
    night("2", arms=sides(slower=1.07), rounds=10, noise=0.05, info=SIDES)
    said, verdict = gate("results/2", code=3)
    assert verdict["status"] == "inconclusive"
    assert "take more rounds" in said


def test_3_unstable(night, gate):
    night("2", arms=sides(), rounds=30, control=1.2, info=SIDES)
    said, verdict = gate("results/2", code=3)
    assert verdict["status"] == "unstable"
    assert "two copies of the same index differ" in said


def test_3_only_times_of_single_runs(night, gate, tmp_path):
    two(night)
    off = ["recall@task", "recall@own", "exact_overlap@task", "index_bytes", "memory_peak"]
    (tmp_path / "p.toml").write_text("".join(f'[metrics."{name}"]\ngate = false\n' for name in off))
    said, verdict = gate("results/2", "--baseline", "results/1", "--policy", "p.toml", code=3)
    assert verdict["status"] == "advisory"
    assert "every gated figure is advisory only" in said


def test_4_a_run_that_was_stopped(night, gate):
    two(night, info={"status": "interrupted", "exit_status": 130})
    said, _ = gate("results/2", "--baseline", "results/1", code=4)
    assert "is not finished (interrupted)" in said
    # Nor is last night's run taken in its place, or a missing baseline an excuse.
    gate("results", "--baseline", "results/1", code=4)
    gate("results/2", "--baseline", "nothing", "--first-run-ok", code=4)


def test_4_a_run_that_was_killed_at_once(night, gate, tmp_path):
    two(night)
    killed = tmp_path / "results" / "20261122T020000Z-0a1b2c3d"
    killed.mkdir()
    (killed / "journal.jsonl").touch()
    said, _ = gate("results", "--baseline", "results/1", code=4, out=f"results/{killed.name}/gate")
    assert "stopped before its first figure" in said


def test_4_a_cell_that_failed(night, gate):
    night("1", arms=[Arm(), Arm("normalized")])
    night("2", arms=[Arm(), Arm("normalized", fails="killed by signal 9")])
    said, verdict = gate("results/2", "--baseline", "results/1", code=4)
    assert "killed by signal 9" in said
    assert verdict["counts"]["gated"]["missing"] > 0
    assert "killed by signal 9" in verdict["failures"][0]


def test_4_a_cell_that_is_missing(night, gate):
    night("1", arms=[Arm(efs=(10, 20))])
    night("2", arms=[Arm(efs=(10,))])
    _, verdict = gate("results/2", "--baseline", "results/1", code=4)
    assert verdict["counts"]["gated"]["missing"] > 0


def test_4_a_cell_that_is_suspicious(night, gate):
    night("2", arms=sides(slower=0.2), rounds=30, info=SIDES)
    _, verdict = gate("results/2", code=4)
    assert verdict["counts"]["gated"]["suspicious"] > 0


def test_4_nothing_that_is_gated(night, gate, tmp_path):
    two(night)
    (tmp_path / "p.toml").write_text('strategies = ["balanced"]\n')
    said, _ = gate("results/2", "--baseline", "results/1", "--policy", "p.toml", code=4)
    assert "nothing that is gated was measured" in said


def test_4_an_empty_folder(gate, tmp_path):
    (tmp_path / "results").mkdir()
    said, _ = gate("results", "--baseline", "results", code=4, out="results/gate")
    assert "holds no run: nothing was measured" in said


@pytest.mark.parametrize("baseline", ["nothing", "empty", "results", "results/1"])
def test_5_no_baseline_and_the_first_night(night, gate, tmp_path, baseline):
    (tmp_path / "empty").mkdir()
    night("2")
    if baseline == "results/1":
        night("1", info={"status": "interrupted"})
    said, verdict = gate("results/2", "--baseline", baseline, code=5)
    assert verdict["status"] == "no baseline"
    assert "--first-run-ok lets the first night pass" in said
    _, verdict = gate("results/2", "--baseline", baseline, "--first-run-ok", code=0)
    assert verdict["status"] == "first run"


def test_5_incompatible(night, gate):
    two(night, info={"data": {"fingerprints": {"items": "00000000"}}})
    said, verdict = gate("results/2", "--baseline", "results/1", "--first-run-ok", code=5)
    assert verdict["status"] == "incompatible"
    assert "other data (items)" in said
    assert any(one["what"] == "data items" for one in verdict["differences"])


def test_the_folder_of_a_run_is_its_baseline_without_the_run_itself(night, gate):
    night("0", arms=[Arm(recall_shift=0.02)])
    two(night)
    # Against 1, which is alike, and neither against itself nor against the oldest.
    _, verdict = gate("results", "--baseline", "results", code=0)
    assert verdict["base"]["name"].endswith("results/1")
    assert verdict["new"]["name"].endswith("results/2")


def test_a_history_under_another_name(night, gate, call):
    """The machine's name as it was given to 'history add' is given to the gate, too; without, that is told."""
    for name in "12":
        night(name, info={"environment": {"machine": "0123abcd"}})
    call("history", "add", "results/1", "--machine", "box")
    call_gate = ("results/2", "--baseline", "results/1", "--history")
    said, _ = gate(*call_gate, "history", code=0)
    assert "history knows no night of 0123abcd; it has: box" in said
    said, _ = gate(*call_gate, "histroy", code=0)
    assert "the history said nothing: histroy is no folder" in said
    said, _ = gate(*call_gate, "history", "--machine", "box", code=0)
    assert "knows no night" not in said
    assert "letters, digits" in call("gate", *call_gate, "history", "--machine", "a/b", code=2).stderr


def test_many_runs_a_side(night, gate):
    for name in "12":
        for i in range(6):
            night(f"{name}/{i}", seed=10 * int(name) + i, level=1.0 if name == "1" else 1.5)
    _, verdict = gate("results/2", "--baseline", "results/1", "--runs", "6", code=1, out="results/2/5/gate")
    assert (verdict["base"]["runs"], verdict["new"]["runs"]) == (6, 6)
    assert {one["basis"] for one in verdict["changes"] if one["measure"] == "qps_batch"} == {"runs"}


def test_another_machine_is_shown_and_its_times_decide_nothing(night, gate, tmp_path):
    two(night, info={"environment": {"processor": "another"}}, level=3.0)
    # Queries are too few here to say that recall stays, where builds need not repeat.
    (tmp_path / "p.toml").write_text('[metrics."recall@task"]\ngate = false\n[metrics."recall@own"]\ngate = false\n')
    said, verdict = gate("results/2", "--baseline", "results/1", "--policy", "p.toml", code=0)
    assert verdict["one_machine"] is False
    assert verdict["counts"]["all"]["regressed"] == 0
    assert "processor: AMD EPYC -> another" in said


def test_2_a_run_that_cannot_be_read(night, gate, tmp_path):
    two(night)
    (tmp_path / "results" / "2" / "measurements.csv").write_text("no,columns\n")
    _, verdict = gate("results/2", "--baseline", "results/1", code=2)
    assert "measurements.csv" in verdict["problems"][0]["where"]


def test_help(call):
    said = call("gate", "--help").stdout
    for word in ("--baseline", "--policy", "--history", "--machine", "--first-run-ok", "--self-test", "--runs", "NEW"):
        assert word in said
    for code in range(6):
        assert any(line.strip().startswith(f"{code}  ") for line in said.splitlines())
    assert "5 no baseline" in " ".join(call("--help").stdout.split())

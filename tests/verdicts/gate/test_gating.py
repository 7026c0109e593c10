"""The gate as a whole, on runs written by a test: what the history says, and copies of a run."""

import re
import sys
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pytest

from idxbench.errors import ConfigError
from idxbench.records import load_run
from idxbench.store.history import add_rows
from idxbench.store.round_rows import read_rounds
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.gate import self_test as module
from idxbench.verdicts.gate.gating import Request, run_folder, run_gate
from idxbench.verdicts.gate.replay import Worsening, cell_of, sided, write_replay
from idxbench.verdicts.gate.self_test import self_test
from idxbench.verdicts.history.recorded import rows_of
from tests.verdicts.runs.examples import Arm, make_run, write_run


@dataclass
class Heard:
    cell: Cell | None
    state: str = "confirmed"
    gated: bool = True
    text: str = "12 % slower since 2026-11-18"


@dataclass
class Width:
    width: float


@pytest.fixture
def history(monkeypatch):
    """Return a function that plants what the history says."""

    def plant(noise=None, alarms=()):
        module = ModuleType("idxbench.verdicts.history.tonight")
        module.noise = lambda history, run, machine, policy: {
            cell: Width(width) for cell, width in (noise or {}).items()
        }
        module.alarms = lambda history, run, machine, policy: tuple(alarms)
        monkeypatch.setitem(sys.modules, "idxbench.verdicts.history.tonight", module)

    return plant


def two(tmp_path, **new):
    return write_run(tmp_path / "1"), write_run(tmp_path / "2", **new)


def gated(tmp_path, **more):
    return run_gate(Request(str(tmp_path / "2"), str(tmp_path / "1"), history=tmp_path, **more))


def a_cell(path, metric="qps_batch"):
    return cell_of(next(row for row in load_run(path).measurements if row.metric == metric))


def test_a_confirmed_alarm_is_a_regression_and_a_candidate_is_not(tmp_path, history):
    cell = a_cell(two(tmp_path)[1])
    for state, gates, code in (("confirmed", True, 1), ("candidate", True, 0), ("confirmed", False, 0)):
        history(alarms=[Heard(cell, state, gates)])
        gate = gated(tmp_path)
        assert gate.outcome.code == code
        assert gate.alarms[0].text == "12 % slower since 2026-11-18"
        assert gate.alarms[0].confirmed == (state == "confirmed")


def test_alarms_are_heard_without_a_baseline(tmp_path, history):
    path = write_run(tmp_path / "2")
    history(alarms=[Heard(a_cell(path))])
    assert gated(tmp_path, first_run_ok=True).outcome.code == 1


def test_all_indexes_slower_together(tmp_path, history):
    two(tmp_path)
    history(alarms=[Heard(None, gated=False, text="all indexes slower: suspect the machine")])
    outcome = gated(tmp_path).outcome
    assert (outcome.code, outcome.status) == (3, "unstable")
    assert outcome.reasons == ("confirmed by the history: all indexes slower: suspect the machine",)


def test_noise_of_nights_raises_floors(tmp_path, history):
    _, path = two(tmp_path, arms=[Arm(bytes=2_900_000.0)])
    history()
    assert gated(tmp_path).outcome.code == 1
    history(noise={a_cell(path, metric): 0.1 for metric in ("index_bytes", "memory_peak")})
    assert gated(tmp_path).outcome.code == 0


def test_a_copy_is_read_back_as_it_was(tmp_path):
    run = make_run(tmp_path / "run", arms=[Arm(), Arm("with|bars", efs=None)], rounds=5)
    copy = load_run(write_replay(run, tmp_path / "copy", {}))
    for side in ("base", "copy"):
        rows = [row for row in copy.measurements if f'"side":"{side}"' in row.build]
        assert [replace(row, build="") for row in rows] == [replace(row, build="") for row in run.measurements]
        assert [row.build for row in rows] == [sided(row.build, side) for row in run.measurements]
    with np.load(run.path / "queries.npz") as one, np.load(copy.path / "queries.npz") as two:
        names = two["cells"].tolist()
        assert len(names) == 2 * len(one["cells"])
        for i, name in enumerate(one["cells"].tolist()):
            strategy, index, build, search = name.rsplit("|", 3)
            for side in ("base", "copy"):
                j = names.index(f"{strategy}|{index}|{sided(build, side)}|{search}")
                np.testing.assert_array_equal(two[f"{j}/recall_own@10"], one[f"{i}/recall_own@10"])


def test_the_copy_has_the_times_of_the_control(tmp_path):
    run = make_run(tmp_path / "run", arms=[Arm(), Arm("second")], rounds=5)
    given = read_rounds(run.path)
    copied = read_rounds(write_replay(run, tmp_path / "copy", {}))
    controls = [row.qps_batch for row in given if row.copy]
    assert controls
    base = [row for row in copied if '"side":"base"' in row.build]
    copy = [row for row in copied if '"side":"copy"' in row.build]
    # The base keeps its control, which says how noisy the night is; the copy has none.
    assert [row.qps_batch for row in base] == [row.qps_batch for row in given]
    assert not any(row.copy for row in copy)
    assert [row.qps_batch for row in copy if row.strategy == "raw"] == controls
    second = [row.qps_batch for row in given if row.strategy == "second"]
    assert [row.qps_batch for row in copy if row.strategy == "second"] == second


def test_only_what_is_named_becomes_worse(tmp_path):
    run = make_run(tmp_path / "run", rounds=5, control=None)
    slower, lower = (
        cell_of(next(row for row in run.measurements if (row.metric, row.reference) == found))
        for found in (("qps_batch", ""), ("recall", "own"))
    )
    folder = write_replay(run, tmp_path / "copy", {slower: Worsening(factor=0.5), lower: Worsening(shift=-0.1)})
    base, copy = (
        [row for row in load_run(folder).measurements if f'"side":"{side}"' in row.build] for side in ("base", "copy")
    )
    changed = {
        (one.metric, one.reference, one.search) for one, two in zip(base, copy, strict=True) if one.value != two.value
    }
    assert changed == {("qps_batch", "", slower.search), ("recall", "own", lower.search)}
    for one, two in zip(base, copy, strict=True):
        if (one.metric, one.search) == ("qps_batch", slower.search):
            assert two.value == 0.5 * one.value
        if (one.metric, one.reference, one.search) == ("recall", "own", lower.search):
            assert two.value == pytest.approx(one.value - 0.1)
    rounds = read_rounds(folder)
    halves = [row.qps_batch for row in rounds if '"side":"copy"' in row.build and row.search == slower.search]
    wholes = [row.qps_batch for row in rounds if '"side":"base"' in row.build and row.search == slower.search]
    assert halves == [0.5 * value for value in wholes]
    with np.load(folder / "queries.npz") as held:
        names = held["cells"].tolist()
        one, two = (names.index(f"raw|hnswlib|{sided(lower.build, side)}|{lower.search}") for side in ("base", "copy"))
        np.testing.assert_allclose(held[f"{two}/recall_own@10"], held[f"{one}/recall_own@10"] - 0.1, atol=1e-6)
        np.testing.assert_array_equal(held[f"{two}/recall_task@10"], held[f"{one}/recall_task@10"])


def test_a_floor_that_noise_has_raised_is_what_counts(tmp_path):
    write_run(tmp_path / "2", rounds=40, noise=0.1)
    tested = self_test(Request(str(tmp_path / "2")))
    floors = [one.floor for one in tested.identical.comparison.changes if one.cell.metric == "qps_batch"]
    assert min(floors) > 0.06
    assert tested.injected["qps_batch"] == f"{200 * floors[0]:.3g} % (noise has raised the floor of 5 %)"


def test_every_gated_metric_must_go_red_not_just_one(tmp_path, monkeypatch):
    """A copy whose times stay as they are: recall alone is red, and the test of the gate fails."""
    write_run(tmp_path / "2", rounds=40)
    kept = Worsening.of
    monkeypatch.setattr(Worsening, "of", lambda self, value: value if self.factor < 1 else kept(self, value))
    tested = self_test(Request(str(tmp_path / "2")))
    assert tested.worsened.outcome.code == 1
    assert tested.code == 4
    assert tested.why == ("this gate could never go red on qps_batch: worse by twice the floor, it came out as same",)


def advice(path, **more):
    return " ".join(run_gate(Request(str(path), str(path.parent / "1"), **more)).outcome.advice)


def test_a_history_that_knows_nothing_of_this_machine_says_so(tmp_path):
    """A run that was added under another name, a folder that was mistyped: neither is silent."""
    box = {"environment": {"machine": "0123abcd"}}
    write_run(tmp_path / "1", info=box)
    path = write_run(tmp_path / "2", info=box)
    history = tmp_path / "history"
    assert f"the history said nothing: {history} is no folder" in advice(path, history=history)
    history.mkdir()
    assert f"the history said nothing: {history} holds no night" in advice(path, history=history)
    add_rows(history, rows_of(load_run(tmp_path / "1"), machine="box"))
    assert "history knows no night of 0123abcd; it has: box" in advice(path, history=history)
    assert "history" not in advice(path, history=history, machine="box")
    other = write_run(tmp_path / "3", info=box | {"name": "weekly"})
    assert "history knows no night of box with the config 'weekly'" in advice(other, history=history, machine="box")
    # A first night is no failure.
    assert run_gate(Request(str(path), str(tmp_path / "1"), history=tmp_path / "none")).outcome.code == 0


def test_the_machine_that_is_named_is_the_one_that_is_asked(tmp_path):
    """Ten nights under another name, then two that are slower: heard with --machine, and only with it."""
    history = tmp_path / "history"
    for night in range(12):
        info = {"started": f"2026-11-{night + 1:02d}T02:00:00+00:00", "environment": {"machine": "0123abcd"}}
        given = {"level": 1.1 ** (night % 3), "arms": [Arm(slower=2.0 if night >= 10 else 1.0)]}
        path = write_run(tmp_path / f"{night:02d}", seed=night, rounds=12, info=info, **given)
        if night < 11:
            add_rows(history, rows_of(load_run(path), machine="box"))
    heard, deaf = (
        run_gate(Request(str(path), str(path.parent / "00"), history=history, machine=name)) for name in ("box", "")
    )
    assert heard.alarms
    assert not deaf.alarms
    raised, plain = (
        max(one.floor for one in gate.comparison.changes if one.cell.measure == "qps_batch") for gate in (heard, deaf)
    )
    assert raised > 0.1 > plain


def test_a_machine_without_a_history_is_a_mistake(tmp_path):
    two(tmp_path)
    with pytest.raises(ConfigError, match="--history DIR with it"):
        run_gate(Request(str(tmp_path / "2"), str(tmp_path / "1"), machine="box"))


def policy(tmp_path, text):
    (tmp_path / "p.toml").write_text(text)
    return tmp_path / "p.toml"


def test_what_is_asked_for_by_name_and_was_not_measured_is_told(tmp_path):
    _, path = two(tmp_path)
    both = '[metrics.response_p99]\ngate = true\n[metrics.short_results]\ndirection = "lower"\nfloor = 0\n'
    gate = run_gate(Request(str(path), str(tmp_path / "1"), policy(tmp_path, both)))
    assert (gate.outcome.code, gate.outcome.status) == (3, "inconclusive")
    assert gate.outcome.reasons == (
        "nothing measured for response_p99: set measure.rate", "nothing measured for short_results"
    )  # fmt: skip
    tested = self_test(Request(str(path), policy=policy(tmp_path, both)))
    assert tested.code == 4
    assert "this gate could never go red: nothing measured for response_p99: set measure.rate" in tested.why
    # What is not gated, or only given another floor, is not asked for.
    quiet = '[metrics.response_p99]\ngate = false\n[metrics.latency_p95]\nfloor = 0.2\n[metrics."recall@labels"]\n'
    assert run_gate(Request(str(path), str(tmp_path / "1"), policy(tmp_path, quiet))).outcome.code == 0


def test_what_only_the_new_side_has_cannot_be_compared(tmp_path):
    rows = [row for row in make_run(tmp_path / "0").measurements if row.metric == "latency_p99"]
    extra = [replace(row, metric="response_p99") for row in rows]
    _, path = two(tmp_path, extra=extra)
    asked = policy(tmp_path, "[metrics.response_p99]\ngate = true\n")
    gate = run_gate(Request(str(path), str(tmp_path / "1"), asked))
    assert gate.outcome.code == 3
    assert gate.outcome.reasons[0].startswith("nothing to compare for response_p99: the base has none")


def test_nothing_gated_at_all_goes_before_what_was_not_measured(tmp_path):
    _, path = two(tmp_path)
    asked = policy(tmp_path, 'strategies = ["balanced"]\n[metrics.response_p99]\ngate = true\n')
    assert run_gate(Request(str(path), str(tmp_path / "1"), asked)).outcome.code == 4


def test_a_baseline_in_the_place_of_the_two_sides_is_told(tmp_path):
    given = {"config": {"gate": {"base": "raw", "new": "normalized"}}}
    one, two = (write_run(tmp_path / n, arms=[Arm(), Arm("normalized")], info=given) for n in "12")
    told = "the two sides that [gate] names were not compared: leave --baseline out for that"
    assert told in run_gate(Request(str(two), str(one))).outcome.advice
    for request in (Request(str(two)), Request(f"{two}::normalized", f"{two}::raw")):
        assert told not in run_gate(request).outcome.advice


def test_runs_of_another_configuration_are_no_first_night(tmp_path):
    """In one folder: a night before of another configuration is incompatible, and --first-run-ok does not help."""
    parent = tmp_path / "nightly"
    write_run(parent / "1", info={"config": {"seed": 9}})
    new = write_run(parent / "2")
    request = Request(str(parent), str(parent), first_run_ok=True)
    outcome = run_gate(request).outcome
    assert (outcome.code, outcome.status) == (5, "incompatible")
    assert "1 finished run of another configuration" in outcome.reasons[0]
    (parent / "1").rename(tmp_path / "away")
    assert run_gate(request).outcome.status == "first run"
    assert run_gate(replace(request, first_run_ok=False)).outcome.status == "no baseline"
    assert run_folder(str(parent)) == new


def test_a_folder_of_baselines_of_many_configurations(tmp_path):
    """The newest of tonight's configuration is the baseline; none of it is incompatible, unless one is named."""
    kept = tmp_path / "baselines"
    write_run(kept / "20261101T020000Z-aaaa")
    other = write_run(kept / "20261102T020000Z-aaaa", info={"config": {"seed": 9}})
    new = write_run(tmp_path / "20261103T020000Z-aaaa")
    request = Request(str(new), str(kept), first_run_ok=True)
    assert run_gate(request).base.endswith("20261101T020000Z-aaaa")
    (kept / "20261101T020000Z-aaaa").rename(tmp_path / "away")
    outcome = run_gate(request).outcome
    assert (outcome.code, outcome.status) == (5, "incompatible")
    assert "(seed)" in outcome.reasons[0]
    assert run_gate(Request(str(new), str(other))).base == str(other)


def test_a_run_that_was_kept_under_a_name_is_not_the_newest(tmp_path):
    write_run(tmp_path / "release-1.0", info={"started": "2026-11-01T02:00:00+00:00"})
    new = write_run(tmp_path / "20261121T131631Z-0a1b2c3d")
    assert run_folder(str(tmp_path)) == new
    killed = tmp_path / "20261122T020000Z-0a1b2c3d"
    killed.mkdir()
    (killed / "journal.jsonl").touch()
    assert run_folder(str(tmp_path)) == killed


def test_a_noisy_night_is_no_broken_gate(tmp_path):
    """Rounds enough, and noise that hides what the floor asks for: undecided, with what would have been seen."""
    path = write_run(tmp_path / "2", rounds=10, noise=0.04)
    tested = self_test(Request(str(path)))
    assert tested.identical.outcome.code == 3
    assert (tested.why, tested.code) == ((), 3)
    seen = r"[12] of 3 figures {}: (raw hnswlib M16 c200 ef \d+ \(would have seen \d\d % or more\)(, )?)+"
    for metric in ("qps_batch", "latency_p50"):
        for what in ("of an identical copy inconclusive", "did not go red, worse by twice the floor"):
            assert any(re.fullmatch(f"{metric}: {seen.format(what)}", text) for text in tested.noisy)


def test_a_metric_that_noise_hides_does_not_excuse_one_that_can_never_go_red(tmp_path):
    path = write_run(tmp_path / "2", rounds=10, noise=0.04)
    asked = policy(tmp_path, "[metrics.response_p99]\ngate = true\n")
    tested = self_test(Request(str(path), policy=asked))
    assert tested.noisy
    assert tested.code == 4


def test_one_figure_that_stays_green_is_a_broken_gate(tmp_path, monkeypatch):
    """A metric whose other figures go red: noise has nothing to do with one that comes out as the same."""
    path = write_run(tmp_path / "2", rounds=40)
    spared = a_cell(path)
    kept = module._worsenings
    monkeypatch.setattr(
        module,
        "_worsenings",
        lambda gate: ((cell, Worsening() if _same(cell, spared) else w) for cell, w in kept(gate)),
    )
    tested = self_test(Request(str(path)))
    assert tested.why == (
        "qps_batch: 1 of 3 figures did not go red, worse by twice the floor; the first came out as same",
    )
    assert tested.code == 4


def _same(one, other):
    return (one.metric, one.search) == (other.metric, other.search)


def test_an_identical_copy_that_is_red_is_a_broken_gate(tmp_path, monkeypatch):
    path = write_run(tmp_path / "2", rounds=30)
    monkeypatch.setattr(Worsening, "of", lambda self, value: 0.8 * value)
    tested = self_test(Request(str(path)))
    assert tested.identical.outcome.code == 1
    assert tested.code == 4
    assert tested.why[0].startswith("an identical copy must pass, and came out as regressed")

"""The gate as a whole, on runs written by a test: what the history says, and copies of a run."""

import sys
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pytest

from idxbench.records import load_run
from idxbench.store.round_rows import read_rounds
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.gate.gating import Request, run_gate
from idxbench.verdicts.gate.replay import Worsening, cell_of, sided, write_replay
from idxbench.verdicts.gate.self_test import self_test
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
        module.noise = lambda history, run: {cell: Width(width) for cell, width in (noise or {}).items()}
        module.alarms = lambda history, run, policy: tuple(alarms)
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
    assert tested.injected["qps_batch"] == f"{200 * floors[0]:.3g} %"


def test_every_gated_metric_must_go_red_not_just_one(tmp_path, monkeypatch):
    """A copy whose times stay as they are: recall alone is red, and the test of the gate fails."""
    write_run(tmp_path / "2", rounds=40)
    kept = Worsening.of
    monkeypatch.setattr(Worsening, "of", lambda self, value: value if self.factor < 1 else kept(self, value))
    tested = self_test(Request(str(tmp_path / "2")))
    assert tested.worsened.outcome.code == 1
    assert tested.code == 4
    assert tested.why == ("this gate could never go red on qps_batch: worse by twice the floor, it came out as same",)

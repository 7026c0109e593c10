"""Runs against others: what is exact, what takes many runs a side, and what can't be compared at all."""

import math
from dataclasses import replace

import pytest

from idxbench.config.policy import MetricChange, Policy
from idxbench.verdicts.runs.compare import compare_runs
from tests.verdicts.runs.compared import POLICY, TWO, of, verdicts
from tests.verdicts.runs.examples import Arm


class TestTwoRuns:
    def test_the_same_again(self, run):
        found = compare_runs([run()], [run(seed=1)], policy=POLICY)
        assert not found.paired
        assert found.machine
        assert found.differences == ()
        change = of(found, "recall@task")
        assert (change.verdict, change.basis, change.effect) == ("same", "exact", 0.0)
        shown = of(found, "qps_batch")
        assert (shown.verdict, shown.basis, shown.gated) == ("advisory", "single", True)
        assert shown.why == "1 run a side, 6 support a verdict"
        assert math.isnan(shown.low)

    def test_times_of_two_runs_decide_nothing(self, run):
        found = compare_runs([run()], [run(level=2.0)], policy=POLICY)
        assert verdicts(found, "qps_batch") == verdicts(found, "latency_p50") == {"advisory"}
        assert of(found, "qps_batch").effect == pytest.approx(math.log(2), abs=0.1)

    @pytest.mark.parametrize("shift", [-0.001, -0.0005])
    def test_any_loss_of_recall_is_real_where_builds_repeat(self, run, shift):
        found = compare_runs([run()], [run(arms=(Arm(recall_shift=shift),))], policy=POLICY)
        assert verdicts(found, "recall@task") == {"regressed"}
        found = compare_runs([run(arms=(Arm(recall_shift=shift),))], [run()], policy=POLICY)
        assert verdicts(found, "recall@task") == {"improved"}

    def test_unless_the_policy_declares_a_floor(self, run):
        policy = Policy(metrics={"recall@task": MetricChange(floor=0.002)})
        found = compare_runs([run()], [run(arms=(Arm(recall_shift=-0.001),))], policy=policy)
        assert verdicts(found, "recall@task") == {"same"}
        assert verdicts(found, "recall@own") == {"regressed"}

    @pytest.mark.parametrize(
        "info",
        [
            {"config": {"measure": {"build_mode": "fast"}}},
            {"config": {"seed": 1}},
            {"environment": {"processor": "Intel"}},
        ],
    )
    def test_where_builds_do_not_repeat_there_is_a_floor(self, run, info):
        found = compare_runs([run(info=info)], [run(arms=(Arm(recall_shift=-0.001),))], policy=POLICY)
        change = of(found, "recall@task")
        assert change.basis == "queries"
        assert change.floor == 0.005
        assert change.verdict == "inconclusive"

    @pytest.mark.parametrize("told", [True, False])
    def test_another_version_of_the_library_is_another_build(self, run, told):
        """Older runs say which versions are installed, later ones which an index ran on."""

        def of_version(version):
            libraries = [{"index": "hnswlib", "environment": "", "library": "hnswlib", "version": version}]
            return {"environment": {"versions": {"hnswlib": version}}} | ({"libraries": libraries} if told else {})

        base, worse = run(info=of_version("0.8.0")), (Arm(recall_shift=-0.001),)
        change = of(compare_runs([base], [run(info=of_version("0.9.0"), arms=worse)], policy=POLICY), "recall@task")
        assert (change.basis, change.floor, change.verdict) == ("queries", 0.005, "inconclusive")
        for same in (of_version("0.8.0"), {"environment": {"versions": {"hnswlib": None, "numpy": "9"}}}):
            found = compare_runs([base], [run(info=same, arms=worse)], policy=POLICY)
            assert of(found, "recall@task").verdict == "regressed"
            assert "hnswlib" not in [one.what for one in found.differences if told and same == of_version("0.8.0")]

    def test_builds_of_several_seeds_widen_the_floor(self, run):
        fast = {"config": {"measure": {"build_mode": "fast"}}}
        base = run(info=fast)
        like = next(row for row in base.measurements if row.metric == "recall" and row.search == '{"ef":20}')
        spread = replace(like, metric="recall_build_floor", reference="task", value=0.03)
        found = compare_runs([base], [run(info=fast, extra=(spread,))], policy=POLICY)
        assert of(found, "recall@task").floor == 0.03
        assert of(found, "recall@task", search='{"ef":10}').floor == 0.005

    def test_other_data(self, run):
        found = compare_runs([run()], [run(info={"data": {"fingerprints": {"items": "new"}}})], policy=POLICY)
        assert {one.verdict for one in found.changes} == {"incomparable"}
        assert {one.why for one in found.changes} == {"other data (items)"}
        assert found.differences[0].what == "data items"

    def test_another_definition_behind_a_name(self, run):
        changed = (TWO[0], replace(TWO[1], transform="rescaled(sigma=1)"))
        found = compare_runs([run(arms=TWO)], [run(arms=changed)], policy=POLICY)
        assert {one.verdict for one in found.changes if one.cell.strategy == "normalized"} == {"incomparable"}
        assert "rescaled(sigma=1) by cosine behind one name" in of(found, "qps_batch", "normalized").why
        assert "incomparable" not in {one.verdict for one in found.changes if one.cell.strategy == "raw"}

    def test_another_depth(self, run):
        found = compare_runs([run()], [run(k=20)], policy=POLICY)
        assert verdicts(found, "qps_batch") == verdicts(found, "recall@task") == {"incomparable"}
        assert of(found, "qps_batch").why == "searched for 10 and 20 answers"
        assert verdicts(found, "index_bytes") == {"same"}

    def test_another_machine(self, run):
        other = {"environment": {"processor": "Intel Xeon"}}
        found = compare_runs([run()] * 6, [run(info=other, level=3.0)] * 6, policy=POLICY)
        assert not found.machine
        assert verdicts(found, "qps_batch") == {"advisory"}
        assert of(found, "qps_batch").why == "another machine"
        assert [one.what for one in found.differences if one.breaks_times] == ["processor"]

    def test_other_threads(self, run):
        found = compare_runs([run()] * 6, [run(info={"environment": {"threads": 1}})] * 6, policy=POLICY)
        assert of(found, "qps_batch").why == "2 and 1 threads"
        assert found.machine

    def test_what_only_one_side_has(self, run):
        found = compare_runs([run(arms=TWO)], [run(arms=(TWO[0], Arm("rescaled")))], policy=POLICY)
        missing = {one.cell.strategy for one in found.changes if one.verdict == "missing"}
        assert missing == {"normalized"}
        assert of(found, "qps_batch", "normalized").why == "not there"
        assert any("only" not in notice and "of the new side are not" in notice for notice in found.notices)

    def test_memory_that_a_system_can_not_tell_exactly_is_shown(self, run):
        base = run()
        inexact = replace(run(), measurements=tuple(
            replace(row, reference="inexact", value=2 * row.value) if row.metric == "memory_peak" else row
            for row in base.measurements
        ))  # fmt: skip
        found = of(compare_runs([base], [inexact], policy=POLICY), "memory_peak")
        assert (found.verdict, found.gated) == ("advisory", False)

    @pytest.mark.parametrize(("size", "floor"), [(1e6, 2**20 / 2.5e6), (1e9, 0.02)])
    def test_small_peaks_of_memory_have_a_floor_in_bytes(self, run, size, floor):
        base, new = (run(arms=(Arm(bytes=value),)) for value in (size, size * (1 + 0.9 * floor)))
        found = compare_runs([base], [new], policy=POLICY)
        assert of(found, "memory_peak").floor == pytest.approx(floor)
        assert verdicts(found, "memory_peak") == {"same"}
        more = run(arms=(Arm(bytes=size * (1 + 1.1 * floor)),))
        assert verdicts(compare_runs([base], [more], policy=POLICY), "memory_peak") == {"regressed"}

    def test_only_some_strategies_and_depths(self, run):
        found = compare_runs([run(arms=TWO)], [run(arms=TWO)], policy=Policy(strategies=("raw",)))
        assert {one.cell.strategy for one in found.changes} == {"raw"}
        found = compare_runs([run()], [run()], policy=Policy(k=(99,)))
        assert verdicts(found, "recall@task") == set()
        assert verdicts(found, "qps_batch") == {"advisory"}


class TestManyRuns:
    def nights(self, run, n, first=0, **given):
        return [run(seed=first + i, shared=0.0, noise=0.01, **given) for i in range(n)]

    def test_six_a_side_support_a_verdict(self, run):
        base, new = self.nights(run, 6), self.nights(run, 6, 10, level=1.15)
        found = compare_runs(base, new, policy=POLICY)
        change = of(found, "qps_batch")
        assert (change.verdict, change.basis, change.n) == ("regressed", "runs", 6)
        assert (found.base_runs, found.new_runs) == (6, 6)
        assert found.base.endswith("run-06 and 5 before")
        assert verdicts(compare_runs(base, self.nights(run, 6, 20), policy=POLICY), "qps_batch") == {"same"}
        assert verdicts(compare_runs(base[:5], new, policy=POLICY), "qps_batch") == {"advisory"}

    def test_too_few_for_the_level_is_inconclusive(self, run):
        base, new = self.nights(run, 4), self.nights(run, 4, 10, level=2.0)
        change = of(compare_runs(base, new, policy=Policy(min_runs=4)), "qps_batch")
        assert (change.verdict, change.why) == ("inconclusive", "4 runs a side are too few for this level")

    def test_noise_of_history_raises_the_floor(self, run):
        base, new = self.nights(run, 6), self.nights(run, 6, 10, level=1.15)
        cell = replace(of(compare_runs(base, new, policy=POLICY), "qps_batch").cell)
        found = compare_runs(base, new, policy=POLICY, noise={cell: 0.2})
        assert of(found, "qps_batch").verdict == "same"
        assert of(found, "qps_batch").floor == 0.2
        assert of(found, "qps_batch").declared == 0.05
        assert of(found, "qps_batch", search='{"ef":40}').verdict == "regressed"

    def test_recall_of_fast_builds_is_a_mean_over_runs(self, run):
        fast = {"config": {"measure": {"build_mode": "fast"}}}
        base = [run(info=fast), run(info=fast)]
        new = [run(info=fast), run(info=fast, arms=(Arm(recall_shift=-0.4),))]
        change = of(compare_runs(base, new, policy=POLICY), "recall@task")
        assert change.effect == pytest.approx(0.2, abs=1e-6)
        assert change.verdict == "regressed"


def test_swapping_runs_swaps_verdicts(run):
    one, two = run(arms=(Arm(recall_shift=-0.01, bytes=1e6),)), run(arms=(Arm(bytes=1.5e6),))
    swapped = {"regressed": "improved", "improved": "regressed"}
    forth, back = (compare_runs([a], [b], policy=POLICY) for a, b in ((one, two), (two, one)))
    for change in forth.changes:
        other = of(back, change.cell.measure, search=change.cell.search)
        assert other.effect == pytest.approx(-change.effect)
        assert other.verdict == swapped.get(change.verdict, change.verdict)

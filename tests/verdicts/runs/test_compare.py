"""Two sides compared: what is exact, what is paired, what is only shown, and what can't be compared at all."""

import csv
import math
from dataclasses import replace

import pytest

from idxbench.config.policy import MetricChange, Policy
from idxbench.errors import ConfigError
from idxbench.store.round_rows import FILE, ROUND_COLUMNS, read_rounds, round_csv_row
from idxbench.verdicts.runs.compare import WORST_FIRST, badness, compare_runs
from idxbench.verdicts.runs.context import policy_of
from tests.verdicts.runs.examples import EFS, N_QUERIES, Arm, make_run, write_run

POLICY = Policy()
TWO = (Arm("raw"), Arm("normalized", "cosine"))


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run under a name of its own."""
    made = []

    def write(**given):
        made.append(None)
        return make_run(tmp_path / f"run-{len(made):02d}", **given)

    return write


def with_rounds(run, rows):
    """Write other rounds into a run."""
    with (run.path / FILE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([ROUND_COLUMNS, *map(round_csv_row, rows)])
    return run


def sides(run, base="raw", new="normalized", policy=POLICY):
    return compare_runs([run], [run], base_selector=base, new_selector=new, policy=policy)


def of(comparison, measure, strategy=None, search='{"ef":20}'):
    """Return the one change of a measure."""
    found = [
        one
        for one in comparison.changes
        if one.cell.measure == measure
        and (strategy is None or one.cell.strategy == strategy)
        and one.cell.search in (search, "")
    ]
    assert len(found) == 1, found
    return found[0]


def verdicts(comparison, measure):
    return {one.verdict for one in comparison.changes if one.cell.measure == measure}


class TestOneRun:
    def test_a_slower_strategy_is_found_and_an_equal_one_is_not(self, run):
        slower = sides(run(arms=(TWO[0], replace(TWO[1], slower=1.2))))
        assert slower.paired
        assert verdicts(slower, "qps_batch") == verdicts(slower, "latency_p50") == {"regressed"}
        found = of(slower, "qps_batch")
        assert (found.basis, found.n, found.kind, found.unit) == ("rounds", 20, "ratio", "1/s")
        assert found.low < math.log(1.2) < found.high
        assert found.cell.strategy == found.cell.similarity == ""
        assert found.cell.k == 10
        assert verdicts(sides(run(arms=TWO)), "qps_batch") == {"same"}

    def test_worst_first(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=1.2, recall_shift=0.05, bytes=1e6)))).changes
        assert list(found) == sorted(found, key=badness)
        gated = [one.verdict for one in found if one.gated]
        assert gated == sorted(gated, key=WORST_FIRST.index)
        assert not any(one.gated for one in found[len(gated) :])

    def test_looks_that_the_run_was_allowed_widen_the_intervals(self, run):
        """20 rounds: the 4th from both ends at .99, the 3rd at .999."""
        arms = (TWO[0], replace(TWO[1], slower=1.2))
        one, ten = (
            of(sides(run(arms=arms, info={"rounds": {"looks_allowed": looks}})), "qps_batch") for looks in (1, 10)
        )
        assert ten.low < one.low
        assert ten.high > one.high

    def test_recall_is_paired_by_query(self, run):
        """.02 less for every query: between runs of queries that differ by .08 it would not be seen."""
        found = of(sides(run(arms=(TWO[0], replace(TWO[1], recall_shift=-0.2)))), "recall@task")
        assert (found.basis, found.n, found.kind) == ("queries", N_QUERIES, "difference")
        assert found.effect == pytest.approx(0.2, abs=1e-6)
        assert found.verdict == "regressed"
        unsure = of(sides(run(arms=(TWO[0], replace(TWO[1], recall_shift=-0.01)))), "recall@task")
        assert unsure.verdict == "inconclusive"
        assert unsure.detectable == pytest.approx(unsure.floor + unsure.effect - unsure.low)

    def test_faster_at_lower_recall_is_traded(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=0.7, recall_shift=-0.1))))
        assert verdicts(found, "qps_batch") == {"traded"}
        assert "recall@10 fell from 0." in of(found, "qps_batch").why
        # three times as fast is no bug where it finds less
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=0.2, recall_shift=-0.1))))
        assert verdicts(found, "latency_p50") == {"traded"}
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=0.7, recall_shift=0.005))))
        assert verdicts(found, "qps_batch") == {"improved"}

    def test_more_than_three_times_faster_is_suspicious_in_another_environment_only(self, run):
        new = Arm(build={"M": 16, "ef_construction": 200, "environment": "new"}, slower=0.2, bytes=5e5)
        found = sides(run(arms=(Arm(), new)), "environment=", "environment=new")
        assert verdicts(found, "qps_batch") == {"suspicious"}
        # another strategy, or one of fewer dimensions, may well be; and a size is what it is
        assert verdicts(found, "index_bytes") == {"improved"}
        assert verdicts(sides(run(arms=(TWO[0], replace(TWO[1], slower=0.2)))), "qps_batch") == {"improved"}
        assert verdicts(sides(run(arms=(Arm(), replace(TWO[1], bytes=5e5)))), "index_bytes") == {"improved"}
        exact = Arm("raw", index="exact", build={}, efs=None)
        fast = sides(run(arms=(Arm(efs=(40,)), exact)), "exact", "hnswlib")
        assert of(fast, "qps_batch", search="").verdict == "traded"

    def test_a_control_that_differs_from_itself(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=1.5)), control=1.1))
        assert verdicts(found, "qps_batch") == verdicts(found, "latency_p50") == {"unstable"}
        assert "two copies of the same index differ" in found.unstable
        # sizes do not depend on the night
        assert verdicts(found, "index_bytes") == {"same"}
        assert {one.change.verdict for one in found.matched if one.change.gated} == {"unstable"}

    def test_sizes(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], bytes=1.03 * TWO[0].bytes))))
        assert verdicts(found, "index_bytes") == {"regressed"}
        assert verdicts(sides(run(arms=(TWO[0], replace(TWO[1], bytes=1.01 * TWO[0].bytes)))), "index_bytes") == {
            "same"
        }

    def test_build_time_is_one_observation(self, run):
        found = of(sides(run(arms=(TWO[0], replace(TWO[1], build_s=4.0)))), "build_time")
        assert (found.verdict, found.why, found.gated) == ("advisory", "built once", True)

    def test_the_other_environment_must_be_the_same_index(self, run):
        release = {"M": 16, "ef_construction": 200, "environment": "release"}
        arms = (Arm(build=release), Arm(slower=1.2, recall_shift=-0.001))
        found = sides(run(arms=arms), "environment=release", "environment=")
        assert found.base.endswith("::environment=release")
        change = of(found, "recall@task")
        assert (change.basis, change.floor, change.verdict) == ("exact", 0, "regressed")
        assert verdicts(found, "qps_batch") == {"regressed"}
        assert change.cell.build == '{"M":16,"ef_construction":200}'

    @pytest.mark.parametrize(
        ("versions", "basis", "said"),
        [
            (("0.8.0", "0.9.0"), "queries", [("hnswlib", "0.8.0 in release", "0.9.0")]),
            # a library that was patched may keep its version
            (("0.8.0", "0.8.0"), "exact", [("hnswlib", "0.8.0 in release", "0.8.0")]),
            ((None, "0.8.0"), "exact", [("hnswlib", "unknown in release", "0.8.0")]),
        ],
    )
    def test_versions_of_the_library_in_each_environment(self, run, versions, basis, said):
        """Builds repeat within a version: of another one, a graph that finds .001 less is no loss."""
        libraries = [
            {"index": "hnswlib", "environment": place, "library": "hnswlib", "version": version}
            for place, version in zip(("release", ""), versions, strict=True)
            if version
        ]
        arms = (Arm(build=Arm().build | {"environment": "release"}), Arm(recall_shift=-0.001))
        found = sides(run(arms=arms, info={"libraries": libraries}), "environment=release", "environment=")
        change = of(found, "recall@task")
        assert (change.basis, change.floor) == (basis, 0.005 if basis == "queries" else 0)
        assert (change.verdict == "regressed") == (basis == "exact")
        assert [(one.what, one.base, one.new) for one in found.differences] == said

    def test_sides_that_share_no_round(self, run):
        """Timed in groups of their own for want of memory: nothing is paired, and that is no pass."""
        whole = run(arms=TWO)
        kept = [row for row in read_rounds(whole.path) if (row.strategy == "raw") == (row.round < 10)]
        found = sides(with_rounds(whole, kept))
        told = of(found, "qps_batch")
        assert (told.verdict, told.gated, told.basis, told.n) == ("inconclusive", True, "rounds", 0)
        assert told.why == "their rounds have none in common (timed in different groups or sessions)"
        assert {one.change.why for one in found.matched if one.change.gated} == {told.why}
        assert (of(found, "build_time").verdict, of(found, "build_time").why) == ("advisory", "built once")

    def test_a_side_that_failed_is_missing(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], fails="out of memory"))))
        assert {one.verdict for one in found.changes} == {"missing"}
        assert of(found, "qps_batch").why == "failed: out of memory"
        assert any("failed: out of memory" in notice for notice in found.notices)

    def test_rounds_that_were_not_kept(self, run):
        found = sides(run(arms=TWO, rounds=0))
        assert not found.paired
        assert of(found, "qps_batch").why == "no rounds were kept"
        assert verdicts(found, "qps_batch") == {"advisory"}

    def test_notices(self, run):
        found = sides(run(arms=TWO, sessions=(8,), control=None, info={"status": "interrupted"}))
        said = "\n".join(found.notices)
        assert "is not complete (interrupted)" in said
        assert said.count("is not complete") == 1
        assert "resumed 1 times" in said
        assert "without an A/A control" in said
        few = sides(run(arms=TWO, rounds=6))
        assert any("the A/A control can't say whether the machine was steady: 6 rounds" in one for one in few.notices)

    @pytest.mark.parametrize(
        ("attempts", "said"),
        [
            ("11", ["2 of 20 rounds were disturbed twice, and count"]),
            ("00", ["2 of 20 rounds were disturbed and not repeated, and count"]),
            ("10", ["1 of 20 rounds were disturbed twice, and count",
                    "1 of 20 rounds were disturbed and not repeated, and count"]),
        ],
    )  # fmt: skip
    def test_disturbed_rounds(self, run, attempts, said):
        """A run that was stopped before it could repeat a round has that round once."""
        whole = run(arms=TWO)
        rows = [
            replace(row, flagged=row.round < 2, attempt=int(attempts[row.round]) if row.round < 2 else 0)
            for row in read_rounds(whole.path)
        ]
        assert [one for one in sides(with_rounds(whole, rows)).notices if "disturbed" in one] == said

    def test_what_belongs_to_both_sides_is_not_compared_with_itself(self, run):
        """Two searches of one build: it was built once."""
        found = sides(run(arms=(Arm(efs=(20, 40)),)), "ef=20", "ef=40")
        assert {one.cell.metric for one in found.changes} >= {"recall", "qps_batch"}
        assert not {one.cell.metric for one in found.changes} & {"build_time", "index_bytes"}
        one = run(arms=TWO)
        assert compare_runs([one], [one], policy=POLICY).changes == ()

    def test_a_search_of_one_index_against_another_kind_brings_what_it_cost(self, run):
        exact = Arm("raw", index="exact", build={}, efs=None, bytes=1e6)
        found = sides(run(arms=(Arm(), exact)), "exact", "hnswlib,ef=40")
        assert of(found, "index_bytes", search="").new == 2_760_000
        assert "missing" not in {one.verdict for one in found.changes}

    def test_selectors_that_leave_several_things(self, run):
        both = run(arms=(*TWO, Arm(build={"M": 32}), Arm("normalized", build={"M": 32})))
        assert sides(both).changes
        with pytest.raises(ConfigError, match=r"(?s)strategy=normalized.*M=16"):
            compare_runs([both], [both], base_selector="raw,M=16", policy=POLICY)
        with pytest.raises(ConfigError, match="one strategy to compare"):
            compare_runs([both], [run(arms=TWO)], base_selector="raw", policy=POLICY)

    def test_figures_that_are_not_gated_are_told_beyond_chance(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=1.2))))
        change = of(found, "latency_p99")
        assert (change.gated, change.verdict) == (False, "advisory")
        assert change.why == "worse, beyond chance among 10"
        assert of(sides(run(arms=TWO)), "latency_p99").why == ""


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


class TestEqualRecall:
    def test_a_slower_curve_that_finds_more_is_as_fast_at_equal_recall(self, run):
        """The new side's searches at half the ef find as much in the same time."""
        found = sides(run(arms=(TWO[0], replace(TWO[1], efs=(10, 20, 40, 80), slower=1.0))))
        at = {one.recall: one for one in found.matched}
        assert set(at) == {0.9, 0.95}
        assert at[0.95].change.verdict == "same"
        assert at[0.95].change.gated
        assert not at[0.9].change.gated
        assert (at[0.95].base_search, at[0.9].base_search) == ('{"ef":40}', '{"ef":20}')
        assert at[0.95].change.basis == "rounds"
        assert at[0.95].change.n == 20
        assert at[0.95].change.cell.measure == "qps_batch@recall>=0.95"

    def test_a_slower_curve(self, run):
        found = sides(run(arms=(TWO[0], replace(TWO[1], slower=1.2))))
        assert {one.change.verdict for one in found.matched if one.change.gated} == {"regressed"}
        assert found.matched[0].change.effect == pytest.approx(math.log(1.2), abs=0.03)

    def test_recall_that_the_new_side_does_not_reach(self, run):
        found = compare_runs([run()], [run(arms=(Arm(recall_shift=-0.2),))], policy=POLICY)
        target = next(one for one in found.matched if one.recall == 0.95)
        assert target.change.why.startswith("new reaches 0.")
        assert (target.new_search, target.change.gated) == ("", False)

    def test_the_target_of_the_config(self, run):
        found = compare_runs([run()], [run(info={"config": {"target_recall": 0.92}})], policy=POLICY)
        assert [one.recall for one in found.matched if one.change.gated] == [0.92]

    def test_fronts(self, run):
        found = compare_runs([run()], [run()], policy=POLICY)
        assert [one.search for one in found.fronts if one.side == "new"] == [f'{{"ef":{ef}}}' for ef in EFS]
        assert [one.recall for one in found.fronts if one.side == "base"] == sorted(
            one.recall for one in found.fronts if one.side == "base"
        )


def test_swapping_runs_swaps_verdicts(run):
    one, two = run(arms=(Arm(recall_shift=-0.01, bytes=1e6),)), run(arms=(Arm(bytes=1.5e6),))
    swapped = {"regressed": "improved", "improved": "regressed"}
    forth, back = (compare_runs([a], [b], policy=POLICY) for a, b in ((one, two), (two, one)))
    for change in forth.changes:
        other = of(back, change.cell.measure, search=change.cell.search)
        assert other.effect == pytest.approx(-change.effect)
        assert other.verdict == swapped.get(change.verdict, change.verdict)


def test_the_policy_of_a_run(run):
    assert policy_of(run()) == Policy()
    assert policy_of(run(info={"config": {"gate": None}})) == Policy()
    kept = policy_of(run(info={"config": {"gate": {"metrics": {"qps_batch": {"floor": 0.2}}}}}))
    assert kept.metric("qps_batch").floor == 0.2
    with pytest.raises(ConfigError, match=r"(?s)run\.json.*config\.gate"):
        policy_of(run(info={"config": {"gate": {"floors": 1}}}))


def test_samples_that_can_not_be_read(tmp_path):
    from idxbench.errors import ResultError
    from idxbench.records import load_run

    path = write_run(tmp_path / "a", arms=TWO)
    (path / "queries.npz").write_bytes(b"torn")
    with pytest.raises(ResultError, match=r"(?s)queries\.npz.*a readable queries\.npz"):
        sides(load_run(path))
    (path / "queries.npz").unlink()
    assert of(sides(load_run(path)), "recall@task").basis == "queries"

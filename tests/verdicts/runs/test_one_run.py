"""Two sides of one run: what is paired, what is only shown, and what can't be compared at all."""

import csv
import math
from dataclasses import replace

import pytest

from idxbench.config.policy import Policy
from idxbench.errors import ConfigError
from idxbench.store.round_rows import FILE, ROUND_COLUMNS, read_rounds, round_csv_row
from idxbench.verdicts.runs.compare import WORST_FIRST, badness, compare_runs
from idxbench.verdicts.runs.context import policy_of
from tests.verdicts.runs.compared import POLICY, TWO, of, sides, verdicts
from tests.verdicts.runs.examples import N_QUERIES, Arm, write_run


def with_rounds(run, rows):
    """Write other rounds into a run."""
    with (run.path / FILE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([ROUND_COLUMNS, *map(round_csv_row, rows)])
    return run


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

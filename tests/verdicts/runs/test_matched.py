"""Speeds at equal recall: which searches are matched, which target decides, and the fronts behind them."""

import math
from dataclasses import replace

import pytest

from idxbench.verdicts.runs.compare import compare_runs
from tests.verdicts.runs.compared import POLICY, TWO, sides
from tests.verdicts.runs.examples import EFS, Arm


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

"""Speed at equal recall of sides that took turns: by hand, and as `compare` judges it."""

import math

import numpy as np
import pytest

from idxbench.bench.declared import Declared, inconclusive
from idxbench.config.policy import MetricChange, Policy
from idxbench.errors import ConfigError
from idxbench.measures.rounds.at_recall import round_speeds, undecided_at
from idxbench.measures.rounds.paired import judge_rounds
from idxbench.store.round_rows import counted, read_rounds
from idxbench.verdicts.runs.compare import compare_runs
from tests.verdicts.runs.examples import RECALLS, Arm, make_run, round_rows

POLICY = Policy()
SIDES = "raw", "normalized"


def recalls_of(run):
    """Return the recall of each search as the run's table has it."""
    found = {}
    for row in run.measurements:
        if (row.metric, row.reference) == ("recall", "task") and row.index:
            found.setdefault((row.strategy, row.index, row.build, row.search), {})[row.k] = row.value
    return found


def close(shift=-0.0035, noise=0.004):
    """Return rounds whose sides are equally fast, and recalls of which one side's are lower by a little."""
    arms = [Arm("raw", efs=(20, 40)), Arm("normalized", efs=(20, 40))]
    recalls = {
        (arm.strategy, arm.index, arm.build_json, f'{{"ef":{ef}}}'): {10: RECALLS[ef] + moved}
        for arm, moved in zip(arms, (0.0, shift), strict=True)
        for ef in (20, 40)
    }
    return round_rows(arms, 12, noise, seed=3), recalls


def test_speeds_by_hand():
    rows = [row for row in round_rows([Arm("raw", efs=(20, 40))], 3, 0.0, 0.0) if row.round != 1 or row.copy]
    rows = [row for row in rows if (row.round, row.search, row.copy) != (2, '{"ef":40}', 0)]
    place = rows[0].strategy, rows[0].index, rows[0].build
    speeds = round_speeds(rows, [(*place, '{"ef":40}'), (*place, '{"ef":20}')])
    # Round 1 is one of the control alone; ef 40 has no figure in round 2.
    np.testing.assert_allclose(speeds, [[70_000, 120_000], [math.nan, math.nan], [math.nan, 120_000]])


def test_equal_searches_may_differ_at_equal_recall():
    """By hand: at .95 one side is a quarter of the way from ef 20 to 40, the other .0035 / .04 further: 4.8 %."""
    rounds, recalls = close()
    assert {one.verdict for one in judge_rounds(rounds, *SIDES, POLICY, 0.99) if one.gated} == {"same"}
    assert undecided_at(rounds, *SIDES, POLICY, 0.99, recalls, 0.95)
    # Clearly beyond the floor, clearly within it, and not reached.
    for shift, recall in ((-0.02, 0.95), (-0.0005, 0.95), (-0.0035, 0.978)):
        assert not undecided_at(*close(shift, 0.001)[:1], *SIDES, POLICY, 0.99, close(shift)[1], recall)
    # Where nobody asks.
    for policy in (Policy(metrics={"qps_batch": MetricChange(gate=False)}), Policy(k=(100,))):
        assert not undecided_at(rounds, *SIDES, policy, 0.99, recalls, 0.95)
    assert not undecided_at(rounds, *SIDES, POLICY, 0.99, {}, 0.95)


def test_more_rounds_are_asked_for_where_only_that_is_undecided():
    rounds, recalls = close()
    declared = Declared(*SIDES, POLICY, 1)
    assert inconclusive(rounds, declared, lambda: recalls, 0.95)
    assert not inconclusive(rounds, declared, lambda: recalls, 0.978)
    assert not inconclusive(rounds, declared, dict, 0.95)


@pytest.mark.parametrize("seed", range(30))
def test_as_compare_judges_it(tmp_path, seed):
    rng = np.random.default_rng(seed)
    given = {"slower": float(rng.uniform(0.95, 1.12)), "recall_shift": float(rng.uniform(-0.01, 0.01))}
    rounds = int(rng.integers(1, 30))
    control = None if seed % 5 == 0 else 1.0
    run = make_run(
        tmp_path, arms=[Arm(), Arm("normalized", **given)], rounds=rounds, noise=0.03, seed=seed, control=control
    )
    compared = compare_runs([run], [run], base_selector="raw", new_selector="normalized", policy=POLICY)
    told = any(one.change.gated and one.change.verdict == "inconclusive" for one in compared.matched)
    held = counted(read_rounds(run.path))
    assert undecided_at(held, *SIDES, POLICY, POLICY.level, recalls_of(run), 0.95) is told


def test_mistakes_in_selectors():
    rounds, recalls = close()
    with pytest.raises(ConfigError):
        undecided_at(rounds, "raw", "normalised", POLICY, 0.99, recalls, 0.95)

"""Times of two sides that took turns: intervals by hand, noise that must stay silent, steps that must be found."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.config.policy import MetricChange, Policy
from idxbench.errors import ConfigError
from idxbench.measures.rounds.paired import Control, control_of, judge_rounds, look_level, too_few
from tests.verdicts.runs.examples import Arm, round_rows

POLICY = Policy()
ARMS = (Arm("raw", efs=(40,)), Arm("normalized", efs=(40,)))


def rows_of(ratios, *, control=None, metric="qps_batch"):
    """Return rounds in which the second side takes ``ratios`` times as long; the control differs by ``control``."""
    rows = round_rows(ARMS, len(ratios), 0.0, 0.0, control=None if control is None else 1.0)
    made = []
    for row in rows:
        slower = ratios[row.round] if row.strategy == "normalized" else 1.0
        if row.copy:
            slower = control[row.round]
        value = getattr(row, metric)
        made.append(replace(row, **{metric: value / slower if metric.startswith("qps") else value * slower}))
    return made


def judged(rows, metric="qps_batch", level=0.99, policy=POLICY, sides=("raw", "normalized")):
    return next(one for one in judge_rounds(rows, *sides, policy, level) if one.paired.metric == metric)


@pytest.mark.parametrize("metric", ["qps_batch", "latency_p50"])
@pytest.mark.parametrize(
    ("n", "level", "j"),
    [
        (6, 0.95, 1),  # 2 / 64 = .031: the whole range
        (6, 0.99, 0),  # too few
        (8, 0.99, 1),  # 2 / 256 = .0078
        (10, 0.99, 1),  # 2 x 11 / 1024 = .021 would be too much for j = 2
        (10, 0.95, 2),  # 2 x 11 / 1024 = .021
        (20, 0.99, 4),  # 2 x 1351 / 2^20 = .0026; j = 5 would have .0118
        (20, 0.95, 6),  # 2 x 21700 / 2^20 = .0414
    ],
)
def test_intervals_by_hand(metric, n, level, j):
    """Round i is i hundredths slower (in logs), so that the j-th smallest ratio is j hundredths."""
    ratios = np.exp(0.01 * np.random.default_rng(n).permutation(np.arange(1, n + 1)))
    found = judged(rows_of(ratios, metric=metric), metric, level).paired.ratio
    assert found.n == n
    assert found.value == pytest.approx(0.01 * (n + 1) / 2)
    if j == 0:
        assert math.isnan(found.low)
        assert too_few(n, level) == "6 rounds; 8 support an interval at this level"
    else:
        assert (found.low, found.high) == pytest.approx((0.01 * j, 0.01 * (n - j + 1)))


def test_a_verdict_by_hand():
    found = judged(rows_of([1.08, 1.09, 1.10, 1.11, 1.12, 1.13, 1.14, 1.15]))
    assert (found.verdict, found.gated, found.declared, found.floor) == ("regressed", True, 0.05, 0.05)
    assert found.paired.base == pytest.approx(70_000)
    assert found.paired.p == pytest.approx(2 / 256)
    # (middle of the range to its lower end) on top of the floor
    middle = math.sqrt(1.11 * 1.12)
    assert found.detectable == pytest.approx(1.05 * middle / 1.08 - 1)


def test_a_floor_of_the_policy():
    policy = Policy(metrics={"qps_batch": MetricChange(floor=0.10)})
    assert judged(rows_of([1.08] * 8 + [1.09] * 4), policy=policy).verdict == "same"
    assert judged(rows_of([1.08] * 8 + [1.09] * 4)).verdict == "regressed"
    policy = Policy(metrics={"qps_batch": MetricChange(gate=False)})
    assert judged(rows_of([1.5] * 12), policy=policy).verdict == "advisory"


def test_more_than_three_times_faster_is_suspicious():
    """Of one index in two environments; another strategy may well be that fast."""
    for faster, verdict in ((0.3, "suspicious"), (0.4, "improved")):
        rows = [
            replace(row, strategy="raw", build='{"environment":"new"}') if row.strategy == "normalized" else row
            for row in rows_of([faster] * 12)
        ]
        rows = [row if "environment" in row.build else replace(row, build="{}") for row in rows]
        assert judged(rows, sides=("environment=", "environment=new")).verdict == verdict
    assert judged(rows_of([0.3] * 12)).verdict == "improved"


def test_the_control_raises_the_floor():
    """A control that differs from its twin by up to 8 % either way: half of that range is tonight's noise."""
    spread = np.exp(np.linspace(-0.08, 0.08, 12))
    ratios = [1.12] * 12
    rows = rows_of(ratios, control=spread)
    control = control_of(rows, POLICY, 0.99)
    # at .95 the interval of 12 rounds goes from the 3rd to the 10th
    half = 0.08 - 2 * 0.16 / 11
    assert control.noise["qps_batch"] == pytest.approx(half)
    assert control.unstable == ""
    found = judged(rows)
    assert found.floor == pytest.approx(math.expm1(2 * half))
    assert found.verdict == "regressed"
    # 10.7 % is tonight's floor, and 10 % would have been seen without a control
    assert judged(rows_of([1.10] * 12, control=spread)).verdict == "same"
    assert judged(rows_of([1.10] * 12)).verdict == "regressed"


def test_a_control_that_differs_from_itself_makes_the_night_unstable():
    rows = rows_of([1.3] * 20, control=[1.05] * 20)
    assert (
        "two copies of the same index differ from each other by 5.0% in qps_batch"
        in control_of(rows, POLICY, 0.99).unstable
    )
    assert judged(rows).verdict == "unstable"
    assert judged(rows_of([1.3] * 20, control=[1.015] * 20)).verdict == "regressed"
    # faster is as bad a sign
    assert judged(rows_of([1.3] * 20, control=[0.95] * 20)).verdict == "unstable"


def test_few_rounds_of_a_control_say_nothing():
    few = "the A/A control can't say whether the machine was steady: 5 rounds; 9 support an interval at this level"
    assert control_of(rows_of([1.0] * 5, control=[1.3] * 5), POLICY, 0.99) == Control({}, "", few)
    assert control_of(rows_of([1.0] * 9, control=[1.0] * 9), POLICY, 0.99).too_few == ""
    assert control_of([], POLICY, 0.99) == Control({}, "")


SWEEP = (Arm("raw", efs=(10, 20, 40, 80, 160, 320)),)


@pytest.mark.parametrize(("rounds", "control"), [(10, 1.3), (10, 1 / 1.3), (80, 1.033)])
def test_a_control_with_many_searches_can_be_unstable(rounds, control):
    """As the config's defaults are: 6 searches of 2 gated metrics are 12 figures, in 10 rounds."""
    found = control_of(round_rows(SWEEP, rounds, 0.05 if rounds == 10 else 0.02, 0.2, control=control), POLICY, 0.99)
    assert "two copies of the same index differ from each other by" in found.unstable
    assert found.too_few == ""


def test_an_unstable_night_is_one_whatever_looks_were_allowed():
    """10 rounds support the level of one look; at that of one in three they would not."""
    rows = rows_of([1.3] * 10, control=[1.1] * 10)
    assert judged(rows, level=look_level(0.99, 3)).verdict == "unstable"


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_noise_of_a_control_with_many_searches_stays_silent(noise):
    nights = [round_rows(SWEEP, 10, noise, 0.2, drift=0.3, seed=seed) for seed in range(100)]
    assert sum(bool(control_of(rows, POLICY, 0.99).unstable) for rows in nights) <= 2


def test_controls_of_several_indexes_are_judged_apart():
    """Groups that did not fit into memory together: a fast copy in one does not make up for a slow one in the other."""
    first = round_rows((Arm("raw"),), 12, 0.01, control=1.1)
    second = round_rows((Arm("raw", build={"M": 64}),), 12, 0.01, control=1 / 1.1)
    rows = [*first, *(replace(row, round=row.round + 12) for row in second)]
    assert "differ from each other" in control_of(rows, POLICY, 0.99).unstable


def test_floors_take_the_largest():
    control = Control({"qps_batch": 0.04}, "")
    assert control.floor("qps_batch", 0.05) == pytest.approx(math.expm1(0.08))
    assert control.floor("qps_batch", 0.05, history=0.2) == 0.2
    assert control.floor("latency_p50", 0.05) == 0.05


def test_rounds_are_paired_by_session_and_number():
    """The second start was twice as slow in both sides: no pair crosses it, so nothing changed."""
    rows = rows_of([1.0] * 16)
    later = [
        replace(row, session=2, qps_batch=row.qps_batch / 2, round=row.round - 8) if row.round >= 8 else row
        for row in rows
    ]
    found = judged(later).paired
    assert found.ratio.n == 16
    assert (found.ratio.low, found.ratio.high) == pytest.approx((0, 0))
    # a round that one side lacks is no pair
    lost = [row for row in later if not (row.strategy == "raw" and row.session == 2 and row.round == 3)]
    assert judged(lost).paired.ratio.n == 15


def test_what_was_not_measured_is_not_told():
    metrics = {one.paired.metric for one in judge_rounds(rows_of([1.0] * 8), "raw", "", POLICY, 0.99)}
    assert metrics == {"qps_batch", "qps_single", "latency_p50", "latency_p95", "latency_p99"}


def test_strategies_of_the_policy():
    arms = (
        Arm("raw", efs=(40,)),
        Arm("raw", efs=(40,), build={"M": 32}),
        Arm("normalized", efs=(40,), build={"M": 32}),
    )
    rows = round_rows([*arms, Arm("normalized", efs=(40,), build={"M": 16})], 8)
    rows = [replace(row, build=row.build.replace(',"ef_construction":200', "")) for row in rows]
    kept = judge_rounds(rows, "M=16", "M=32", Policy(strategies=("raw",)), 0.99)
    assert {one.paired.key[0] for one in kept} == {"raw"}


def test_mistakes_in_selectors():
    with pytest.raises(ConfigError, match="did you mean 'normalized'"):
        judge_rounds(rows_of([1.0] * 8), "raw", "normalised", POLICY, 0.99)


def test_looks():
    assert look_level(0.99, 3) == pytest.approx(1 - 0.01 / 3)
    assert look_level(0.99, 1) == look_level(0.99, 0) == 0.99


def normal(sd):
    return lambda rng, n: rng.normal(0, sd, n)


def heavy(sd):
    """Student's t with 2 degrees of freedom: its variance is infinite."""
    return lambda rng, n: sd * rng.standard_t(2, n)


def spikes(sd):
    """Now and then a round takes half as long again."""
    return lambda rng, n: rng.normal(0, sd, n) + 0.4 * (rng.random(n) < 0.1)


NOISES = [normal(0.03), normal(0.1), heavy(0.03), spikes(0.03)]


def share_called(noise, slower, *, trials, rounds, wanted, drift=0.0, shared=0.2):
    """Return the share of gated figures with a verdict, over simulated runs."""
    verdicts = []
    for seed in range(trials):
        arms = (Arm("raw", efs=(20, 40)), Arm("normalized", efs=(20, 40), slower=slower))
        rows = round_rows(arms, rounds, noise, shared, drift, seed=seed)
        verdicts += [one.verdict for one in judge_rounds(rows, "raw", "normalized", POLICY, 0.99) if one.gated]
    return sum(verdict in wanted for verdict in verdicts) / len(verdicts)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_noise_stays_silent(noise, drift):
    """240 figures of nights without a change, on a machine that itself wanders by 20 % and drifts by half."""
    changed = ("regressed", "improved", "suspicious")
    assert share_called(noise, 1.0, trials=60, rounds=20, drift=drift, wanted=changed) == 0
    assert share_called(noise, 1.0, trials=60, rounds=20, drift=drift, wanted=("unstable",)) <= 0.05


@pytest.mark.parametrize(
    ("noise", "slower", "rounds", "power"),
    [
        (normal(0.015), 1.1, 20, 0.95),
        (normal(0.03), 1.1, 40, 0.9),
        (normal(0.03), 1.2, 20, 0.95),
        (heavy(0.02), 1.2, 40, 0.9),
        (spikes(0.02), 1.2, 40, 0.9),
    ],
)
def test_steps_are_found(noise, slower, rounds, power):
    found = share_called(noise, slower, trials=30, rounds=rounds, wanted=("regressed",), drift=0.3)
    assert found >= power
    faster = share_called(noise, 1 / slower, trials=30, rounds=rounds, wanted=("improved",), drift=0.3)
    assert faster >= power


def test_raw_medians_would_not_have_stayed_silent():
    """What pairing is for: where the machine wanders by 20 %, unpaired medians of 20 rounds differ by chance alone."""
    rng = np.random.default_rng(0)
    apart = 0
    for _ in range(200):
        base, new = np.exp(rng.normal(0, 0.2, (2, 20)))
        apart += abs(math.log(np.median(base) / np.median(new))) > math.log(1.05)
    assert apart > 60


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=8, max_size=24))
def test_swapping_the_sides_negates_the_effect(ratios):
    rows = rows_of(ratios)
    forth, back = judged(rows), judged(rows, sides=("normalized", "raw"))
    one, two = forth.paired.ratio, back.paired.ratio
    assert (one.value, one.low, one.high) == pytest.approx((-two.value, -two.high, -two.low))
    swapped = {"regressed": "improved", "improved": "regressed"}
    if "suspicious" not in (forth.verdict, back.verdict):
        assert back.verdict == swapped.get(forth.verdict, forth.verdict)

"""The exact interval keeps its level, whatever the noise; what the paired rule of rounds finds and what it misses."""

import math

import numpy as np
import pytest

from idxbench.config.policy import Policy
from idxbench.measures.intervals import median_interval
from tests.nights.paired import paired_shares
from tests.reference.history import rank_interval_coverage

LEVELS = (0.95, 0.99)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", range(6, 41))
def test_ranks_cover_at_their_level_and_no_wider(n, level):
    """Exact, for every continuous distribution: the interval is a pair of ranks, and those decide its coverage."""
    exact = rank_interval_coverage(n, level)
    found = median_interval(np.arange(n, dtype=np.float64), level=level)
    if exact is None:
        assert math.isnan(found.low)
        return
    assert exact >= level
    # Ranks of 0, 1, ... are the values themselves.
    j = int(found.low) + 1
    assert found.high == n - j
    assert exact == pytest.approx(1 - 2 * sum(math.comb(n, i) for i in range(j)) / 2**n)
    # One rank further in would miss more than it may.
    assert 1 - 2 * sum(math.comb(n, i) for i in range(j + 1)) / 2**n < level


@pytest.mark.parametrize("draw", ["standard_cauchy", "standard_normal", "standard_exponential", "student"])
@pytest.mark.parametrize("n", [8, 15, 40])
def test_simulated_coverage_under_heavy_tails(draw, n):
    rng = np.random.default_rng(n)
    centers = {"standard_exponential": math.log(2.0)}
    values = rng.standard_t(2, (2000, n)) if draw == "student" else getattr(rng, draw)((2000, n))
    found = [median_interval(row, level=0.95) for row in values]
    covered = np.mean([one.low <= centers.get(draw, 0.0) <= one.high for one in found])
    exact = rank_interval_coverage(n, 0.95)
    # Four standard errors of 2,000 draws.
    assert covered == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 2000))


@pytest.mark.parametrize("sd", [0.05, 0.1, 0.15])
@pytest.mark.parametrize("n", [10, 40])
def test_rounds_without_a_change_are_not_called_worse(sd, n):
    # Beyond 5 % where the truth is 0: the level of .5 % on the worse side is an upper bound by far.
    assert paired_shares(0.0, sd=sd, n=n, trials=400, seed=n)["regressed"] <= 0.005


@pytest.mark.parametrize(
    ("step", "sd", "n", "power"),
    [(0.2, 0.05, 10, 0.9), (0.2, 0.1, 40, 0.95), (0.1, 0.05, 40, 0.85), (0.1, 0.1, 160, 0.9)],
)
def test_a_planted_step_is_called_worse(step, sd, n, power):
    assert paired_shares(step, sd=sd, n=n, trials=300, seed=n)["regressed"] >= power


def test_a_step_of_the_floor_is_the_edge():
    """At the floor itself the rule is wrong no more often than its level says."""
    assert paired_shares(0.05, sd=0.05, n=40, trials=600, seed=3)["regressed"] <= 0.02


def test_the_level_is_that_of_the_policy():
    assert Policy().level == 0.99

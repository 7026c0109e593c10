"""Figures of validation worked out by hand, beside slow twins, and comparisons that keep their level."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.measures.validation import (
    chance_hit_rate,
    chance_ndcg,
    compare_means,
    compare_spearman,
    holm,
    paired_p,
    ranked_gains,
    weighted_spearman,
)


def ranks(values):
    """Midranks by counting."""
    return [sum(o < v for o in values) + (sum(o == v for o in values) + 1) / 2 for v in values]


def spearman(a, b):
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 3)), min_size=3, max_size=12))
def test_weights_are_repeated_observations(rows):
    a, b, times = (np.array(column, float) for column in zip(*rows, strict=True))
    repeated = [np.repeat(one, times.astype(int)) for one in (a, b)]
    found = weighted_spearman(a, b, np.stack([times, np.ones(len(a))]))
    for value, (one, other) in zip(found, (repeated, (a, b)), strict=True):
        expected = 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else spearman(one, other)
        assert value == pytest.approx(expected, abs=1e-12)


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("k", [16, 30, 58, 84, 100])
def test_a_perfect_list_is_exactly_1(k):
    """A sum and a cumulative sum round differently; a share above 1 is refused further on."""
    for n_relevant in range(1, k + 1):
        found = np.arange(k)[None]
        assert ranked_gains(found, found < n_relevant, np.array([n_relevant]), k)[0] <= 1.0


def test_ndcg_by_hand():
    """Hits at ranks 1 and 3 of 2 wanted: (1 + 1/2) / (1 + 1/log2 3); at k = 1 the first alone is perfect."""
    found = np.array([[4, 5, 6], [4, -1, -1]])
    hits = np.array([[True, False, True], [False, True, False]])
    perfect = 1 + 1 / math.log2(3)
    assert ranked_gains(found, hits, np.array([2, 1]), 3).tolist() == pytest.approx([1.5 / perfect, 0.0])
    assert ranked_gains(found, hits, np.array([2, 1]), 1).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("n", "r", "k"), [(5, 2, 2), (5, 1, 3), (4, 4, 2), (3, 1, 10), (5, 3, 4)])
def test_chance_is_the_mean_over_all_orders(n, r, k):
    orders = np.array(list(itertools.permutations(range(n))))
    hits = orders < r
    gains = ranked_gains(np.pad(orders, ((0, 0), (0, 10)), constant_values=-1), np.pad(hits, ((0, 0), (0, 10))),
                         np.full(len(orders), r), k)  # fmt: skip
    wanted, candidates = np.array([r]), np.array([n])
    assert chance_ndcg(wanted, candidates, k)[0] == pytest.approx(gains.mean())
    assert chance_hit_rate(wanted, candidates, k)[0] == pytest.approx(hits[:, :k].any(axis=1).mean())


def test_a_few_lucky_queries_are_no_evidence():
    """Five of a thousand differ, all one way: the t-test says .025, signs that could as well be turned say 1/16."""
    differences = np.zeros(1000)
    differences[:5] = 1.0
    assert paired_p(differences) == pytest.approx(2 / 2**5)
    assert paired_p(np.zeros(50)) == 1.0
    assert paired_p(np.full(50, 0.1)) < 1e-10


def test_what_is_common_to_all_cancels_out_of_differences():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.2, 0.7, 300)
    values = np.stack([hard, hard + 0.03 + rng.normal(0, 0.02, 300), hard])
    compared = compare_means(values)
    assert compared.best == 1
    assert compared.differences[0].high < 0 < compared.p_values[1]
    assert compared.figures[0].high > compared.figures[1].low
    assert compared.p_values[0] < 1e-6
    assert compared.differences[0] == compared.differences[2]


def test_the_same_ranking_is_the_same_spearman():
    rng = np.random.default_rng(1)
    grades = rng.normal(size=60)
    scores = np.stack([grades + rng.normal(size=60), rng.normal(size=60)])
    compared = compare_spearman(np.stack([scores[0], np.exp(scores[0]), scores[1]]), grades)
    assert compared.best == 0
    assert compared.p_values[:2] == (1.0, 1.0)
    assert compared.differences[1].value == 0.0
    assert compared.p_values[2] < 0.01
    assert compared.figures[0].value == pytest.approx(spearman(scores[0], grades))
    low, high = compared.figures[0].low, compared.figures[0].high
    assert low < compared.figures[0].value < high


def test_noise_is_called_a_tie_and_intervals_cover():
    """Six similarities that are equally good, on 80 pairs: some pair is told from the best in 1 run of 20 at most."""
    rng = np.random.default_rng(7)
    false, covered, n_runs = 0, 0, 60
    truth = 6 / math.pi * math.asin(0.6 / 2)  # Spearman of a bivariate normal with correlation .6
    for _ in range(n_runs):
        grades = rng.normal(size=80)
        scores = 0.6 * grades + 0.8 * rng.normal(size=(6, 80))
        compared = compare_spearman(scores, grades)
        false += min(compared.p_values) < 0.05
        covered += compared.figures[0].low <= truth <= compared.figures[0].high
    assert false <= 7
    assert covered >= 51


def test_noise_in_means_is_called_a_tie():
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(100):
        values = rng.choice([0.0, 1.0], size=(5, 60), p=[0.9, 0.1])
        p_values = [paired_p(values[i] - values[j]) for i in range(5) for j in range(i)]
        false += float(holm(np.array(p_values)).min()) < 0.05
    assert false <= 10

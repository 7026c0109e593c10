"""What a strategy kept is told from what it changed."""

import numpy as np
import pytest

from idxbench import transform
from idxbench.measures.ranking import check_ranking, discordant_share
from idxbench.truth.exact import ExactIndex


def check(spec, similarity="dot", trained="dot", n=500, d=8, same_space=False, scale=1.0):
    rng = np.random.default_rng(0)
    items = rng.normal(size=(n, d)) * np.exp(0.5 * rng.normal(size=(n, 1))) * scale + 0.5 * scale
    queries = rng.normal(size=(40, d)) * scale
    mapped_items, mapped_queries = transform(items, queries, spec, same_space=same_space)
    before, after = ExactIndex(items, trained), ExactIndex(mapped_items, similarity)
    heads = [before.search(queries, min(10, n))[0], after.search(mapped_queries, min(10, n))[0]]
    return check_ranking(before, after, queries, mapped_queries, np.concatenate(heads, axis=1), 0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("spec", ["raw", {"kind": "rescaled", "axis": 0, "factor": 1000.0}, "rescaled"])
def test_scores_are_kept(spec, scale):
    found = check(spec, scale=scale)
    assert found.kept == "scores"
    assert found.score_change < 1e-5
    assert found.discordant_share == 0


def test_rankings_are_kept_without_scores():
    assert check("centered").kept == "ranking"
    assert check("standardized").kept == "ranking"
    assert check("normalized", "l2", "cosine").kept == "ranking"  # l2 of unit rows is monotone in cosine
    assert check("centered", "l2", "l2", same_space=True).kept == "scores"


def test_neither_is_kept():
    found = check("normalized", "cosine")
    assert found.kept == "neither"
    assert found.discordant_share > 0.05
    assert check("rescaled", "cosine").kept == "neither"
    assert check("raw", "l2").kept == "neither"
    nearly = check({"kind": "rescaled", "axis": 0, "factor": 1.01}, "l2", "l2")
    assert 0 < nearly.discordant_share < 0.2
    assert nearly.kept == "neither"


def test_a_few_long_items_that_no_random_sample_holds_are_seen():
    """100 of 20,000 unit rows have norm 3 and make up every answer by dot; normalized, they are like the rest."""
    rng = np.random.default_rng(1)
    items = rng.normal(size=(20_000, 16))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    items[:100] *= 3
    queries = rng.normal(size=(40, 16))
    mapped, asked = transform(items, queries, "normalized")
    before, after = ExactIndex(items), ExactIndex(mapped, "cosine")
    heads = np.concatenate([before.search(queries, 10)[0], after.search(asked, 10)[0]], axis=1)
    assert check_ranking(before, after, queries, asked, heads, 0).kept == "neither"


def test_discordant_pairs_by_hand():
    before = np.array([[4.0, 3.0, 2.0, 1.0]])
    assert discordant_share(before, before * 10 - 7) == 0
    assert discordant_share(before, np.array([[4.0, 2.0, 3.0, 1.0]])) == pytest.approx(1 / 3)
    assert discordant_share(before, -before) == 1
    assert discordant_share(np.ones((2, 4)), before.repeat(2, axis=0)) == 0  # ties are never discordant
    assert discordant_share(before, np.ones((1, 4))) == 0


def test_one_item_ranks_like_itself():
    assert check("raw", n=1).kept == "scores"

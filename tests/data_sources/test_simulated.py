import numpy as np
import pytest

from idxbench.data.sources.simulated import simulated
from idxbench.errors import DataError
from idxbench.models.factorization import factorize
from idxbench.models.preparation import prepare
from idxbench.models.simulation import simulate

SMALL = {"n_users": 300, "n_items": 50, "n_clusters": 3, "rank": 6, "seed": 2}


def test_factors_of_the_simulation():
    data = simulated(**SMALL, regularization=20.0)
    drawn = simulate(300, 50, 3, seed=2)
    model = factorize(drawn.interactions, 6, regularization=20.0)
    assert np.array_equal(data.items, model.items.astype(np.float32))
    assert np.array_equal(data.queries, model.users.astype(np.float32))
    assert np.array_equal(data.labels.codes, drawn.item_clusters)
    assert data.labels.names == ("cluster 0", "cluster 1", "cluster 2")
    assert data.query_labels is None
    assert data.notices == ()


@pytest.mark.parametrize(("objective", "paper"), [(1, 10_000.0), (2, 100.0)])
def test_the_papers_regularization_is_the_default(objective, paper):
    default = simulated(**SMALL, objective=objective)
    given = simulated(**SMALL, objective=objective, regularization=paper)
    assert np.array_equal(default.items, given.items)


def test_a_gauge_moves_items_and_no_score():
    plain, other = (simulated(**SMALL, regularization=20.0, gauge=gauge) for gauge in ("I", "s^(-1/2)"))
    assert not np.allclose(plain.items, other.items, rtol=0.1)
    np.testing.assert_allclose(plain.queries @ plain.items.T, other.queries @ other.items.T, atol=1e-4)


def test_zero_dimensions_are_told():
    data = simulated(**SMALL, objective=2, regularization=25.0)
    zero = int(np.sum(~data.items.any(axis=0)))
    assert 0 < zero < 6
    (notice,) = data.notices
    assert notice.code == "zero-dimensions"
    assert notice.text.startswith(f"{zero} of the 6 dimensions are exactly zero")


def test_refuses_a_rank_above_the_items():
    with pytest.raises(DataError, match="1 to 50, the smaller side"):
        simulated(**{**SMALL, "rank": 51})


def test_preparation_reaches_the_factorization():
    drawn = simulate(300, 50, 3, seed=2, max_count=9, normalize_popularity=True, cluster_shares=(1, 2, 3)).interactions
    shape = {"max_count": 9, "normalize_popularity": True, "cluster_shares": (1, 2, 3), "regularization": 2.0}
    for way in ({"weighting": "popularity", "popularity_exponent": -0.5}, {"standardize": True}):
        data = simulated(**SMALL, **shape, **way)
        model = factorize(prepare(drawn, **way), 6, regularization=2.0)
        assert np.array_equal(data.items, model.items.astype(np.float32))
        assert not np.allclose(data.items, simulated(**SMALL, **shape).items, rtol=0.1)

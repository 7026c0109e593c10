"""Which queries are asked one by one in a round."""

from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.timing.rounds import asked_alone


def test_by_hand():
    assert asked_alone(7, 1) == range(1)
    assert asked_alone(7, 1000) == range(1000)
    assert asked_alone(0, 2500) == range(1000)
    assert asked_alone(1, 2500) == range(1000, 2000)
    assert asked_alone(2, 2500) == range(2000, 3000)  # the last 500 and the first 500
    assert asked_alone(3, 2500) == range(500, 1500)


@settings(deadline=None)
@given(n_queries=st.integers(1, 30_000), begin=st.integers(0, 500))
def test_every_query_has_its_turn(n_queries, begin):
    rounds = range(begin, begin + -(-n_queries // 1000) + 1)
    asked = {query % n_queries for number in rounds for query in asked_alone(number, n_queries)}
    assert asked == set(range(n_queries))
    assert all(len(asked_alone(number, n_queries)) == min(1000, n_queries) for number in rounds)

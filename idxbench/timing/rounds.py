"""Which queries are asked one by one in a round."""

# Single queries timed per search and round: more of them say no more about a percentile up to the 99th.
SINGLES_PER_ROUND = 1_000


def asked_alone(number: int, n_queries: int) -> range:
    """Return the queries of a round, to be taken modulo ``n_queries``.

    All of them up to 1,000; above, the next 1,000 in every round, so that every query has its turn after a while and
    every round a percentile of its own. That depends on nothing but the round, so that all indexes are asked the same
    in it, and so they are when it is made again.
    """
    if n_queries <= SINGLES_PER_ROUND:
        return range(n_queries)
    start = number * SINGLES_PER_ROUND % n_queries
    return range(start, start + SINGLES_PER_ROUND)

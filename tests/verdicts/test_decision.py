"""The decision, on records written by hand."""

import math
from pathlib import Path

from idxbench.records import Measurement, Run
from idxbench.report.verdict import decision_lines
from idxbench.verdicts.decision import decide


def row(
    strategy,
    metric,
    value,
    *,
    index="hnswlib",
    build='{"M":8}',
    search="",
    k=0,
    reference="",
    low=None,
    high=None,
    n=1000,
):
    nan = math.nan
    return Measurement(
        "retrieve", strategy, "dot", index, build, search, k, metric, reference,
        value, nan if low is None else low, nan if high is None else high, n, "",
    )  # fmt: skip


def cell(strategy, ef, recall, qps, *, build='{"M":8}', half=0.005, spread=0.01, own=None, n=1000):
    search = f'{{"ef":{ef}}}'
    place = {"build": build, "search": search, "k": 10}
    return [
        row(strategy, "recall", recall, reference="task", low=recall - half, high=recall + half, n=n, **place),
        row(strategy, "recall", recall if own is None else own, reference="own", **place),
        row(strategy, "qps_batch", qps, low=qps * (1 - spread), high=qps * (1 + spread), **place),
        row(strategy, "latency_p50", 1 / qps, low=(1 - spread) / qps, high=(1 + spread) / qps, **place),
    ]


def build(strategy, *, size=1e6, unreachable=0.0, build='{"M":8}'):
    return [
        row(strategy, "index_bytes", size, build=build),
        row(strategy, "unreachable_share", unreachable, build=build),
    ]


def exact(strategy, value):
    return [
        row(
            strategy,
            "exact_overlap",
            value,
            index="",
            build="",
            k=10,
            reference="task",
            low=value - 0.01,
            high=min(1, value + 0.01),
        )
    ]


def decided(rows, target=0.95, failures=()):
    info = {"config": {"target_recall": target}, "failures": list(failures)}
    (decision,) = decide(Run(Path(), info, tuple(rows)))
    return decision


def test_the_smallest_ef_whose_interval_reaches_it():
    decision = decided(
        [
            *exact("raw", 1.0),
            *build("raw"),
            *cell("raw", 80, 0.99, 100),
            *cell("raw", 10, 0.90, 900),
            *cell("raw", 20, 0.952, 500),
            *cell("raw", 40, 0.97, 300),
        ]
    )
    # .952 - .005 does not reach .95: 40 is the first that does.
    assert decision.best.search == '{"ef":40}'
    assert decision.ties == decision.others == decision.misses == ()


def test_the_cheapest_strategy_wins_and_others_follow_by_speed():
    rows = [*cell("a", 40, 0.97, 300), *cell("b", 20, 0.97, 900), *cell("c", 20, 0.97, 600)]
    decision = decided(rows)
    assert decision.best.strategy == "b"
    assert [one.strategy for one in decision.others] == ["c", "a"]


def test_close_speeds_tie_and_the_fastest_stands_first_whatever_its_size():
    rows = [
        *build("a", size=2e6),
        *cell("a", 20, 0.97, 510),
        *build("b"),
        *cell("b", 20, 0.97, 500),
        *cell("c", 20, 0.97, 300),
    ]
    decision = decided(rows)
    assert decision.best.strategy == "a"
    assert [one.strategy for one in decision.ties] == ["b"]
    assert [one.strategy for one in decision.others] == ["c"]


def test_overlapping_intervals_tie_whatever_the_medians():
    assert [
        t.strategy
        for t in decided([*cell("a", 20, 0.97, 500, spread=0.2), *cell("b", 20, 0.97, 320, spread=0.25)]).ties
    ] == ["b"]


def test_equals_stay_in_the_order_of_the_config():
    assert decided([*cell("z", 20, 0.97, 500), *cell("a", 20, 0.97, 500)]).best.strategy == "z"


def test_replicates_are_one_candidate_as_good_as_the_worst():
    """One seed of five that happens to reach the target recommends nothing."""
    lucky = [
        line
        for seed, recall in enumerate((0.948, 0.948, 0.957, 0.948, 0.948))
        for line in cell("raw", 80, recall, 500, build=f'{{"M":8,"seed":{seed}}}')
    ]
    decision = decided([*exact("raw", 1.0), *lucky])
    assert decision.best is None
    (miss,) = decision.misses
    assert miss.build == '{"M":8}'
    good = [line for seed in (0, 1) for line in cell("raw", 80, 0.97, 500, build=f'{{"M":8,"seed":{seed}}}')]
    decision = decided(good)
    assert (decision.best.build, decision.ties, decision.others) == ('{"M":8}', (), ())


def test_no_ef_gets_beyond_an_exact_search_just_below_the_target():
    rows = [*exact("n", 0.945), *cell("n", 320, 0.944, 100, own=0.999)]
    assert "transform loss" in decided(rows).misses[0].reason


def test_a_failed_search_does_not_unrecommend_its_index():
    failure = {"strategy": "raw", "index": "hnswlib", "build": '{"M":8}', "searches": ["{}"], "reason": "zero"}
    decision = decided(cell("raw", 40, 0.97, 500), failures=[failure])
    assert decision.best is not None
    assert decision.misses == ()


def test_transform_loss_is_told_from_index_loss():
    decision = decided([*exact("normalized", 0.4), *cell("normalized", 80, 0.39, 100, own=0.999)])
    assert decision.best is None
    assert "transform loss: exact search in this space reaches 0.400" in decision.misses[0].reason


def ceiling(strategy, value):
    return row(strategy, "recall_ceiling", value, k=10, reference="task")


def test_unreachable_answers_are_named_and_unreachable_items_nobody_asks_for_are_not():
    """A quarter of the items lost, none of them an answer: more ef helps. And the other way round."""
    many = [*exact("raw", 1.0), *build("raw", unreachable=0.6), ceiling("raw", 0.99), *cell("raw", 320, 0.5, 100)]
    assert decided(many).misses[0].reason.startswith("ef range")
    few = [*exact("raw", 1.0), *build("raw", unreachable=0.01), ceiling("raw", 0.6), *cell("raw", 320, 0.5, 100)]
    assert "40.0% of the true answers have no path to them, so no ef gets beyond 0.600" in decided(few).misses[0].reason


def test_too_small_an_ef_range_is_named():
    rows = [*exact("raw", 1.0), *build("raw"), *cell("raw", 20, 0.8, 200), *cell("raw", 320, 0.93, 100)]
    assert (
        decided(rows).misses[0].reason
        == "ef range: recall is 0.930 at its best (ef=320): raise ef, M or ef_construction"
    )


def test_an_exact_search_below_its_own_truth_has_rounded_too_much():
    place = {"index": "faiss-flat", "build": "", "k": 10}
    rows = [*exact("raw", 1.0), row("raw", "recall", 0.9, reference="task", low=0.88, high=0.92, **place)]
    assert decided(rows).misses[0].reason.startswith("rounding: it looks at every item, and recall is 0.900")


def test_too_few_queries_are_named():
    rows = [*exact("raw", 1.0), *build("raw"), *cell("raw", 320, 1.0, 100, half=0.1, n=20)]
    assert "too few queries: 20 of them show 1.000 with a 95 % interval from 0.900" in decided(rows).misses[0].reason


def test_failures_are_reasons():
    failure = {"strategy": "raw", "index": "hnswlib", "build": "", "searches": ["{}"], "reason": "killed"}
    decision = decided(cell("a", 20, 0.97, 500), failures=[failure])
    assert decision.misses[0].reason == "failed: killed"


def test_speed_without_an_interval_says_less_not_more():
    def bare(strategy, qps):
        return [
            r if r.metric != "latency_p50" else row(strategy, "latency_p50", 1 / qps, search='{"ef":20}', k=10)
            for r in cell(strategy, 20, 0.97, qps)
        ]

    assert decided([*bare("a", 500), *bare("b", 300)]).ties
    assert not decided([*bare("a", 500), *bare("b", 240)]).ties
    assert not decided([*cell("a", 20, 0.97, 500), *cell("b", 20, 0.97, 300)]).ties


def test_nothing_retrieved_decides_nothing():
    assert decide(Run(Path(), {"config": {"target_recall": 0.9}}, ())) == ()


def test_words():
    rows = [
        *build("a"),
        *cell("a", 40, 0.97, 1234),
        *exact("b", 0.4),
        *cell("b", 80, 0.39, 100),
        *cell("b", 80, 0.39, 100, build='{"M":16}'),
    ]
    lines = list(decision_lines(decided(rows)))
    assert lines[0] == (
        "Recall@10 of at least .95 against the task reference: a by dot in hnswlib M8 at ef 40 "
        "(recall .970 .965–.975, p50 810 µs, 1.23k QPS, 1.00 MB)"
    )
    assert lines[1].startswith("b in hnswlib M8, hnswlib M16: no, transform loss")
    none = list(decision_lines(decided([*exact("b", 0.4), *cell("b", 80, 0.39, 100)])))
    assert none[0].endswith("none, because")
    assert none[1].startswith("b in hnswlib M8: transform loss")

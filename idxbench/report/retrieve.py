"""Tables of the retrieve task: strategies, cells, indexes."""

import math

from rich.markup import escape
from rich.table import Table

from idxbench.records import Measurement, Run
from idxbench.report.lookup import Figures, index_name, search_name
from idxbench.report.style import INTERVAL, make_table, megabytes, microseconds, share, shared, significant, thousands

KEPT = {"scores": "every score", "ranking": "every ranking", "neither": "neither"}


def strategies_table(run: Run) -> Table:
    """Say what each strategy did to the ranking, before any index."""
    figures = Figures(run, "retrieve")
    depths = figures.depths("exact_overlap")
    labelled = any(row.metric == "recall" and row.reference == "labels" and not row.index for row in figures.rows)
    columns = [("strategy", "left"), ("similarity", "left"), ("keeps", "left")]
    for k in depths[:2]:
        columns += [(f"overlap@{k}", "right"), (f"loss@{k}", "right")]
    if labelled:
        columns.append((f"labels@{depths[0]}", "right"))
    known = run.info["data"]["trained_with"]
    basis = "dot (assumed: trained_with is unknown)" if known == "unknown" else known
    table = make_table(
        "Strategies: exact search, no index",
        columns,
        f"The task reference is exact search by {basis}, on the vectors as given. Keeps: what each strategy keeps of "
        "its query-item scores. Overlap: share of its top answers that exact search in the strategy's own space "
        f"returns, {INTERVAL}. Loss: the rest, the metric loss; no index wins it back."
        + (" Labels: share of the top answers with the query's label." if labelled else ""),
    )
    width = run.info["data"]["items"]["n_dims"]
    for strategy in run.info["strategies"]:
        name = strategy["name"]
        transform = strategy["transform"]
        plain = name.removesuffix(f" {strategy['similarity']}")
        label = transform if transform.startswith(plain) else f"{name}: {transform}"
        rank = strategy.get("fitted", {}).get("rank", width)
        kept = KEPT[strategy["kept"]] + (f", rank {rank:.0f} of {width}" if rank < width else "")
        cells = [label, strategy["similarity"], kept]
        for k in depths[:2]:
            loss = figures.of(name, "metric_loss", "task", k=k)
            cells += [shared(figures.of(name, "exact_overlap", "task", k=k)), share(loss.value if loss else None)]
        if labelled:
            found = figures.of(name, "recall", "labels", k=depths[0])
            cells.append(share(found.value if found else None))
        table.add_row(*map(escape, cells))
    return table


def cells_table(run: Run, k: int) -> Table:
    """Show every cell at one depth."""
    figures = Figures(run, "retrieve")
    kind = figures.only_kind()
    swept = figures.swept()
    table = make_table(
        f"Retrieve: top {k}" + (f", {kind}" if kind else ""),
        [
            ("strategy", "left"),
            ("index", "left"),
            *([("ef", "right")] if swept else []),
            (f"own@{k}", "right"),
            (f"task@{k}", "right"),
            ("loss", "right"),
            ("p50 µs", "right"),
            ("p99 µs", "right"),
            ("QPS", "right"),
        ],
        "own: recall against exact search in the strategy's own space (is the index good?). task: against the task "
        f"reference (what the user gets), {INTERVAL}. Loss: what the index lost, the overlap "
        f"above minus task. Times: one query on one thread; QPS: all queries at once on {_threads(run)}; medians over "
        f"{_rounds(run)}; – where there are too few queries for a percentile."
        + (" M: links, c: ef_construction." if swept else "")
        + _control(figures),
    )
    deepest = max(figures.depths("qps_batch"), default=k)
    previous = None
    for row in figures.rows:
        if row.metric == "failed":
            searched = [search_name(row.search)] if swept else []
            failed = [row.strategy, index_name(row.index, row.build, kind), *searched, _failure(run, row)]
            table.add_row(*map(escape, failed))
            continue
        if row.metric != "recall" or row.reference != "task" or row.k != k or not row.index:
            continue
        if previous is not None and row.strategy != previous:
            table.add_section()
        previous = row.strategy
        table.add_row(
            escape(row.strategy),
            escape(index_name(row.index, row.build, kind)),
            *([search_name(row.search)] if swept else []),
            share(figures.value(row, "recall", "own")),
            shared(row),
            share(figures.value(row, "index_loss", "task")),
            microseconds(figures.value(row, "latency_p50", k=deepest)),
            microseconds(figures.value(row, "latency_p99", k=deepest)),
            thousands(figures.value(row, "qps_batch", k=deepest)),
        )
    return table


def tails_table(run: Run, k: int) -> Table:
    """Show what averages hide: the worst queries and the slowest answers."""
    figures = Figures(run, "retrieve")
    kind = figures.only_kind()
    swept = figures.swept()
    table = make_table(
        f"Retrieve: worst queries, top {k}" + (f", {kind}" if kind else ""),
        [
            ("strategy", "left"),
            ("index", "left"),
            *([("ef", "right")] if swept else []),
            ("own p5", "right"),
            ("task p5", "right"),
            ("zero recall", "right"),
            ("labels", "right"),
            ("p95 µs", "right"),
            ("short", "right"),
        ],
        "p5: recall that 95 % of the queries reach. Zero recall: share of queries that got none of the task "
        "reference's answers. Labels: share of the answers with the query's label. Short: queries with fewer answers "
        "than asked for.",
    )
    deepest = max(figures.depths("qps_batch"), default=k)
    for row in figures.rows:
        if row.metric == "recall" and row.reference == "task" and row.k == k and row.index:
            table.add_row(
                escape(row.strategy),
                escape(index_name(row.index, row.build, kind)),
                *([search_name(row.search)] if swept else []),
                share(figures.value(row, "recall_p05", "own")),
                share(figures.value(row, "recall_p05", "task")),
                share(figures.value(row, "zero_recall_share", "task")),
                share(figures.value(row, "recall", "labels")),
                microseconds(figures.value(row, "latency_p95", k=deepest)),
                significant(figures.value(row, "short_results", k=deepest)),
            )
    return table


def speeds_table(run: Run) -> Table:
    """Show the three throughputs, and what waits in a queue at a fixed rate."""
    figures = Figures(run, "retrieve")
    kind = figures.only_kind()
    swept = figures.swept()
    queued = any(row.metric == "response_p50" for row in figures.rows)
    rate = run.info["config"]["measure"]["rate"] if queued else 0
    table = make_table(
        "Speed" + (f": {kind}" if kind else ""),
        [
            ("strategy", "left"),
            ("index", "left"),
            *([("ef", "right")] if swept else []),
            ("QPS alone", "right"),
            ("QPS clients", "right"),
            ("QPS batch", "right"),
            *([("p50 µs", "right"), ("p95 µs", "right"), ("p99 µs", "right")] if queued else []),
        ],
        f"Queries per second. Alone: one at a time on one thread. Clients: {_threads(run)} that each ask one at a "
        f"time. Batch: all at once on {_threads(run)}."
        + (
            f" Percentiles: from the moment a query should have started, {rate:g} of them a second whether or not "
            "earlier ones are answered, to its answer: a stall delays all that come after it."
            if queued
            else ""
        ),
    )
    for row in figures.rows:
        if row.metric == "qps_batch":
            times = ("response_p50", "response_p95", "response_p99") if queued else ()
            table.add_row(
                escape(row.strategy),
                escape(index_name(row.index, row.build, kind)),
                *([search_name(row.search)] if swept else []),
                thousands(figures.value(row, "qps_single")),
                thousands(figures.value(row, "qps_threads")),
                thousands(row.value),
                *(microseconds(figures.value(row, metric)) for metric in times),
            )
    return table


def indexes_table(run: Run) -> Table:
    """Show what each index costs to build and keep."""
    figures = Figures(run, "retrieve")
    mode = run.info["config"]["measure"]["build_mode"]
    how = "one thread, fixed seed" if mode == "repeatable" else _threads(run)
    kind = figures.only_kind()
    swept = figures.swept()
    k = run.info["config"]["k"][0]
    gauged = swept and any(row.metric == "gauge_imbalance" for row in figures.rows)
    table = make_table(
        "Indexes" + (f": {kind}" if kind else ""),
        [
            ("strategy", "left"),
            ("index", "left"),
            ("build s", "right"),
            ("size MB", "right"),
            ("peak MB", "right"),
            *([("gauge", "right")] if gauged else []),
            *([("unreachable", "right"), (f"ceiling@{k}", "right")] if swept else []),
        ],
        f"Built with {how}. Size: as saved, vectors included. Peak: memory of a fresh process while building, above "
        "what it held before, the vectors to be indexed among it."
        + (
            " Gauge: how far coordinates compared by dot are from balanced, in decades (0 balanced, above .2 strongly "
            "off)."
            if gauged
            else ""
        )
        + (
            " Unreachable: items that no query can return at any ef. Ceiling: share of the task reference's top "
            "answers that are reachable; no ef gets task recall beyond it."
            if swept
            else ""
        ),
    )
    for row in figures.rows:
        if row.metric == "build_time":
            peak = figures.get(row, "memory_peak") or figures.get(row, "memory_peak", "inexact")
            table.add_row(
                escape(row.strategy),
                escape(index_name(row.index, row.build, kind)),
                significant(row.value),
                megabytes(figures.value(row, "index_bytes")),
                megabytes(None if peak is None else peak.value) + ("~" if peak and peak.reference else ""),
                *([share(_gauge(figures, row.strategy))] if gauged else []),
                *([share(figures.value(row, "unreachable_share"))] if swept else []),
                *([share(figures.value(row, "recall_ceiling", "task", k=k))] if swept else []),
            )
    return table


def _rounds(run: Run) -> str:
    told = run.info.get("rounds", {})
    if "played" not in told:
        return "rounds"
    played = told["played"]
    again = f", {told['repeated']} of them made twice as other work disturbed them" if told.get("repeated") else ""
    return f"{played} round{'s' if played != 1 else ''}{again}"


def _control(figures: Figures) -> str:
    """Say how far the first index differs from a copy of itself, at its last search."""
    found = {row.reference: row for row in figures.rows if row.metric == "control_ratio"}
    told = [
        f"{found[metric].value:.2f}"
        + ("" if math.isnan(row.low) else f" [{row.low:.2f}, {row.high:.2f}]")
        + f" of its {word}"
        for metric, word in (("latency_p50", "p50"), ("qps_batch", "QPS"))
        if (row := found.get(metric)) is not None
    ]
    return f" A second copy of the first index had {' and '.join(told)}: closer ratios say nothing." if told else ""


def _gauge(figures: Figures, strategy: str) -> float | None:
    row = figures.of(strategy, "gauge_imbalance")
    return None if row is None else row.value


def _threads(run: Run) -> str:
    n = run.info["environment"]["threads"]
    return f"{n} thread" + ("s" if n != 1 else "")


def _failure(run: Run, row: Measurement) -> str:
    for failure in run.info["failures"]:
        if (failure["strategy"], failure["index"], failure["build"]) == (row.strategy, row.index, row.build):
            return f"failed: {failure['reason']}"
    return "failed"

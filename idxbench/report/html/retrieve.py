"""Pictures of the retrieve task: recall against speed, losses, and what an index costs."""

from collections.abc import Iterator, Sequence

from idxbench.measures.curves import front
from idxbench.records import Measurement, Run
from idxbench.report.html.pictures import Column, Picture, Value, control, parameters
from idxbench.report.lookup import Figures, unique
from idxbench.verdicts.decision import Decision

REFERENCES = {"task": "the task reference", "own": "its own exact search", "labels": "labels"}
PLACE = (
    Column("strategy", "strategy"),
    Column("index", "index"),
    Column("build", "build"),
)
SEARCH = Column("search", "search")


def retrieve_pictures(run: Run, decisions: Sequence[Decision]) -> Iterator[Picture]:
    """Yield the pictures that the figures of a run support."""
    figures = Figures(run, "retrieve")
    cells = [row for row in figures.rows if row.metric == "recall" and row.reference == "task" and row.index]
    if cells:
        yield _recall_speed(run, figures, cells, decisions)
        yield _losses(figures, cells, decisions)
    built = [row for row in figures.rows if row.metric == "build_time"]
    if built:
        yield _costs(figures, built)


def place(row: Measurement) -> list[Value]:
    """Return the values of `PLACE`."""
    return [row.strategy, row.index, parameters(row.build)]


def depth_control(depths: Sequence[int]) -> dict[str, object]:
    """Let the reader choose the depth."""
    return control("k", "top", [(str(k), str(k)) for k in depths])


def search_control(searches: Sequence[str], decisions: Sequence[Decision]) -> dict[str, object]:
    """Let the reader choose the search; at first the one that was decided for, or the middle one."""
    best = next((parameters(one.best.search) for one in decisions if one.best is not None), None)
    known = [text for text in unique(searches) if text]
    first = best if best in known else known[len(known) // 2] if known else None
    return control("search", "search", [(text, text.replace("=", " ")) for text in known], first)


def _recall_speed(run: Run, figures: Figures, cells: Sequence[Measurement], decisions: Sequence[Decision]) -> Picture:
    deepest = max(figures.depths("qps_batch"), default=0)
    columns = (
        *PLACE,
        SEARCH,
        Column("k", "k", "plain"),
        Column("reference", "recall against"),
        Column("recall", "recall", "share"),
        Column("recall_low", "low", "share"),
        Column("recall_high", "high", "share"),
        Column("qps", "QPS", "rate"),
        Column("latency_p50_s", "p50 µs", "latency"),
        Column("on_front", "Pareto front"),
        Column("decided", "decided"),
    )
    chosen = {
        (one.k, one.best.strategy, one.best.index, one.best.build, one.best.search) for one in decisions if one.best
    }
    rows: list[tuple[Value, ...]] = []
    depths, known = sorted({row.k for row in cells}), []
    for k in depths:
        for reference in REFERENCES:
            graded = [
                (row, found)
                for row in cells
                if row.k == k and (found := figures.get(row, "recall", reference)) is not None
            ]
            speeds = [figures.value(row, "qps_batch", k=deepest) for row, _ in graded]
            timed = [i for i, speed in enumerate(speeds) if speed is not None]
            best = front([graded[i][1].value for i in timed], [speeds[i] or 0.0 for i in timed])
            leading = {timed[i] for i in best}
            known += [reference] if graded else []
            for i, (row, found) in enumerate(graded):
                measured: list[Value] = [found.value, found.low, found.high, speeds[i]]
                measured += [figures.value(row, "latency_p50", k=deepest), "yes" if i in leading else ""]
                measured.append("yes" if (k, row.strategy, row.index, row.build, row.search) in chosen else "")
                rows.append((*place(row), parameters(row.search), k, reference, *measured))
    return Picture(
        "recall-qps",
        "Recall against speed",
        "Up and to the right is better. One point per search; a line joins the searches of one index, from the "
        f"smallest ef to the largest. QPS: all queries at once, queries per second on {_threads(run)} (log axis). "
        "Whiskers: 95 % interval of recall over queries. The grey band is the Pareto front: nothing measured beats it "
        "in both. Dashed: the recall to reach; ringed: what was decided for. Spread out, each further nine has the "
        "same room, and what is beyond .9999 stands there.",
        columns,
        tuple(rows),
        {
            "draw": "curves",
            "x": {"column": "recall", "title": "recall", "scale": "share", "nines": True},
            "y": {"column": "qps", "title": "QPS", "scale": "log"},
            "whiskers": {"axis": "x", "low": "recall_low", "high": "recall_high"},
            "group": "strategy",
            "line": ["strategy", "index", "build"],
            "front": "on_front",
            "ring": "decided",
            "marks": [{"axis": "x", "value": float(run.info["config"]["target_recall"]), "label": "target"}],
            "controls": [
                depth_control(depths),
                control("reference", "against", [(name, REFERENCES[name]) for name in unique(known)]),
            ],
        },
        wide=True,
    )


def _losses(figures: Figures, cells: Sequence[Measurement], decisions: Sequence[Decision]) -> Picture:
    columns = (
        *PLACE,
        SEARCH,
        Column("k", "k", "plain"),
        Column("metric_loss", "metric loss", "share"),
        Column("index_loss", "index loss", "share"),
        Column("index_loss_low", "low", "share"),
        Column("index_loss_high", "high", "share"),
        Column("recall_task", "task recall", "share"),
    )
    rows: list[tuple[Value, ...]] = []
    for row in cells:
        metric = figures.of(row.strategy, "metric_loss", "task", k=row.k)
        index = figures.get(row, "index_loss", "task")
        lost: list[Value] = [metric.value if metric else None]
        lost += [index.value, index.low, index.high] if index else [None] * 3
        rows.append((*place(row), parameters(row.search), row.k, *lost, row.value))
    controls = [depth_control(sorted({row.k for row in cells}))]
    return Picture(
        "losses",
        "What the strategy loses, and what the index loses",
        "Shares of the task reference's top answers. Metric loss: exact search in the strategy's space does not "
        "return them, so no index wins them back. Index loss: the index misses them on top (it may be a little "
        "below 0). What is left to 1 is task recall.",
        columns,
        tuple(rows),
        {
            "draw": "bars",
            "category": ["strategy", "index", "build"],
            "panels": [
                {
                    "title": "share of true answers lost",
                    "scale": "share",
                    "stack": True,
                    "parts": [
                        {"column": "metric_loss", "label": "metric loss", "slot": 0},
                        {"column": "index_loss", "label": "index loss", "slot": 1, "decal": True},
                    ],
                }
            ],
            "controls": [*controls, search_control([parameters(row.search) for row in cells], decisions)],
        },
    )


def _costs(figures: Figures, built: Sequence[Measurement]) -> Picture:
    columns = (
        *PLACE,
        Column("build_time_s", "build s", "seconds"),
        Column("index_bytes", "size MB", "bytes"),
        Column("memory_peak_bytes", "peak MB", "bytes"),
        Column("unreachable_share", "unreachable", "share"),
    )
    rows = []
    for row in built:
        peak = figures.get(row, "memory_peak") or figures.get(row, "memory_peak", "inexact")
        others: list[Value] = [figures.value(row, "index_bytes"), peak.value if peak else None]
        rows.append((*place(row), row.value, *others, figures.value(row, "unreachable_share")))
    parts = [("build_time_s", "build time, s", "seconds"), ("index_bytes", "size as saved, MB", "bytes")]
    if any(row[5] is not None for row in rows):
        parts.append(("memory_peak_bytes", "peak memory, MB", "bytes"))
    return Picture(
        "costs",
        "What an index costs to build and to keep",
        "Shorter is cheaper. Build time in seconds; size as saved, vectors included, and peak memory of a fresh "
        "process while building, in MB (10^6 bytes).",
        columns,
        tuple(rows),
        {
            "draw": "bars",
            "category": ["strategy", "index", "build"],
            "panels": [
                {"title": title, "scale": scale, "parts": [{"column": key, "label": title, "slot": 0}]}
                for key, title, scale in parts
            ],
            "controls": [],
        },
    )


def _threads(run: Run) -> str:
    n = run.info["environment"]["threads"]
    return f"{n} thread" + ("s" if n != 1 else "")

"""The page of a comparison: one line that says it, every figure with its interval beside its floor, both curves."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from idxbench.report.compare import changes_table, fronts_table, matched_table
from idxbench.report.compare_text import Names, how_words, reasons, shown_changes
from idxbench.report.html.page import Page, Section, Statement, write_page
from idxbench.report.html.pictures import Column, Picture, Value, control, parameters
from idxbench.report.html.tables import html_tables
from idxbench.verdicts.changes import Cell, Change, Comparison, Verdict
from idxbench.verdicts.runs.wording import status_line

# Lines of a picture, worst first; the tables hold them all.
MOST = 60
# Colour and shape of a verdict: what is worse, what is better, what is neither.
SLOTS: dict[Verdict, int] = {
    "regressed": 1,
    "missing": 1,
    "suspicious": 4,
    "unstable": 4,
    "inconclusive": 6,
    "incomparable": 4,
    "traded": 3,
    "advisory": 5,
    "improved": 2,
    "same": 0,
}


def write_comparison_page(comparisons: Sequence[Comparison], path: Path, *, level: float) -> None:
    """Write the page of comparisons with one base.

    Parameters
    ----------
    comparisons
        At least one; several stand below each other.
    path
        The file.
    level
        Of the intervals.

    Raises
    ------
    ResultError
        It can't be written.
    """
    write_page(comparison_page(comparisons, level=level), path)


def comparison_page(comparisons: Sequence[Comparison], *, level: float) -> Page:
    """Gather what the page of comparisons says."""
    several = len(comparisons) > 1
    facts: list[tuple[str, str]] = []
    warnings: list[str] = []
    for number, one in enumerate(comparisons, start=1):
        mark = f"{number}. " if several else ""
        facts += [(f"{mark}base", one.base), (f"{mark}new", one.new)]
        facts += [
            (f"{mark}{each.what}", f"{each.base} → {each.new}" + (" (times can't be compared)" * each.breaks_times))
            for each in one.differences
        ]
        warnings += [f"{mark}unstable: {one.unstable}."] if one.unstable else []
        warnings += [f"{mark}{_capital(notice)}." for notice in one.notices]
    return Page(
        title=" ".join(dict.fromkeys(Path(one.new).name or one.new for one in comparisons)) + " against the base",
        kind="idxbench compare",
        lead=tuple(how_words(one) for one in comparisons),
        heading="Verdict",
        statements=tuple(Statement(_capital(status_line(one)), tuple(reasons(one))) for one in comparisons),
        warnings=tuple(warnings),
        facts=tuple(facts),
        facts_title="Sides, and what differs",
        sections=tuple(
            _section(one, level, f"changes-{number}", f"{number}. {one.new}" if several else "Changes")
            for number, one in enumerate(comparisons, start=1)
        ),
        strategies=("base", "new"),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _section(comparison: Comparison, level: float, key: str, title: str) -> Section:
    tables = [changes_table(comparison, level=level, everything=True)]
    tables += [matched_table(comparison)] if comparison.matched else []
    tables += [fronts_table(comparison)] if comparison.fronts else []
    pictures = [*_forests(comparison, level, key), *_curves(comparison, key)]
    return Section(key, title, tuple(pictures), html_tables(tables))


def _forests(comparison: Comparison, level: float, key: str) -> Iterator[Picture]:
    changes = [one for one in shown_changes(comparison) if not math.isnan(one.effect)]
    ratios = [one for one in changes if one.kind == "ratio" and one.effect != 0]
    differences = [one for one in changes if one.kind == "difference" and one.effect != 0]
    still = Counter(one.kind for one in changes if one.effect == 0)
    if ratios:
        yield _forest(
            ratios,
            f"{key}-ratios",
            "Times and sizes: how many times worse",
            "To the right of 1 is worse, to the left better (log axis). Points: new against base; lines: "
            f"{100 * level:g} % interval, where there is one; grey band: the floor, within which nothing counts as "
            "changed.",
            ("worse_factor", "times worse", "ratio"),
            [_ratio(one) for one in ratios],
            still["ratio"],
        )
    if differences:
        yield _forest(
            differences,
            f"{key}-differences",
            "Recall and other shares: how much worse",
            "To the right of 0 is worse, to the left better. Points: new against base; lines: "
            f"{100 * level:g} % interval, where there is one; grey band: the floor, within which nothing counts as "
            "changed.",
            ("worse_by", "worse by", "share"),
            [(one.effect, one.low, one.high, -one.floor, one.floor) for one in differences],
            still["difference"],
        )


def _ratio(change: Change) -> tuple[float, float, float, float, float]:
    """Write logarithms as the factors they stand for."""
    low, high = 1.0 / (1.0 + change.floor), 1.0 + change.floor
    return (math.exp(change.effect), math.exp(change.low), math.exp(change.high), low, high)


def _forest(
    changes: Sequence[Change],
    key: str,
    title: str,
    reading: str,
    measured: tuple[str, str, str],
    figures: Sequence[tuple[float, ...]],
    still: int,
) -> Picture:
    names = Names(one.cell for one in changes)
    column, label, kind = measured
    rows: list[tuple[Value, ...]] = [
        (names.figure(one.cell), one.verdict, *values, one.n, one.why)
        for one, values in zip(changes[:MOST], figures, strict=False)
    ]
    left = f" {len(changes) - MOST} figures that are less bad stand in the table only." if len(changes) > MOST else ""
    left += f" Figures that did not change at all are left out ({still})." if still else ""
    return Picture(
        key,
        title + names.title.replace(":", ",", 1),
        reading + left,
        (
            Column("figure", "figure"),
            Column("verdict", "verdict"),
            Column(column, label, kind),
            Column("low", "low", kind),
            Column("high", "high", kind),
            Column("floor_low", "floor from", kind),
            Column("floor_high", "floor to", kind),
            Column("n", "n", "plain"),
            Column("why", "why"),
        ),
        tuple(rows),
        {
            "draw": "bars",
            "category": ["figure"],
            "group": "verdict",
            "slots": SLOTS,
            "panels": [
                {
                    "title": label,
                    "scale": kind,
                    "free": True,
                    "log": kind == "ratio",
                    "band": ["floor_low", "floor_high"],
                    "parts": [
                        {"column": column, "label": label, "slot": 0, "point": True, "low": "low", "high": "high"}
                    ],
                }
            ],
            "controls": [],
        },
        wide=True,
    )


def _curves(comparison: Comparison, key: str) -> Iterator[Picture]:
    """Draw both sides' recall against speed, of the figures that both have."""
    speeds = {_searched(one.cell): one for one in comparison.changes if one.cell.metric == "qps_batch"}
    # By their figures: what the sides are selected by is left out of a cell, but not of a point.
    front = {(one.side, one.k, _rounded(one.recall), _rounded(one.qps)) for one in comparison.fronts}
    rows: list[tuple[Value, ...]] = []
    for one in comparison.changes:
        speed = speeds.get(_searched(one.cell))
        if one.cell.measure != "recall@task" or speed is None:
            continue
        cell = one.cell
        for side, recall, qps in (("base", one.base, speed.base), ("new", one.new, speed.new)):
            best = (side, cell.k, _rounded(recall), _rounded(qps)) in front
            place = (side, cell.strategy, cell.index, parameters(cell.build), parameters(cell.search), cell.k)
            rows.append((*place, recall, qps, "yes" if best else ""))
    if not rows:
        return
    rows.sort(key=lambda row: str(row[0]))
    yield Picture(
        f"{key}-recall-qps",
        "Recall against speed, both sides",
        "Up and to the right is better. One point per search, against the task reference; a line joins the searches "
        "of one index. QPS: all queries at once, queries per second (log axis).",
        (
            Column("side", "side"),
            Column("strategy", "strategy"),
            Column("index", "index"),
            Column("build", "build"),
            Column("search", "search"),
            Column("k", "k", "plain"),
            Column("recall", "recall", "share"),
            Column("qps", "QPS", "rate"),
            Column("on_front", "Pareto front of its side"),
        ),
        tuple(rows),
        {
            "draw": "curves",
            "x": {"column": "recall", "title": "recall", "scale": "share", "nines": True},
            "y": {"column": "qps", "title": "QPS", "scale": "log"},
            "group": "side",
            "variant": ["strategy", "index", "build"],
            "line": ["side", "strategy", "index", "build"],
            "controls": [control("k", "top", [(str(k), str(k)) for k in sorted({int(row[5] or 0) for row in rows})])],
        },
        wide=True,
    )


def _rounded(value: float) -> str:
    return f"{value:.6g}"


def _searched(cell: Cell) -> tuple[str, str, str, str]:
    return (cell.strategy, cell.index, cell.build, cell.search)

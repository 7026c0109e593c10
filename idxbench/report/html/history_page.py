"""The page of a history: series night by night, their change points, and the alarms in words."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from idxbench.records import Notice
from idxbench.report.compare_text import Names
from idxbench.report.history import history_table, status_line
from idxbench.report.html.page import Page, Section, Statement, write_page
from idxbench.report.html.pictures import Column, Picture, Value, control
from idxbench.report.html.tables import html_tables
from idxbench.report.lookup import unique
from idxbench.verdicts.history.records import Nights, Shown

# Nights of a sparkline.
NIGHTS = 30
# Series of a picture, worst first; the table has them all.
MOST = 60
# Unit -> (key, title, kind of column).
UNITS = {
    "1/s": ("speed", "Queries per second", "rate"),
    "s": ("time", "Times", "seconds"),
    "bytes": ("size", "Sizes, in MB (10^6 bytes)", "bytes"),
}
SHARES = ("share", "Recall and other shares", "share")
AXES = {"speed": "queries per second", "size": "MB", "share": "share"}
# Colour and shape of a night.
SLOTS = {"counted": 0, "left out": 5, "earlier": 6}
REFERENCES = ("last 10", "pin", "best")


def write_history_page(views: Sequence[Nights], path: Path, *, notices: Sequence[Notice] = ()) -> None:
    """Write the page of a history.

    Parameters
    ----------
    views
        A config on a machine each, as `idxbench.verdicts.history.view.view` returns them; at least one.
    path
        The file.
    notices
        What had to be left out of the files.

    Raises
    ------
    ResultError
        It can't be written.
    """
    write_page(history_page(views, notices), path)


def history_page(views: Sequence[Nights], notices: Sequence[Notice] = ()) -> Page:
    """Gather what the page of a history says."""
    machines = unique(view.machine for view in views)
    return Page(
        title=", ".join(unique(view.name for view in views)),
        kind="idxbench history",
        lead=(f"on {', '.join(machines)}",),
        heading="Alarms",
        statements=tuple(Statement(status_line(view), tuple(_alarm_lines(view))) for view in views),
        warnings=tuple(f"{one.text}{'; ' if one.advice else ''}{one.advice}." for one in notices),
        facts=tuple(
            (
                f"{view.name} on {view.machine}",
                f"newest {view.newest}" + (f"; pinned {view.pinned}" * bool(view.pinned)),
            )
            for view in views
        ),
        facts_title="Runs",
        sections=tuple(_section(view, number) for number, view in enumerate(views, start=1)),
        strategies=(),
    )


def _alarm_lines(view: Nights) -> Iterator[str]:
    names = Names(one.cell for one in view.shown)
    for alarm in (view.together, *(one.alarm for one in view.shown)):
        if alarm is not None:
            place = "" if alarm.cell is None else f"{names.figure(alarm.cell)}: "
            yield f"{alarm.state}: {place}{alarm.text}"


def _section(view: Nights, number: int) -> Section:
    pictures = []
    for unit in unique(one.unit if one.unit in UNITS else "" for one in view.shown):
        group = [one for one in view.shown if (one.unit if one.unit in UNITS else "") == unit]
        pictures.append(_picture(view, group, UNITS.get(unit, SHARES), number))
    table = history_table(view, view.shown, last=NIGHTS)
    return Section(f"nights-{number}", f"{view.name} on {view.machine}", tuple(pictures), html_tables([table]))


def _picture(view: Nights, group: Sequence[Shown], told: tuple[str, str, str], number: int) -> Picture:
    key, title, kind = told
    names = Names(one.cell for one in view.shown)
    rows = [row for one in group[:MOST] for row in _rows(names.figure(one.cell), one)]
    figures = unique(str(row[0]) for row in rows)
    left = f" {len(group) - MOST} more series stand in the table only." if len(group) > MOST else ""
    small = kind == "seconds" and max((float(row[3] or 0.0) for row in rows), default=0.0) < 0.01
    return Picture(
        f"nights-{number}-{key}",
        title,
        "One point per night, worst series first in the list. A dashed upright line begins a new segment: a change "
        "point, or a change that was accepted; lines join the nights of a segment. Dashed level: the median of the "
        "last ten nights, the pinned run, and the best ever. left out: nights that don't count; earlier: before the "
        f"nights that are looked at.{left}",
        (
            Column("figure", "figure"),
            Column("role", "role"),
            Column("night", "night, UTC", "date"),
            Column(
                "value", "value" + (" µs" if small else " s" if kind == "seconds" else ""), "latency" if small else kind
            ),
            Column("counts", "counts"),
            Column("segment", "segment"),
            Column("change_point", "segment begins"),
            Column("flags", "flags"),
        ),
        tuple(rows),
        {
            "draw": "curves",
            "x": {"column": "night", "title": "night, UTC", "scale": "time", "kind": "date"},
            "y": {
                "column": "value",
                "title": "µs" if small else "s" if kind == "seconds" else AXES[key],
                "scale": "linear",
                "floor": {name: _span(one) for name, one in zip(figures, group, strict=False)},
            },
            "group": "counts",
            "slots": SLOTS,
            "line": ["figure", "counts", "segment"],
            "steps": "change_point",
            "rule": {"column": "role", "values": list(REFERENCES), "of": "value"},
            "controls": [control("figure", "figure", [(name, name) for name in figures])],
        },
        wide=True,
    )


def _rows(name: str, shown: Shown) -> Iterator[tuple[Value, ...]]:
    previous = None
    for point in shown.points:
        counted = point.segment >= 0
        begins = counted and previous is not None and point.segment != previous
        previous = point.segment if counted else previous
        place: tuple[Value, ...] = (name, "night", point.started, point.value)
        yield (
            *place,
            "counted" if counted else "left out" if point.flags else "earlier",
            str(point.segment) if counted else "",
            "yes" if begins else "",
            " ".join(point.flags),
        )
    held = shown.references
    for role, value in zip(REFERENCES, (held.last, held.pin, held.best), strict=True):
        if not math.isnan(value):
            yield (name, role, "", value, "", "", "", "")


def _span(shown: Shown) -> float:
    """Return the least that an axis spans, so that noise below the floor does not look like mountains."""
    if math.isnan(shown.floor):
        return 0.0
    known = [abs(point.value) for point in shown.points if not math.isnan(point.value)]
    return 2.0 * shown.floor * (max(known, default=0.0) if shown.kind == "ratio" else 1.0)

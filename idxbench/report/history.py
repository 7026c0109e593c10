"""Nights on a console: a sparkline per figure, what the newest is held against, and the alarms in words."""

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from idxbench.records import Notice
from idxbench.report.compare_text import Names
from idxbench.report.style import make_table, megabytes, microseconds, share, significant, thousands
from idxbench.report.terminal import make_console
from idxbench.store.history import CELL_COLUMNS
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.history.records import Alarm, Nights, Shown
from idxbench.verdicts.history.view import newest_value, worsening

SCHEMA = "idxbench-history/1"
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
STYLES = {"confirmed": "bold red", "candidate": "yellow", "improved": "green"}
CAPTION = (
    "Worst first. nights: one mark per night, oldest left, higher is more; a range narrower than the metric's floor is "
    "drawn as that wide; {gap}: no figure that counts (unstable, interrupted, incomplete). last 10, pin, best: the "
    "newest figure against the median of the ten nights before, the pinned run and the best ever on the same data, + "
    "is worse. noise: within what 99 % of nights lie of their median. n: nights that count. candidate: beyond what "
    "nights differ by, once; confirmed: again within three nights or in a second run, or a change point. improved: a "
    "change point for the better."
)


def show_history(
    views: Sequence[Nights], notices: Sequence[Notice], *, last: int, rows: int, plain: bool = False
) -> None:
    """Print on standard output; to a file without the blanks that pad the lines of a table.

    Parameters
    ----------
    views
        What to show.
    notices
        What had to be left out of the files.
    last
        Nights of a sparkline.
    rows
        Most series of a table without an alarm; 0 shows all.
    plain
        ASCII only, whatever the terminal can show.
    """
    console = make_console()
    plain = plain or not (sys.stdout.encoding or "").lower().startswith("utf")
    if console.is_terminal and not plain:
        print_history(views, notices, console, last=last, rows=rows, plain=False)
        return
    text = io.StringIO()
    print_history(
        views, notices, Console(file=text, highlight=False, width=console.width), last=last, rows=rows, plain=plain
    )
    lines = "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())
    sys.stdout.write(_plain(lines) if plain else lines)


def print_history(
    views: Sequence[Nights], notices: Sequence[Notice], console: Console, *, last: int, rows: int, plain: bool
) -> None:
    """Print a table per machine and config, its alarms in words, and one line that says it all."""
    for view in views:
        shown = _worth_a_line(view, rows)
        console.print(history_table(view, shown, last=last, plain=plain))
        hidden = len(view.shown) - len(shown)
        if hidden:
            console.print(f"Not shown: {hidden} more without an alarm (--rows 0 shows all).", style="dim")
        console.print()
        _print_alarms(view, console)
    for notice in notices:
        console.print(escape(f"Note: {notice.text}{'; ' if notice.advice else ''}{notice.advice}."))
    for view in views:
        console.print(escape(status_line(view)), style=_status_style(view), soft_wrap=True)


def history_table(view: Nights, shown: Sequence[Shown], *, last: int, plain: bool = False) -> Table:
    """Show series, one a line."""
    names = Names(one.cell for one in view.shown)
    columns = [("figure", "left"), ("nights", "left"), ("newest", "right"), ("last 10", "right")]
    columns += [("pin", "right")] if view.pinned else []
    columns += [("best", "right"), ("noise", "right"), ("n", "right"), ("alarm", "left")]
    caption = CAPTION.format(gap="?" if plain else "·") + (f" Pinned: {view.pinned}." if view.pinned else "")
    table = make_table(f"{view.name} on {view.machine}{names.title}", columns, caption)
    # A folded sparkline says nothing.
    table.columns[1].no_wrap = True
    for one in shown:
        known = one.references
        held = [known.last, *([known.pin] if view.pinned else []), known.best]
        n = sum(not math.isnan(point.value) for point in one.points)
        word = _word(view, one)
        cells = [names.figure(one.cell), sparkline(one, view.started[-last:], plain=plain)]
        cells += [value_text(newest_value(one), one.unit, one.kind)]
        cells += [worse_text(worsening(one, reference), one.kind) for reference in held]
        cells += [noise_text(one), str(n), word]
        table.add_row(*map(escape, cells), style=STYLES.get(word, ""))
    return table


def sparkline(shown: Shown, started: Sequence[str], *, plain: bool = False) -> str:
    """Draw a figure night by night, one mark each."""
    by_night = {point.started: point.value for point in shown.points}
    values = [by_night.get(night, math.nan) for night in started]
    known = [value for value in values if not math.isnan(value)]
    marks, gap = (ASCII_BLOCKS, "?") if plain else (BLOCKS, "·")
    if not known:
        return gap * len(values)
    low, high = min(known), max(known)
    middle, floor = (low + high) / 2.0, 0.0 if math.isnan(shown.floor) else shown.floor
    # Noise below the floor must not look like mountains.
    span = max(high - low, floor * (abs(middle) if shown.kind == "ratio" else 1.0), 1e-12 * max(1.0, abs(middle)))
    steps = [math.nan if math.isnan(value) else (value - middle) / span + 0.5 for value in values]
    return "".join(gap if math.isnan(step) else marks[min(int(step * len(marks)), len(marks) - 1)] for step in steps)


def value_text(value: float, unit: str, kind: str) -> str:
    """Write a figure in the unit that is read best."""
    if math.isnan(value):
        return "–"
    if unit == "s":
        return f"{significant(value)} s" if abs(value) >= 0.01 else f"{microseconds(value)} µs"
    if unit == "1/s":
        return thousands(value)
    if unit == "bytes":
        return f"{megabytes(value)} MB"
    return share(value) if kind == "difference" else significant(value)


def worse_text(change: float, kind: str) -> str:
    """Write by how much a figure is worse: ``+12.3%``, ``-.004``."""
    if math.isnan(change):
        return "–"
    sign = "-" if change < 0 else "+"
    if kind == "difference":
        text = share(abs(change))
        return text if float(text) == 0 else f"{sign}{text}"
    text = f"{abs(change):.1%}"
    return text if text == "0.0%" else f"{sign}{text}"


def noise_text(shown: Shown) -> str:
    """Write how far nights lie apart that nobody changed: ``±4.9%``."""
    if shown.noise is None:
        return "–"
    return f"±{share(shown.noise.width) if shown.kind == 'difference' else f'{shown.noise.width:.1%}'}"


def status_line(view: Nights) -> str:
    """Say how many alarms there are, among how many series and nights."""
    alarms = _alarms(view)
    n = {state: sum(alarm.state == state for alarm in alarms) for state in ("confirmed", "candidate")}
    told = [f"{count} {state}" for state, count in n.items() if count]
    nights = f"{len(view.started)} night{'s' if len(view.started) != 1 else ''}"
    series = f"{len(view.shown)} series"
    many = "" if sum(n.values()) == 1 else "s"
    return (
        f"{view.name} on {view.machine}: {' and '.join(told) if told else 'no'} alarm{many} "
        f"among {series}, {nights}, the newest of {view.started[-1][:16].replace('T', ' ')} UTC ({view.newest})"
    )


def history_json(views: Sequence[Nights], notices: Sequence[Notice]) -> str:
    """Write everything as one JSON object; NaN, which JSON has no word for, becomes null."""
    whole = {
        "schema": SCHEMA,
        "histories": [asdict(view) for view in views],
        "warnings": [asdict(notice) for notice in notices],
    }
    return json.dumps(_nulls(whole), indent=2, allow_nan=False)


def history_csv(views: Sequence[Nights]) -> str:
    """Write series night by night as CSV, in the long form."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["machine", "name", *CELL_COLUMNS, "started", "runs", "value", "unit", "flags", "segment"])
    for view in views:
        for one in view.shown:
            cell = [getattr(one.cell, name) for name in CELL_COLUMNS]
            for point in one.points:
                value = "" if math.isnan(point.value) else repr(point.value)
                runs = " ".join(run.partition("#")[0] for run in point.runs)
                row = [point.started, runs, value, one.unit, " ".join(point.flags), point.segment]
                writer.writerow([view.machine, view.name, *cell, *row])
    return text.getvalue()


def _worth_a_line(view: Nights, rows: int) -> tuple[Shown, ...]:
    if not rows:
        return view.shown
    loud = sum(one.alarm is not None for one in view.shown)
    return view.shown[: max(rows, loud)]


def _word(view: Nights, shown: Shown) -> str:
    newest = shown.points[-1]
    if newest.started != view.started[-1]:
        return f"not since {newest.started[5:10]}"
    if shown.alarm is not None:
        return shown.alarm.state
    if math.isnan(newest.value):
        return next(iter(newest.flags), "")
    return "improved" if shown.improved else ""


def _alarms(view: Nights) -> list[Alarm]:
    own = [one.alarm for one in view.shown if one.alarm is not None]
    return [view.together, *own] if view.together else own


def _print_alarms(view: Nights, console: Console) -> None:
    alarms = _alarms(view)
    names = Names(one.cell for one in view.shown)
    for number, alarm in enumerate(alarms, start=1):
        place = "" if alarm.cell is None else f"{names.figure(alarm.cell)}: "
        console.print(escape(f" {number}. {alarm.state}: {place}{alarm.text}."), style=STYLES[alarm.state])
    if any(alarm.state == "confirmed" for alarm in alarms):
        example = next((alarm.cell for alarm in alarms if alarm.cell and alarm.state == "confirmed"), None)
        console.print(f"Meant to be? {escape(_accept(example, view.machine))}", style="dim", soft_wrap=True)
    if alarms:
        console.print()


def _accept(cell: Cell | None, machine: str) -> str:
    words = f"metric={cell.measure} 'strategy={cell.strategy}'" if cell else "all"
    return f"idxbench history accept {words} --reason TEXT --machine {machine}"


def _status_style(view: Nights) -> str:
    states = {alarm.state for alarm in _alarms(view)}
    return STYLES["confirmed"] if "confirmed" in states else STYLES["candidate"] if states else "bold"


def _plain(text: str) -> str:
    for fancy, simple in (("µ", "u"), ("±", "+-"), ("–", "-"), ("·", "?"), ("─", "-"), ("≥", ">=")):
        text = text.replace(fancy, simple)
    return text.encode("ascii", "replace").decode()


def _nulls(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _nulls(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_nulls(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

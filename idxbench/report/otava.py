"""Histories for Apache Otava: a CSV file with a column per figure, and the configuration that reads it."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

from idxbench.report.compare_text import figure_words
from idxbench.store.history import History
from idxbench.verdicts.history.records import Nights, Shown


def otava_csv(view: Nights, history: History) -> str:
    """Write nights as rows and figures as columns.

    A night without a figure repeats the one before (or, at the start, the first): Otava takes no gaps. A figure without
    a single night that counts has no column.
    """
    commits = {row.run: row.commit for row in history.rows}
    series = _series(view)
    runs = {point.started: point.runs for one in view.shown for point in one.points}
    columns = {name: dict(_filled(one, view.started)) for name, one in series.items()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "run", "commit", *columns])
    for started in view.started:
        run = runs[started][-1]
        values = [repr(column[started]) for column in columns.values()]
        writer.writerow([started, run.partition("#")[0], commits.get(run, ""), *values])
    return text.getvalue()


def otava_config(view: Nights, file: Path) -> str:
    """Write the configuration; strings are JSON's, which YAML reads."""
    lines = ["tests:", f"  {json.dumps(view.name)}:", "    type: csv", f"    file: {json.dumps(str(file.resolve()))}"]
    lines += ["    time_column: time", "    attributes: [run, commit]", "    metrics:"]
    for name, one in _series(view).items():
        quoted = json.dumps(name)
        direction = -1 if one.direction == "lower" else 1
        lines.append(f"      {quoted}: {{column: {quoted}, direction: {direction}, scale: 1.0}}")
    return "\n".join(lines) + "\n"


def _series(view: Nights) -> dict[str, Shown]:
    named: dict[str, Shown] = {}
    for one in sorted(view.shown, key=lambda shown: figure_words(shown.cell)):
        if any(not math.isnan(point.value) for point in one.points):
            words = figure_words(one.cell)
            # Two similarities of one strategy have one name.
            named[words if words not in named else f"{words} by {one.cell.similarity}"] = one
    return named


def _filled(shown: Shown, started: Sequence[str]) -> list[tuple[str, float]]:
    values = {point.started: point.value for point in shown.points if not math.isnan(point.value)}
    last = next(iter(values.values()))
    filled = []
    for night in started:
        last = values.get(night, last)
        filled.append((night, last))
    return filled

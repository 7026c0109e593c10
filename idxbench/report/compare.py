"""Runs compared, on a console: one line that says it, what differed around them, every figure, worst first."""

import io
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from idxbench.report.compare_text import (
    MOST_DIFFERENCES,
    MOST_LINES,
    Names,
    difference_lines,
    front_words,
    hidden_words,
    how_words,
    reasons,
    search_words,
    shown_changes,
    value_words,
)
from idxbench.report.style import make_table, share, thousands
from idxbench.report.terminal import make_console
from idxbench.verdicts.changes import Change, Comparison, Verdict
from idxbench.verdicts.runs.compare import badness
from idxbench.verdicts.runs.wording import detectable_words, moved_words, status_line

STYLES: dict[Verdict, str] = {
    "regressed": "bold red",
    "missing": "bold red",
    "suspicious": "yellow",
    "unstable": "yellow",
    "incomparable": "yellow",
    "inconclusive": "yellow",
    "traded": "yellow",
    "advisory": "dim",
    "improved": "green",
    "same": "",
}
CAPTION = (
    "Worst first. Change: with its {level} interval, of times over n rounds in which both sides took turns, or over n "
    "runs; of recall over n queries. regressed, improved: the whole interval is beyond the floor (the policy's, and "
    "twice what a copy of the same index differs by tonight); same: within it; inconclusive: neither; traded: faster, "
    "and finds less; advisory: shown, decides nothing."
)
DETECTS = " detects: the smallest worsening that would have been called regressed."


def show_comparisons(comparisons: Sequence[Comparison], *, level: float, everything: bool = False) -> None:
    """Print on standard output; to a file without the blanks that pad the lines of a table."""
    console = make_console()
    if console.is_terminal:
        print_comparisons(comparisons, console, level=level, everything=everything)
        return
    text = io.StringIO()
    file = Console(file=text, highlight=False, width=console.width)
    print_comparisons(comparisons, file, level=level, everything=everything)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def print_comparisons(
    comparisons: Sequence[Comparison], console: Console, *, level: float, everything: bool = False
) -> None:
    """Print comparisons of one base.

    Parameters
    ----------
    comparisons
        At least one; several get a column each.
    console
        Where to.
    level
        Of the intervals, for the caption.
    everything
        Also figures that decide nothing, all differences, and the Pareto fronts.
    """
    several = len(comparisons) > 1
    for number, one in enumerate(comparisons, start=1):
        _head(one, console, f"{number}. " if several else "", everything=everything)
    if not several:
        console.print(changes_table(comparisons[0], level=level, everything=everything))
        _left_out(comparisons[0], console, everything=everything)
    else:
        console.print(columns_table(comparisons, everything=everything))
    for number, one in enumerate(comparisons, start=1):
        if one.matched:
            console.print()
            console.print(matched_table(one, f", {number}" if several else ""))
    if everything and any(one.fronts for one in comparisons):
        console.print()
        console.print(fronts_table(comparisons[0]))
    for one in comparisons:
        _notices(one, console)


def changes_table(comparison: Comparison, *, level: float, everything: bool = False) -> Table:
    """Show every figure of both sides, worst first."""
    found = list(shown_changes(comparison, everything=everything))
    shown = found if everything else found[:MOST_LINES]
    names = Names(change.cell for change in shown)
    undecided = any(change.verdict == "inconclusive" for change in shown)
    columns = [
        ("verdict", "left"), ("figure", "left"), ("base", "right"), ("new", "right"), ("change", "left"),
        *([("detects", "right")] if undecided else []),
    ]  # fmt: skip
    caption = CAPTION.format(level=f"{100 * level:g} %") + (DETECTS if undecided else "")
    table = make_table(f"New against base{names.title}", columns, caption)
    for change in shown:
        table.add_row(
            verdict_markup(change),
            escape(names.figure(change.cell)),
            escape(value_words(change, change.base)),
            escape(value_words(change, change.new)),
            escape(moved_words(change)),
            *([detectable_words(change) if change.verdict == "inconclusive" else ""] if undecided else []),
        )
    return table


def verdict_markup(change: Change) -> str:
    """Write a verdict in its colour."""
    style = STYLES[change.verdict]
    return f"[{style}]{change.verdict}[/]" if style else change.verdict


def columns_table(comparisons: Sequence[Comparison], *, everything: bool = False) -> Table:
    """Show several runs against one base, a column for each."""
    found = [{one.cell: one for one in compared.changes} for compared in comparisons]
    shown = [one for compared in comparisons for one in shown_changes(compared, everything=everything)]
    names = Names(change.cell for change in shown)
    cells = list(dict.fromkeys(change.cell for change in sorted(shown, key=badness)))
    columns = [("figure", "left"), ("base", "right"), *((str(i), "left") for i in range(1, len(comparisons) + 1))]
    caption = (
        "Worst first, by the worst of the columns; a change without a verdict is advisory. --json has the intervals."
    )
    table = make_table(f"Against the base{names.title}", columns, caption)
    for cell in cells if everything else cells[:MOST_LINES]:
        held = [changes.get(cell) for changes in found]
        first = next(one for one in held if one is not None)
        told = [_cell(one) for one in held]
        table.add_row(escape(names.figure(cell)), escape(value_words(first, first.base)), *told)
    if not everything and len(cells) > MOST_LINES:
        table.add_row(f"... and {len(cells) - MOST_LINES} more: --all")
    return table


def _cell(change: Change | None) -> str:
    if change is None:
        return "–"
    if change.verdict in ("same", "missing", "incomparable"):
        return verdict_markup(change)
    moved = moved_words(change).partition(" [")[0]
    if change.verdict == "advisory":
        return f"[{STYLES['advisory']}]{escape(moved)}[/]"
    return f"{verdict_markup(change)} {escape(moved)}"


def matched_table(comparison: Comparison, which: str = "") -> Table:
    """Show speeds at equal recall; ``which`` ends the title where there are several."""
    columns = [
        ("verdict", "left"), ("curve", "left"), ("recall", "right"), ("by", "left"), ("base QPS", "right"),
        ("new QPS", "right"), ("change", "left"),
    ]  # fmt: skip
    names = Names(one.change.cell for one in comparison.matched)
    title = f"Speed at equal recall{names.title}{which}"
    caption = (
        "Queries per second of a batch, read off each side's curve where it reaches the recall (against the task "
        "reference); by: the cheapest search of each side that reaches it. Gated at the config's target_recall only."
    )
    table = make_table(title, columns, caption)
    for one in comparison.matched:
        change = one.change
        table.add_row(
            verdict_markup(change),
            escape(names.curve(change.cell)),
            f"≥ {share(one.recall, 2)}",
            escape(f"{search_words(one.base_search)} -> {search_words(one.new_search)}"),
            thousands(change.base),
            thousands(change.new),
            escape(moved_words(change) if change.n else change.why),
        )
    return table


def fronts_table(comparison: Comparison) -> Table:
    """Show the best trades of recall for speed on each side."""
    columns = [("side", "left"), ("search", "left"), ("recall", "right"), ("QPS", "right")]
    caption = "Pareto fronts: searches that no other of their side beats in both recall and queries per second."
    table = make_table("Best trades of recall for speed", columns, caption)
    previous = ""
    for point in comparison.fronts:
        if previous and point.side != previous:
            table.add_section()
        previous = point.side
        table.add_row(point.side, escape(front_words(point)), share(point.recall), thousands(point.qps))
    return table


def _head(comparison: Comparison, console: Console, number: str, *, everything: bool) -> None:
    console.print(f"[bold]{number}{escape(_sentence(status_line(comparison)))}[/bold]", soft_wrap=True)
    console.print()
    console.print(escape(f"{comparison.base} -> {comparison.new}"), soft_wrap=True)
    console.print(escape(how_words(comparison)), style="dim")
    lines = list(difference_lines(comparison.differences))
    for line in lines if everything else lines[:MOST_DIFFERENCES]:
        console.print(escape(f"  {line}"))
    if not everything and len(lines) > MOST_DIFFERENCES:
        console.print(f"  ... and {len(lines) - MOST_DIFFERENCES} more: --all")
    if comparison.unstable:
        console.print(escape(f"unstable: {comparison.unstable}"), style="yellow")
    console.print()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _left_out(comparison: Comparison, console: Console, *, everything: bool) -> None:
    for line in reasons(comparison, everything=everything):
        console.print(escape(line))
    text = hidden_words(comparison, everything=everything)
    if text:
        console.print(f"{text} --all shows them.", style="dim")


def _notices(comparison: Comparison, console: Console) -> None:
    if comparison.notices:
        console.print()
        console.print("Notices", style="bold")
        for number, notice in enumerate(comparison.notices, start=1):
            console.print(escape(f" {number}. {notice}."), soft_wrap=True)

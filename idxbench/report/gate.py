"""A gate on a console: one line that says it all, what must be seen, and what to do."""

import io
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from idxbench.report.gate_words import LOUD, alarm_lines, policy_line, sides_line
from idxbench.report.style import make_table
from idxbench.report.terminal import make_console
from idxbench.verdicts.changes import Change, Comparison
from idxbench.verdicts.gate.outcome import every_change
from idxbench.verdicts.gate.records import ERROR, INCOMPLETE, PASS, REGRESSED, VERDICTS, Gate
from idxbench.verdicts.runs.wording import cell_words, change_words

# Lines of a table; verdict.json has the others.
MOST = 30
_STYLES = {PASS: "bold green", REGRESSED: "bold red", ERROR: "bold red", INCOMPLETE: "bold red"}


def show_gate(gate: Gate, out: Path | None) -> None:
    """Print a gate on standard output."""
    show(lambda console: print_gate(gate, out, console))


def show(printed: Callable[[Console], None]) -> None:
    """Print on standard output; to a file without the blanks that pad lines."""
    console = make_console()
    if console.is_terminal:
        printed(console)
        return
    text = io.StringIO()
    printed(Console(file=text, highlight=False, width=console.width))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def print_gate(gate: Gate, out: Path | None, console: Console) -> None:
    """Print a gate.

    Parameters
    ----------
    gate
        What to print.
    out
        Where its files are; None where there are none.
    console
        Where to.
    """
    outcome = gate.outcome
    head = f"{outcome.status} (exit {outcome.code})"
    console.print(f"[{_STYLES.get(outcome.code, 'bold yellow')}]Gate: {escape(head)}[/]")
    list_lines(console, "", outcome.reasons)
    console.print()
    console.print(escape(sides_line(gate)), soft_wrap=True)
    if gate.policy is not None:
        console.print(escape(policy_line(gate)), style="dim", soft_wrap=True)
    console.print()
    if gate.comparison is not None:
        _print_comparison(gate.comparison, console)
    alarms = [("confirmed: " if confirmed else "candidate: ") + text for confirmed, text in alarm_lines(gate)]
    list_lines(console, "History", alarms)
    if gate.comparison is not None:
        list_lines(console, "Warnings", gate.comparison.notices)
    list_lines(console, "What to do", outcome.advice)
    if out is not None:
        console.print(f"Written to {escape(str(out))}: verdict.json, junit.xml, summary.md", soft_wrap=True)


def _print_comparison(compared: Comparison, console: Console) -> None:
    around = [f"{one.what}: {one.base} -> {one.new}" for one in compared.differences]
    list_lines(console, "What differs around them", around)
    changes = every_change(compared)
    gated = [one for one in changes if one.gated]
    seen = [one for one in gated if one.verdict in LOUD]
    if seen:
        left = len(seen) - MOST
        console.print(changes_table(seen[:MOST], f"{left:,} more are in verdict.json." if left > 0 else ""))
    console.print(f"Gated figures: {_counted(gated)}")
    if len(changes) > len(gated):
        console.print(f"Not gated: {_counted([one for one in changes if not one.gated])}", style="dim")
    console.print()


def changes_table(changes: list[Change], caption: str) -> Table:
    """Show changes, a line each. The verdict stands first: a name that starts a line could be taken for a command."""
    columns = [("verdict", "left"), ("metric", "left"), ("of", "left"), ("change", "left")]
    table = make_table("Gated figures that need a look, worst first", columns, caption)
    for one in changes:
        table.add_row(*map(escape, (one.verdict, one.cell.measure, cell_words(one.cell), change_words(one))))
    return table


def _counted(changes: list[Change]) -> str:
    counts = Counter(one.verdict for one in changes)
    return ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS if counts[verdict]) or "none"


def list_lines(console: Console, title: str, texts: Sequence[str]) -> None:
    """Print a list under a title, nothing where it is empty; second lines stand under the text."""
    if not texts:
        return
    if title:
        console.print(title, style="bold")
    lines = Table.grid(padding=(0, 1))
    lines.add_column(justify="right", width=3)
    lines.add_column(overflow="fold")
    for text in texts:
        lines.add_row("-", escape(text))
    console.print(lines, *([""] if title else []))

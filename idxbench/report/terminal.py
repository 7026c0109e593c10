"""A whole run on a console: what it was, its tables, its warnings, its decision."""

import io
import os
import sys
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from idxbench.records import Run
from idxbench.report.items import cluster_table, similar_table
from idxbench.report.lookup import Figures
from idxbench.report.probes import probe_tables
from idxbench.report.recovery import recovery_table
from idxbench.report.retrieve import cells_table, indexes_table, speeds_table, strategies_table, tails_table
from idxbench.report.style import PIPED_WIDTH, significant
from idxbench.report.validation import validation_parts
from idxbench.report.verdict import decision_lines, diagnosis_lines
from idxbench.verdicts.decision import Decision


def make_console() -> Console:
    """Make the console of standard output: as wide as the terminal, at least the 100 columns tables need.

    A narrower terminal wraps lines, which is ugly; a narrower table would cut figures off, which is wrong.
    """
    console = Console(highlight=False)
    width = console.width if console.is_terminal else int(os.environ.get("COLUMNS", "0") or 0)
    return Console(highlight=False, width=max(PIPED_WIDTH, width))


def show_run(run: Run, decisions: tuple[Decision, ...], *, everything: bool = False) -> None:
    """Print a run on standard output; to a file without the blanks that pad the lines of a table."""
    console = make_console()
    if console.is_terminal:
        print_run(run, decisions, console, everything=everything)
        return
    text = io.StringIO()
    print_run(run, decisions, Console(file=text, highlight=False, width=console.width), everything=everything)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def print_run(run: Run, decisions: tuple[Decision, ...], console: Console, *, everything: bool = False) -> None:
    """Print a run.

    Parameters
    ----------
    run
        Read back from its directory.
    decisions
        What was decided from it.
    console
        Where to.
    everything
        Also the tables of worst queries and of speeds.
    """
    _head(run, console)
    for table in _retrieve_tables(run, everything=everything):
        # A run that was cut short has tables that nothing was measured for.
        if table.row_count:
            console.print(table, "")
    if Figures(run, "similar").rows:
        console.print(similar_table(run), "")
    if Figures(run, "cluster").rows:
        console.print(cluster_table(run), "")
    for part in validation_parts(run):
        console.print(part, "")
    if Figures(run, "recover").rows:
        console.print(recovery_table(run), "")
    for table in probe_tables(run):
        console.print(table, "")
    _warnings(run, console)
    _said("Diagnosis", [diagnosis_lines(run)], console)
    if run.info["status"] == "finished":
        _said("Decision", [decision_lines(decision) for decision in decisions], console)
    console.print(f"Written to {escape(str(run.path))}", soft_wrap=True)


def _retrieve_tables(run: Run, *, everything: bool) -> Iterator[Table]:
    if not Figures(run, "retrieve").rows:
        return
    yield strategies_table(run)
    for k in run.info["config"]["k"]:
        yield cells_table(run, k)
        if everything:
            yield tails_table(run, k)
    if everything or any(row.metric == "response_p50" for row in run.measurements):
        yield speeds_table(run)
    yield indexes_table(run)


def _head(run: Run, console: Console) -> None:
    info = run.info
    data, machine = info["data"], info["environment"]
    items = f"{data['items']['n_rows']:,} items x {data['items']['n_dims']}"
    queries = f", {data['queries']['n_rows']:,} queries" if "queries" in data else ", no queries"
    towers = "two towers" if data["towers"] == 2 else "one tower"
    known = data["trained_with"]
    training = "training unknown, dot assumed" if known == "unknown" else f"trained with {known}"
    compiled = next((row.value for row in run.measurements if row.metric == "compile_time"), None)
    console.print(f"[bold]{escape(info['name'])}[/bold]: {escape(data['name'])}, {items}{queries}")
    console.print(
        f"{training} ({towers}); {escape(machine['processor'])}, {machine['threads']} "
        f"threads; {info['seconds']:.0f} s, of which {significant(compiled)} s compiling kernels",
        style="dim",
    )
    if info["status"] != "finished":
        console.print(
            f"This run is not complete ({info['status']}): what was measured is below, without a decision.",
            style="bold",
        )
    console.print()


def _warnings(run: Run, console: Console) -> None:
    if not run.notices:
        return
    console.print("Warnings", style="bold")
    lines = _hanging()
    for number, notice in enumerate(run.notices, start=1):
        lines.add_row(
            f"{number}.",
            escape(f"{_ended(notice.text)} {_ended(notice.advice[:1].upper() + notice.advice[1:])}".strip()),
        )
    console.print(lines, "")


def _ended(text: str) -> str:
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."


def _said(title: str, statements: Iterable[Iterable[str]], console: Console) -> None:
    """Print what was concluded: of each statement the first line in bold."""
    said = [list(lines) for lines in statements]
    if not any(said):
        return
    console.print(title, style="bold")
    for first, *rest in filter(None, said):
        lines = _hanging()
        lines.add_row("", f"[bold]{escape(first)}[/bold]")
        for line in rest:
            lines.add_row("-", escape(line))
        console.print(lines, "")


def _hanging() -> Table:
    """Make a list whose second lines stand under the text and not under the mark."""
    lines = Table.grid(padding=(0, 1))
    lines.add_column(justify="right", width=3)
    lines.add_column(overflow="fold")
    return lines

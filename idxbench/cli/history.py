"""``idxbench history``: a record of nights that only grows, and what changed in it."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idxbench.cli.targets import check_new_file

if TYPE_CHECKING:
    from idxbench.store.history import History, HistoryRow

HELP = "Keep figures night by night, and find what changed."
EPILOG = "history/MACHINE/YYYY-MM.jsonl has a line per run and figure; commit it, or keep it as an artifact."

Folder = Annotated[Path, typer.Option("--history", help="Folder of the history.", metavar="DIR")]
Machine = Annotated[
    str, typer.Option(help="Name of the machine; without, the only one there is, or the run's own.", metavar="NAME")
]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.", metavar="TEXT")]


def make_app(guarded: Callable[[Callable[..., int]], Callable[..., None]]) -> typer.Typer:
    """Make the group of commands."""
    app = typer.Typer(
        no_args_is_help=True, help=HELP, epilog=EPILOG, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    commands: dict[str, Callable[..., int]] = {"add": add, "show": show, "pin": pin, "accept": accept, "export": export}
    for name, command in commands.items():
        app.command(name)(guarded(command))
    return app


def add(
    run: Annotated[Path, typer.Argument(help="A run directory, or a parent: its newest finished run.", metavar="RUN")],
    history: Folder = Path("history"),
    machine: Machine = "",
    everything: Annotated[bool, typer.Option("--all", help="Keep every figure, not only those with a floor.")] = False,
    correct: Annotated[bool, typer.Option("--correct", help="Put it in the place of its earlier record.")] = False,
) -> int:
    """Add a run to the history.

    A run that is there already is refused. Figures that don't count (an unstable night, a run that was interrupted)
    are kept with the reason, and all with what the run's [gate] says of them.
    """
    from idxbench.errors import Problem, ResultError
    from idxbench.records import load_run
    from idxbench.store.history import add_rows
    from idxbench.verdicts.history.recorded import rows_of
    from idxbench.verdicts.runs.context import policy_of

    loaded = load_run(run)
    rows = rows_of(loaded, machine=machine, everything=everything, policy=policy_of(loaded))
    if not rows:
        expected = "figures to keep (recall, times, sizes)"
        raise ResultError(Problem(str(loaded.path), expected, "none in measurements.csv", "--all keeps every figure"))
    path = add_rows(history, rows, correct=correct)
    flags = sorted({flag for row in rows for flag in row.flags})
    left_out = sum(bool(row.flags) for row in rows)
    note = f"; {left_out} of them don't count: {', '.join(flags)}" if flags else ""
    typer.echo(f"{len(rows)} figures of {loaded.path.name} added to {path}{note}")
    return 0


def show(
    history: Folder = Path("history"),
    machine: Annotated[str, typer.Option(help="This machine only.", metavar="NAME")] = "",
    metric: Annotated[str, typer.Option(help="These metrics only: qps_batch, recall@task, 'latency*'.")] = "",
    strategy: Annotated[str, typer.Option(help="This strategy only.")] = "",
    last: Annotated[int, typer.Option(help="Nights of a sparkline.", min=1, metavar="N")] = 16,
    rows: Annotated[int, typer.Option(help="Most figures of a table; alarms always, 0 all.", min=0, metavar="N")] = 25,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line per figure and night.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write one page, for a browser without network.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> int:
    """Show what changed, worst first: a table per machine and config.

    Each figure is judged by the [gate] of its newest run. Alarms are no failure of this command: 'gate --history'
    turns them into an exit code.
    """
    from idxbench.errors import ConfigError, Problem
    from idxbench.report.history import history_csv, history_json, show_history
    from idxbench.verdicts.history.select import cell_of, check_words
    from idxbench.verdicts.history.view import view

    if as_json and as_csv:
        raise ConfigError(Problem("--json", "one of --json and --csv", "both"))
    if html is not None:
        check_new_file("--html", html, force=force)
    words = [f"{key}={value}" for key, value in (("metric", metric), ("strategy", strategy)) if value]
    known = [_read(history, name) for name in _machines(history, machine)]
    check_words(words, {(row.name, cell_of(row)) for one in known for row in one.rows}, "--metric, --strategy")
    views = [one for history_ in known for one in view(history_, words)]
    notices = [notice for one in known for notice in one.notices]
    if as_json:
        typer.echo(history_json(views, notices))
    elif as_csv:
        sys.stdout.write(history_csv(views))
    else:
        show_history(views, notices, last=last, rows=rows, plain=ascii_only)
    if html is not None:
        from idxbench.report.html.history_page import write_history_page

        write_history_page(views, html, notices=notices)
        typer.echo(f"Written to {html}", err=True)
    return 0


def pin(
    run: Annotated[str, typer.Argument(help="A run in the history, its directory, or a date.", metavar="RUN|DATE")],
    reason: Reason,
    history: Folder = Path("history"),
    machine: Machine = "",
) -> int:
    """Name the release that later nights are held against, which slow drift can't hide from.

    RUN is the name of a run directory or a path to one, DATE a day (2026-11-20, UTC). A later pin takes its place.
    """
    from idxbench.store.history import Event, add_event

    known = _read(history, _one_machine(history, machine))
    runs = _runs_meant(known, run)
    add_event(history, Event("pin", _now(), known.machine, _checked(reason), runs=runs))
    typer.echo(f"pinned on {known.machine}: {', '.join(one.partition('#')[0] for one in runs)}")
    return 0


def accept(
    cells: Annotated[
        list[str], typer.Argument(help="Which figures: metric=qps_batch strategy=raw ef=40, or all.", metavar="CELL...")
    ],
    reason: Reason,
    history: Folder = Path("history"),
    machine: Machine = "",
    since: Annotated[str, typer.Option(help="The first night that counts as new; the newest.", metavar="DATE")] = "",
) -> int:
    """Accept a change that was meant: figures start anew, and their alarms end.

    All words must hold: KEY=VALUE with a column (strategy, metric, index, task, k, ...), a parameter (M, ef) or name
    (of the config), * and ? in VALUE; a word alone is a strategy, index or metric.
    """
    from idxbench.store.history import Event, add_event
    from idxbench.verdicts.history.board import newest_nights
    from idxbench.verdicts.history.select import cell_of, check_words, matches

    known = _read(history, _one_machine(history, machine))
    figures = {(row.name, cell_of(row)) for row in known.rows}
    check_words(cells, figures)
    meant = sum(matches(cell, name, cells) for name, cell in figures)
    # By config, because one that runs earlier tonight, or did not run, has a newest night of its own.
    nights = {} if since else newest_nights(known.rows)
    started = _day(since) if since else nights[known.rows[-1].name]
    event = Event(
        "accept", _now(), known.machine, _checked(reason), started=started, select=tuple(cells), nights=nights
    )
    add_event(history, event)
    typer.echo(f"accepted on {known.machine}: {meant} figures start anew with the night of {started[:10]}")
    return 0


def export(
    otava: Annotated[Path, typer.Option(help="Write CSV that Apache Otava reads.", metavar="FILE")],
    history: Folder = Path("history"),
    machine: Machine = "",
    name: Annotated[str, typer.Option(help="Of the config, where there are several.", metavar="NAME")] = "",
) -> int:
    """Write a history for other programs: the CSV file, and on standard output the configuration that reads it."""
    from idxbench.data.files import check_replaceable
    from idxbench.errors import ConfigError, Problem
    from idxbench.report.otava import otava_config, otava_csv
    from idxbench.verdicts.history.view import view

    known = _read(history, _one_machine(history, machine))
    views = [one for one in view(known) if name in ("", one.name)]
    if len(views) != 1:
        names = ", ".join(dict.fromkeys(row.name for row in known.rows))
        raise ConfigError(Problem("--name", f"one of {names}", name or "none, and there are several"))
    check_replaceable(otava, overwrite=True)
    otava.write_text(otava_csv(views[0], known), encoding="utf-8")
    typer.echo(otava_config(views[0], otava), nl=False)
    typer.echo(
        f"{otava} has {len(views[0].started)} nights. Keep the lines above as otava.yaml, then: "
        f"OTAVA_CONFIG=otava.yaml otava analyze {views[0].name}",
        err=True,
    )
    return 0


def _read(folder: Path, machine: str) -> "History":
    from idxbench.errors import Problem, ResultError
    from idxbench.store.history import read_history

    known = read_history(folder, machine)
    if not known.rows:
        raise ResultError(Problem(str(folder / machine), "at least one run", "none that is whole", "add one"))
    return known


def _machines(folder: Path, machine: str) -> tuple[str, ...]:
    """Return the machine asked for, or all there are."""
    from idxbench.errors import ConfigError, Problem, ResultError
    from idxbench.store.history import machines

    known = machines(folder)
    if not known:
        found = "no history in it" if folder.is_dir() else "no such folder"
        fix = "'idxbench history add RUN' begins one; --history DIR names another folder"
        raise ResultError(Problem(str(folder), "a folder of histories", found, fix))
    if machine and machine not in known:
        raise ConfigError(Problem("--machine", f"one of {', '.join(known)}", machine))
    return (machine,) if machine else known


def _one_machine(folder: Path, machine: str) -> str:
    from idxbench.errors import ConfigError, Problem

    known = _machines(folder, machine)
    if len(known) > 1:
        raise ConfigError(Problem("--machine", f"one of {', '.join(known)}", "not given, and there are several"))
    return known[0]


def _runs_meant(history: "History", text: str) -> tuple[str, ...]:
    """Return the run of a name or path, or the last runs of a date, one per config."""
    from idxbench.errors import ConfigError, Problem

    name = Path(text).name
    runs = dict.fromkeys(row.run for row in history.rows if row.run.partition("#")[0] == name)
    if runs:
        return tuple(runs)
    if _is_date(text):
        of_day = {row.name: row.run for row in _of_day(history, text)}
        if of_day:
            return tuple(of_day.values())
    newest = history.rows[-1]
    fix = f"the newest is {newest.run.partition('#')[0]}, of {newest.started[:10]}"
    raise ConfigError(Problem("RUN", f"a run of {history.machine}, or a day of one (2026-11-20)", text, fix))


def _day(text: str) -> str:
    from idxbench.errors import ConfigError, Problem

    # A night that has not been measured yet may be accepted beforehand.
    if _is_date(text):
        return text
    raise ConfigError(Problem("--since", "a day (2026-11-20)", text))


def _of_day(history: "History", text: str) -> "list[HistoryRow]":
    return [row for row in history.rows if row.started[:10] == text]


def _is_date(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%d").strftime("%Y-%m-%d") == text
    except ValueError:
        return False


def _checked(reason: str) -> str:
    from idxbench.errors import ConfigError, Problem

    if reason.strip():
        return reason.strip()
    raise ConfigError(Problem("--reason", "why, in a few words", "nothing"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

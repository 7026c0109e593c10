"""``idxbench gate``: the nightly contract, one exit code with its reasons on disk."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idxbench.cli.stop import stop_as_after_ctrl_c
from idxbench.errors import ConfigError, IdxbenchError, Problem

if TYPE_CHECKING:
    from idxbench.verdicts.gate.gating import Request
    from idxbench.verdicts.gate.records import Gate


def command(
    new: Annotated[
        str,
        typer.Argument(help="A run directory, or a folder of them: its newest; RUN::SELECTOR: a part.", metavar="NEW"),
    ],
    baseline: Annotated[
        str,
        typer.Option(
            help="What to compare with, named alike.", show_default="sides of NEW that its [gate] names", metavar="BASE"
        ),
    ] = "",
    policy: Annotated[
        Path | None,
        typer.Option(help="What counts as worse: TOML.", show_default="[gate] of the run's config", metavar="FILE"),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="Nights before: their noise raises floors, their alarms count.", metavar="DIR")
    ] = None,
    machine: Annotated[
        str,
        typer.Option(
            help="Name that the history has for the machine.",
            show_default="the machine that NEW ran on",
            metavar="NAME",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Where the files go.", show_default="gate/ in the run directory", metavar="DIR")
    ] = None,
    runs: Annotated[int, typer.Option(help="How many of the newest runs make a side.", min=1, metavar="N")] = 1,
    first_run_ok: Annotated[bool, typer.Option("--first-run-ok", help="Pass where there is no baseline yet.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Show it copies of NEW, as good and worse: it must tell.")
    ] = False,
) -> int:
    """Compare a run with a baseline and exit with one code.

    \b
    0    pass
    1    a gated figure regressed, or the history confirms that it did
    2    a mistake in usage, policy or data
    3    inconclusive, unstable, a metric asked for was not measured, or nothing but single timings to go by
    4    the run is incomplete: a cell failed, is missing or suspicious, nothing was measured
    5    no baseline, or none that can be compared

    Where several hold, 2 goes before 4, 1, 5, 3 and 0. Before it exits it writes verdict.json, junit.xml and
    summary.md, whatever the code; on GitHub it also annotates the job and adds to its summary.
    """  # noqa: D301 - the mark that keeps help from joining the lines is no backslash for Python to keep
    from idxbench.verdicts.gate.gating import Request, run_folder

    stop_as_after_ctrl_c()
    request = Request(new, baseline, policy, history, runs, first_run_ok, machine)
    folder = out or run_folder(new) / "gate"
    return _self_test(request, folder) if self_test else _gate(request, folder)


def _gate(request: "Request", out: Path) -> int:
    from idxbench.report.gate import show_gate
    from idxbench.report.gate_files import clear, write_files
    from idxbench.verdicts.gate.gating import run_gate

    clear(out)
    try:
        gate = run_gate(request)
    except (IdxbenchError, OSError) as error:
        _publish_mistake(request, error, out)
        raise
    except Exception as error:
        # A bug of ours must not look like a night without a verdict.
        _publish_bug(request, error, out)
        raise
    write_files(gate, out)
    show_gate(gate, out)
    _tell_github(gate)
    return gate.outcome.code


def _self_test(request: "Request", out: Path) -> int:
    from idxbench.report.gate_files import clear, write_files
    from idxbench.report.gate_self_test import show_self_test
    from idxbench.verdicts.gate.self_test import self_test

    if request.baseline or request.first_run_ok or request.history is not None or request.machine:
        fix = "leave them out: the run is compared with copies of itself"
        expected = "no --baseline, --history, --machine or --first-run-ok"
        raise ConfigError(Problem("--self-test", expected, "one of them", fix))
    folders = {name: out / f"self-test-{name}" for name in ("identical", "worsened")}
    for folder in folders.values():
        clear(folder)
    tested = self_test(request)
    for name, gate in (("identical", tested.identical), ("worsened", tested.worsened)):
        if gate is not None:
            write_files(gate, folders[name])
    show_self_test(tested, out)
    return tested.code


def _publish_mistake(request: "Request", error: Exception, out: Path) -> None:
    """Leave the files for a mistake that is told on standard error, too."""
    from idxbench.verdicts.gate.records import ERROR, Gate, Outcome

    if isinstance(error, IdxbenchError):
        problems = error.problems
    else:
        name = str(getattr(error, "filename", None) or "a file")
        problems = (Problem(name, "a file that can be read", str(getattr(error, "strerror", "") or error)),)
    n = len(problems)
    outcome = Outcome(ERROR, "error", (f"{n} mistake{'' if n == 1 else 's'}: {problems[0].where}",))
    _publish(Gate(outcome, request.baseline, request.new, problems=problems), out)


def _publish_bug(request: "Request", error: Exception, out: Path) -> None:
    from idxbench.verdicts.gate.records import INCOMPLETE, Gate, Outcome

    reason = f"a bug in idxbench: {type(error).__name__}: {error}"
    _publish(Gate(Outcome(INCOMPLETE, "incomplete", (reason,)), request.baseline, request.new), out)


def _publish(gate: "Gate", out: Path) -> None:
    from idxbench.report.gate_files import write_files

    write_files(gate, out)
    typer.echo(f"{out}: verdict.json, junit.xml and summary.md say so, too", err=True)
    _tell_github(gate)


def _tell_github(gate: "Gate") -> None:
    """Annotate the job, and add to its summary, where this is one on GitHub."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from idxbench.report.annotations import annotations

        sys.stdout.write("".join(f"{line}\n" for line in annotations(gate)))
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        from idxbench.report.gate_files import append_step_summary

        try:
            append_step_summary(gate, Path(path))
        except OSError as error:
            # The files are written: a summary that is not does not change what they say.
            typer.echo(f"GITHUB_STEP_SUMMARY: {error.strerror or error}", err=True)

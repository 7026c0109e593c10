"""The command line as a whole: its commands, and what becomes of an error.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from idxbench.errors import IdxbenchError, Problem
from idxbench.version import __version__

INTERRUPTED, FAILED = 130, 4

app = typer.Typer(
    name="idxbench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Given item and query embeddings, measure which similarity, which transform and which vector index to serve.",
    epilog="Exit codes: 0 pass, 1 a confirmed regression, 2 a mistake in usage, config or data, 3 inconclusive or "
    "unstable, 4 a measurement failed or is incomplete, 5 no baseline or an incompatible one, 130 interrupted.",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"idxbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options of the program itself."""


def _guarded(command: Callable[..., int]) -> Callable[..., None]:
    """Turn what a command returns or raises into the exit code of the process."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            code = command(*arguments, **options)
            sys.stdout.flush()
        except KeyboardInterrupt as stop:
            typer.echo(str(stop) or "interrupted", err=True)
            code = int(getattr(stop, "exit_code", INTERRUPTED))
        except IdxbenchError as error:
            _show(error)
            code = error.exit_code
        except BrokenPipeError:
            # Whoever read our output (``| head``) has seen enough.
            _silence()
            code = 0
        except OSError as error:
            # What can be foreseen says so in words of its own; what is left names no file when it is our output.
            _silence()
            where = str(error.filename or "standard output")
            _show(IdxbenchError(Problem(where, "a place that takes what is written", error.strerror or str(error))))
            code = IdxbenchError.exit_code
        except Exception:
            # A bug of ours. Not exit 1, which means a regression to those who gate on it.
            traceback.print_exc()
            typer.echo("This is a bug in idxbench: please report it with the lines above.", err=True)
            code = FAILED
        raise typer.Exit(code)

    return guarded


def _silence() -> None:
    """Send what is still buffered nowhere, so that closing does not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add_commands() -> None:
    from idxbench.cli import compare, convert, diagnose, gate, history, init, report, run, truth

    modules = {
        "run": run,
        "diagnose": diagnose,
        "report": report,
        "truth": truth,
        "compare": compare,
        "gate": gate,
        "init": init,
        "convert": convert,
    }
    for name, module in modules.items():
        app.command(name)(_guarded(module.command))
    app.add_typer(history.make_app(_guarded), name="history")


_add_commands()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Parameters
    ----------
    arguments
        Without the program's name; None takes those of this process.
    """
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2
    return 0


def _show(error: IdxbenchError) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    n = len(error.problems)
    console.print(Text("error" if n == 1 else f"{n} errors", style="bold red"))
    for problem in error.problems:
        where, *rest = str(problem).splitlines()
        console.print(Text(where, style="bold"))
        for line in rest:
            console.print(Text(line))

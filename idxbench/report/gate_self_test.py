"""What a gate made of a run's copies, on a console."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from idxbench.report.gate import list_lines, show
from idxbench.report.gate_words import policy_line
from idxbench.verdicts.gate.records import Gate
from idxbench.verdicts.gate.self_test import SelfTest


def show_self_test(tested: SelfTest, out: Path) -> None:
    """Print on standard output."""
    show(lambda console: print_self_test(tested, out, console))


def print_self_test(tested: SelfTest, out: Path, console: Console) -> None:
    """Print both verdicts, and whether they are what they should be.

    Parameters
    ----------
    tested
        What the gate said.
    out
        Folder of the folders that its files are in.
    console
        Where to.
    """
    if tested.why:
        console.print(f"[bold red]Self-test failed (exit {tested.code})[/]")
    elif tested.noisy:
        more = "; more rounds or queries, or a quieter night, would say"
        console.print(f"[bold yellow]Self-test undecided (exit {tested.code}): tonight is too noisy to tell[/]{more}")
    else:
        console.print(f"[bold green]Self-test passed (exit {tested.code}): this gate goes red, and stays green[/]")
    list_lines(console, "", (*tested.why, *tested.noisy))
    console.print()
    _print_one(tested.identical, "as good, must pass", console)
    _print_one(tested.worsened, "worse by twice the floor, must be red", console)
    if tested.injected:
        worse = ", ".join(f"{measure} by {amount}" for measure, amount in tested.injected.items())
        console.print(f"Made worse: {escape(worse)}", style="dim")
    if tested.untested:
        shown = ", ".join(f"{measure} ({why})" for measure, why in tested.untested.items())
        console.print(f"Not tested, as it decides nothing: {escape(shown)}", style="dim")
    policy = None if tested.identical is None else tested.identical.policy
    if policy is not None and not (policy.base or policy.new):
        text = "Tested as two sides of one run, paired by its rounds; between single runs, times are advisory."
        console.print(text, style="dim")
    if tested.identical is not None:
        console.print(escape(policy_line(tested.identical)), style="dim", soft_wrap=True)
        console.print(f"Written to {escape(str(out))}: self-test-identical/, self-test-worsened/", soft_wrap=True)


def _print_one(gate: Gate | None, what: str, console: Console) -> None:
    if gate is not None:
        console.print(f"{what}: [bold]{gate.outcome.status} (exit {gate.outcome.code})[/]")
        list_lines(console, "", gate.outcome.reasons)
        console.print()

"""What a gate says in one line: of itself, of a figure, of a mistake."""

from collections.abc import Iterator

from idxbench.errors import Problem
from idxbench.verdicts.changes import Verdict
from idxbench.verdicts.gate.records import Gate
from idxbench.verdicts.runs.wording import cell_words

# Verdicts that are shown line by line; the others are counted.
LOUD: tuple[Verdict, ...] = ("regressed", "missing", "suspicious", "unstable", "inconclusive")


def status_line(gate: Gate) -> str:
    """Say what a gate comes to: ``regressed (exit 1): 2 of 24 gated figures worse, beyond the floor``."""
    outcome = gate.outcome
    first = f": {outcome.reasons[0]}" if outcome.reasons else ""
    return f"{outcome.status} (exit {outcome.code}){first}"


def sides_line(gate: Gate) -> str:
    """Name the two sides, and how many observations stand behind them."""
    compared = gate.comparison
    if compared is None:
        return f"new: {gate.new}" + (f"; base: {gate.base}" if gate.base else "; no base")
    if compared.paired:
        how = "both took turns in the same rounds"
    else:
        how = f"{_runs(compared.base_runs)} against {_runs(compared.new_runs)}"
    return f"{gate.base} -> {gate.new} ({how})"


def policy_line(gate: Gate) -> str:
    """Say what counted as worse, and where that was said."""
    if gate.policy is None:
        return ""
    kept = [*gate.policy.strategies, *(f"k = {k}" for k in gate.policy.k)]
    only = f"; only {', '.join(kept)}" if kept else ""
    return f"policy: {gate.policy_source}; intervals at {gate.policy.level:.4g}{only}"


def alarm_lines(gate: Gate) -> Iterator[tuple[bool, str]]:
    """Yield whether an alarm of the history is confirmed, and its words."""
    for alarm in gate.alarms:
        place = f"{cell_words(alarm.cell)}: " if alarm.cell is not None else ""
        yield alarm.confirmed, f"{place}{alarm.text}"


def problem_words(problem: Problem) -> str:
    """Write a mistake in one line."""
    fix = f"; {problem.fix}" if problem.fix else ""
    return f"{problem.where}: expected {problem.expected}, found {problem.found}{fix}"


def _runs(n: int) -> str:
    return f"{n} run{'' if n == 1 else 's'}"

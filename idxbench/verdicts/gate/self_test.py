"""Can this gate go red, and stay green? It is shown a copy of a run, as good, and then worse by twice the floor."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from idxbench.config.policy import Policy
from idxbench.records import Run, load_run
from idxbench.store.round_rows import ROUND_METRICS
from idxbench.verdicts.changes import Cell, Change, Verdict
from idxbench.verdicts.gate.gating import Request, run_folder, run_gate
from idxbench.verdicts.gate.incomplete import unfinished
from idxbench.verdicts.gate.outcome import gated_changes
from idxbench.verdicts.gate.records import INCOMPLETE, INCONCLUSIVE, PASS, REGRESSED, Gate
from idxbench.verdicts.gate.replay import BASE, COPY, SIDE, Worsening, write_replay
from idxbench.verdicts.gate.unmeasured import unmeasured
from idxbench.verdicts.runs.wording import cell_words, detectable_words

# Figures that are named; the verdicts on disk have the others.
MOST = 3
# What noise, or too few observations, may make of a figure that is worse.
_UNDECIDED: frozenset[Verdict] = frozenset({"inconclusive", "unstable", "advisory"})
# What a copy is made worse by where the floor is 0: any change counts there, and this one is no rounding.
LEAST = 0.005


@dataclass(frozen=True)
class SelfTest:
    """What a gate said to a copy of a run.

    Parameters
    ----------
    identical, worsened
        Its verdicts on a copy that is as good, and on one that is worse. None where there was nothing to copy.
    why
        Why it can't be relied on; empty where it behaved.
    noisy
        Which figures tonight's noise kept from showing that they can go red and stay green.
    injected
        By metric, how much worse the copy was made: ``10 %``.
    untested
        Gated metrics that decide nothing in this run, and why.
    """

    identical: Gate | None
    worsened: Gate | None
    why: tuple[str, ...]
    noisy: tuple[str, ...]
    injected: Mapping[str, str]
    untested: Mapping[str, str]

    @property
    def code(self) -> int:
        """The exit code: 0 where it stayed green and went red as it should, 3 where noise hides whether it does."""
        return INCOMPLETE if self.why else INCONCLUSIVE if self.noisy else PASS


def self_test(request: Request) -> SelfTest:
    """Show a gate a run's copy of itself, by the way that every gate goes.

    Parameters
    ----------
    request
        The run and the policy; what it says of baselines is not asked.

    Raises
    ------
    ConfigError, ResultError
        As `idxbench.verdicts.gate.gating.run_gate`.
    """
    folder = run_folder(request.new)
    stopped = unfinished(folder)
    if stopped:
        return SelfTest(None, None, (stopped,), (), {}, {})
    run = load_run(folder)
    with TemporaryDirectory(prefix="idxbench-gate-") as scratch:
        identical = _shown(run, Path(scratch) / "identical", {}, request, "an identical copy of it")
        worse = dict(_worsenings(identical))
        worsened = _shown(run, Path(scratch) / "worsened", worse, request, "a copy of it, worse by twice the floor")
    changes = () if identical.comparison is None else identical.comparison.changes
    untested = {one.cell.measure: one.why for one in changes if one.gated and _shown_only(one)}
    injected: dict[str, str] = {}
    for change in _judged(identical):
        injected.setdefault(change.cell.measure, _amount(change, worse[change.cell]))
    hidden, stuck = _quiet(identical, worsened, worse)
    quiet = bool(hidden or stuck)
    why = (*_not_green(identical), *_never(identical, run), *stuck, *_not_red(worsened, worse, quiet=quiet))
    return SelfTest(identical, worsened, why, (*_not_sure(identical, quiet=quiet), *hidden), injected, untested)


def _shown(run: Run, folder: Path, worse: Mapping[Cell, Worsening], request: Request, label: str) -> Gate:
    write_replay(run, folder, worse)
    asked = Request(f"{folder}::{SIDE}={COPY}", f"{folder}::{SIDE}={BASE}", request.policy)
    gate = run_gate(asked)
    compared = gate.comparison
    if compared is not None:
        compared = replace(compared, base=str(run.path), new=label)
    return replace(gate, base=str(run.path), new=label, comparison=compared)


def _judged(gate: Gate) -> list[Change]:
    """Return the gated figures that a copy can be made worse in; those at matched recall follow from them."""
    changes = () if gate.comparison is None else gate.comparison.changes
    return [one for one in changes if one.gated and math.isfinite(one.new) and not _shown_only(one)]


def _shown_only(change: Change) -> bool:
    """Tell what was built or weighed once, and decides nothing here as in a real gate, from times without rounds."""
    return change.verdict == "advisory" and change.cell.metric not in ROUND_METRICS


def _worsenings(gate: Gate) -> Iterator[tuple[Cell, Worsening]]:
    """Yield how each gated figure is made worse: by twice its effective floor."""
    policy = gate.policy or Policy()
    for change in _judged(gate):
        metric = policy.metric(change.cell.measure)
        if metric is not None:
            amount = 2.0 * (change.floor or metric.floor or LEAST)
            higher = metric.direction == "higher"
            if change.kind == "difference":
                yield change.cell, Worsening(shift=-amount if higher else amount)
            else:
                yield change.cell, Worsening(factor=1.0 / (1.0 + amount) if higher else 1.0 + amount)


def _amount(change: Change, worse: Worsening) -> str:
    """Say how much worse a figure was made, and where noise has raised the floor that this is twice of."""
    raised = change.floor > change.declared
    if change.kind == "difference":
        declared, amount = f"{change.declared:.4g}", f"{abs(worse.shift):.4g}"
    else:
        declared = f"{100 * change.declared:.3g} %"
        amount = f"{100 * (max(worse.factor, 1.0 / worse.factor) - 1.0):.3g} %"
    return f"{amount} (noise has raised the floor of {declared})" if raised else amount


def _not_green(identical: Gate) -> Iterator[str]:
    """Say so where an identical copy is red. Where it is merely inconclusive, its figures are told one by one."""
    if identical.outcome.code not in (PASS, INCONCLUSIVE):
        reasons = "; ".join(identical.outcome.reasons)
        yield f"an identical copy must pass, and came out as {identical.outcome.status}: {reasons}"


def _not_sure(identical: Gate, *, quiet: bool) -> Iterator[str]:
    """Say which figures of an identical copy can't be told from others, though there were observations enough."""
    compared = identical.comparison
    if compared is None or identical.outcome.code != INCONCLUSIVE:
        return
    if compared.unstable:
        yield f"tonight is unstable: {compared.unstable}"
    gated = gated_changes(compared)
    found: dict[str, list[Change]] = defaultdict(list)
    for change in gated:
        if change.verdict == "inconclusive" and _had_enough(change):
            found[change.cell.measure].append(change)
    for measure, those in found.items():
        n = sum(change.cell.measure == measure for change in gated)
        yield f"{measure}: {len(those):,} of {n:,} figures of an identical copy inconclusive: {_named(those)}"
    if not (found or compared.unstable or quiet):
        yield f"an identical copy must pass, and came out as {identical.outcome.status}"


def _never(identical: Gate, run: Run) -> Iterator[str]:
    if identical.comparison is not None:
        for text in unmeasured(identical.policy or Policy(), identical.comparison, run):
            yield f"this gate could never go red: {text}"


def _quiet(identical: Gate, worsened: Gate, worse: Mapping[Cell, Worsening]) -> tuple[list[str], list[str]]:
    """Say what stayed quiet, metric by metric: what noise hid, and what can never go red.

    One metric that went red must not hide another that never can.
    """
    hidden: list[str] = []
    stuck: list[str] = []
    before = {change.cell: change for change in _judged(identical)}
    after = {change.cell: change for change in gated_changes(worsened.comparison)} if worsened.comparison else {}
    cells: dict[str, list[Cell]] = defaultdict(list)
    for cell in worse:
        cells[cell.measure].append(cell)
    for measure, those in cells.items():
        quiet = [cell for cell in those if cell not in after or after[cell].verdict != "regressed"]
        noisy = [cell for cell in quiet if cell in after and _noise(after[cell])]
        wrong = [cell for cell in quiet if cell not in after or after[cell].verdict not in _UNDECIDED]
        first = after.get((wrong or quiet or those)[0])
        n = f"{len(quiet):,} of {len(those):,} figures did not go red, worse by twice the floor"
        if len(quiet) == len(those) and not noisy:
            stuck.append(f"this gate could never go red on {measure}: worse by twice the floor, it {_said(first)}")
        elif wrong:
            stuck.append(f"{measure}: {n}; the first {_said(first)}")
        elif quiet:
            shown = [before[cell] for cell in noisy if after[cell].verdict == "inconclusive"]
            hidden.append(f"{measure}: {n}: {_named(shown) if shown else f'the first {_said(first)}'}")
    return hidden, stuck


def _not_red(worsened: Gate, worse: Mapping[Cell, Worsening], *, quiet: bool) -> Iterator[str]:
    """Say so where a worse copy as a whole does not exit with 1."""
    if not worse:
        yield "this gate could never go red: no gated figure can be judged"
    elif not quiet and worsened.outcome.code != REGRESSED:
        yield f"a worse copy must exit with 1, and came out as {worsened.outcome.status}: {worsened.outcome.reasons[0]}"


def _had_enough(change: Change) -> bool:
    """Tell whether there were observations enough for an interval."""
    return not math.isnan(change.low) and not math.isnan(change.high)


def _noise(change: Change) -> bool:
    """Tell whether another night may decide what this one did not: the same queries would say the same again."""
    return change.verdict in ("inconclusive", "unstable") and change.basis in ("rounds", "runs") and _had_enough(change)


def _said(change: Change | None) -> str:
    if change is None:
        return "was not compared"
    return f"came out as {change.verdict}" + (f" ({change.why})" if change.why else "")


def _named(changes: Sequence[Change]) -> str:
    """Name figures, with the worsening that each would have shown as regressed."""
    told = [f"{cell_words(one.cell)} (would have seen {detectable_words(one)} or more)" for one in changes[:MOST]]
    left = len(changes) - MOST
    return ", ".join([*told, *([f"and {left:,} more"] if left > 0 else [])])

"""Can this gate go red, and stay green? It is shown a copy of a run, as good, and then worse by twice the floor."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from idxbench.config.policy import Policy
from idxbench.records import Run, load_run
from idxbench.store.round_rows import ROUND_METRICS
from idxbench.verdicts.changes import Cell, Change
from idxbench.verdicts.gate.gating import Request, run_folder, run_gate
from idxbench.verdicts.gate.incomplete import unfinished
from idxbench.verdicts.gate.outcome import gated_changes
from idxbench.verdicts.gate.records import INCOMPLETE, PASS, REGRESSED, Gate
from idxbench.verdicts.gate.replay import BASE, COPY, SIDE, Worsening, write_replay

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
    injected
        By metric, how much worse the copy was made: ``10 %``.
    untested
        Gated metrics that decide nothing in this run, and why.
    """

    identical: Gate | None
    worsened: Gate | None
    why: tuple[str, ...]
    injected: Mapping[str, str]
    untested: Mapping[str, str]

    @property
    def code(self) -> int:
        """The exit code: 0 where it stayed green and went red as it should."""
        return INCOMPLETE if self.why else PASS


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
        return SelfTest(None, None, (stopped,), {}, {})
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
    why = (*_not_green(identical), *_not_red(worsened, worse))
    return SelfTest(identical, worsened, why, injected, untested)


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
    if change.kind == "difference":
        return f"{abs(worse.shift):.4g}"
    return f"{100 * (max(worse.factor, 1.0 / worse.factor) - 1.0):.3g} %"


def _not_green(identical: Gate) -> Iterator[str]:
    if identical.outcome.code != PASS:
        reasons = "; ".join(identical.outcome.reasons)
        yield f"an identical copy must pass, and came out as {identical.outcome.status}: {reasons}"


def _not_red(worsened: Gate, worse: Mapping[Cell, Worsening]) -> Iterator[str]:
    """Say what stayed quiet, metric by metric: one that went red must not hide one that never can."""
    if not worse:
        yield "this gate could never go red: no gated figure can be judged"
        return
    changes = {change.cell: change for change in gated_changes(worsened.comparison)} if worsened.comparison else {}
    quiet: dict[str, list[Change | None]] = defaultdict(list)
    asked: dict[str, int] = defaultdict(int)
    for cell in worse:
        asked[cell.measure] += 1
        change = changes.get(cell)
        if change is None or change.verdict != "regressed":
            quiet[cell.measure].append(change)
    for measure, those in quiet.items():
        first = next((change for change in those if change is not None), None)
        said = "was not compared" if first is None else f"came out as {first.verdict}"
        why = f" ({first.why})" if first is not None and first.why else ""
        if len(those) == asked[measure]:
            yield f"this gate could never go red on {measure}: worse by twice the floor, it {said}{why}"
        else:
            n = f"{len(those):,} of {asked[measure]:,} figures"
            yield f"{measure}: {n} did not go red, worse by twice the floor; the first {said}{why}"
    if not quiet and worsened.outcome.code != REGRESSED:
        yield f"a worse copy must exit with 1, and came out as {worsened.outcome.status}: {worsened.outcome.reasons[0]}"

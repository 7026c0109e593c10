"""What the history has to say to a gate: the noise of nights, which raises floors, and tonight's alarms."""

from collections.abc import Mapping
from pathlib import Path

from idxbench.config.policy import Policy
from idxbench.records import Run
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.gate.records import Alarm


def noise_by_cell(history: Path | None, run: Run) -> Mapping[Cell, float]:
    """Return within what distance of their median 99 % of nights lie: a share, or in the metric's unit."""
    if history is None:
        return {}
    from idxbench.verdicts.history.tonight import noise

    return {cell: found.width for cell, found in noise(history, run).items()}


def tonights_alarms(history: Path | None, run: Run, policy: Policy) -> tuple[Alarm, ...]:
    """Return what the history says of a run, worst first."""
    if history is None:
        return ()
    from idxbench.verdicts.history.tonight import alarms

    return tuple(
        Alarm(one.cell, one.state == "confirmed", one.gated, one.text) for one in alarms(history, run, policy=policy)
    )

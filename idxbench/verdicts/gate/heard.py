"""What the history has to say to a gate: the noise of nights, which raises floors, and tonight's alarms."""

from collections.abc import Mapping
from pathlib import Path

from idxbench.config.policy import Policy
from idxbench.records import Run
from idxbench.store.history import machines, read_history
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.gate.records import Alarm
from idxbench.verdicts.history.recorded import history_machine

_FIRST = "before the first 'idxbench history add' that is so"


def noise_by_cell(history: Path | None, run: Run, policy: Policy, machine: str = "") -> Mapping[Cell, float]:
    """Return within what distance of their median 99 % of nights lie: a share, or in the metric's unit."""
    if history is None:
        return {}
    from idxbench.verdicts.history.tonight import noise

    return {cell: found.width for cell, found in noise(history, run, machine=machine, policy=policy).items()}


def tonights_alarms(history: Path | None, run: Run, policy: Policy, machine: str = "") -> tuple[Alarm, ...]:
    """Return what the history says of a run, worst first."""
    if history is None:
        return ()
    from idxbench.verdicts.history.tonight import alarms

    return tuple(
        Alarm(one.cell, one.state == "confirmed", one.gated, one.text)
        for one in alarms(history, run, machine=machine, policy=policy)
    )


def not_heard(history: Path | None, run: Run, machine: str = "") -> str:
    """Say why the history has nothing to say of a run; empty where it knows nights of its machine and config."""
    if history is None:
        return ""
    if not history.is_dir():
        return f"the history said nothing: {history} is {'a file' if history.exists() else 'no folder'} ({_FIRST})"
    known = machines(history)
    if not known:
        return f"the history said nothing: {history} holds no night ({_FIRST})"
    here = history_machine(run, machine)
    if here not in known:
        return f"history knows no night of {here}; it has: {', '.join(known)} (--machine NAME says which is meant)"
    name = str(run.info["name"])
    if all(row.name != name for row in read_history(history, here).rows):
        return f"history knows no night of {here} with the config {name!r} ({_FIRST})"
    return ""

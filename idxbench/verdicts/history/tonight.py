"""What a history says of tonight's run, whether the run is in it already or not."""

from collections.abc import Sequence
from pathlib import Path

from idxbench.config.policy import Policy
from idxbench.records import Run
from idxbench.store.history import Event, HistoryRow, read_history
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.history.judge import boards, judge
from idxbench.verdicts.history.recorded import history_machine, rows_of
from idxbench.verdicts.history.records import Alarm, Noise
from idxbench.verdicts.runs.context import policy_of


def noise(history: Path, run: Run, *, machine: str = "", policy: Policy | None = None) -> dict[Cell, Noise]:
    """Return how far nights lie apart that nobody changed, by cell: those before a run, of its machine and config.

    Parameters
    ----------
    history
        Folder of histories; one that is missing knows nothing.
    run
        Left out itself, as are later ones.
    machine
        Where the run ran; empty takes the run's own word.
    policy
        Which differences are ratios; None takes the run's own.

    Returns
    -------
    Cells with fewer than 11 nights that count are not in it: 8, and the last three, which may be those that changed.

    Raises
    ------
    ConfigError, ResultError
        The machine has no name, the run's policy does not parse, or the history can't be read.
    """
    policy = policy or policy_of(run)
    tonight = rows_of(run, machine=machine, policy=policy)
    before, events = _before(history, run, machine, tonight)
    found: dict[Cell, Noise] = {}
    for board in boards(before, events, policy):
        shown, _ = judge(board, events)
        found |= {one.cell: one.noise for one in shown if one.noise is not None}
    return found


def alarms(history: Path, run: Run, *, machine: str = "", policy: Policy | None = None) -> tuple[Alarm, ...]:
    """Return the alarms of a run's night, worst first: the same before and after the run is added.

    Parameters
    ----------
    history, machine
        As for `noise`.
    run
        Its figures count, and later nights don't.
    policy
        Directions, floors, and what is gated; None takes the run's own.

    Raises
    ------
    ConfigError, ResultError
        As for `noise`.
    """
    policy = policy or policy_of(run)
    tonight = rows_of(run, machine=machine, policy=policy)
    before, events = _before(history, run, machine, tonight)
    if not tonight or not before:
        return ()
    measured = {row.cell for row in tonight}
    found: list[Alarm] = []
    for board in boards([*before, *tonight], events, policy):
        shown, together = judge(board, events)
        found += [together] if together else []
        # What only some later use of --all recorded is no figure of tonight.
        cells = [cell for cell in board.cells if _columns(cell) in measured]
        found += [one.alarm for one in shown if one.alarm is not None and one.cell in cells]
    return tuple(sorted(found, key=worst_first))


def worst_first(alarm: Alarm) -> tuple[bool, bool, float]:
    """Order alarms: those of all indexes, confirmed ones, then by how far they are beyond what nights differ by."""
    beyond = alarm.change / alarm.limit if alarm.limit > 0 else alarm.change
    return alarm.cell is not None, alarm.state != "confirmed", -beyond


def _before(
    history: Path, run: Run, machine: str, tonight: Sequence[HistoryRow]
) -> tuple[list[HistoryRow], tuple[Event, ...]]:
    known = read_history(history, history_machine(run, machine))
    if not tonight:
        return [], ()
    first = tonight[0]
    kept = [
        row
        for row in known.rows
        if row.name == first.name
        and row.identity != first.identity
        and (row.started, row.run) < (first.started, first.run)
    ]
    return kept, known.events


def _columns(cell: Cell) -> tuple[str | int, ...]:
    return (
        cell.task, cell.strategy, cell.similarity, cell.index, cell.build, cell.search, cell.k, cell.metric,
        cell.reference,
    )  # fmt: skip

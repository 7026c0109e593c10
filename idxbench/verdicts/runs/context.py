"""What every verdict of a comparison needs to know: whose rows, how far figures repeat, and how noisy tonight is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idxbench.config.policy import Policy
from idxbench.config.policy_file import parse_policy
from idxbench.measures.rounds.paired import Control, Key, control_of, look_level
from idxbench.measures.rounds.selectors import Searched, Sides, make_sides
from idxbench.records import Run
from idxbench.store.round_rows import RoundRow, counted, read_rounds
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.runs.surroundings import data_apart, depth_apart, redefined, repeatable, times_apart

# Keys that change where or when an index is built, and not what: builds that differ by these alone must be alike.
_SAME_BUILD = {"environment", "side"}


@dataclass(frozen=True)
class Context:
    """What is compared.

    Parameters
    ----------
    base, new
        Runs of each side, oldest first.
    sides
        Which rows belong to which, and what they are joined on.
    policy
        What counts as worse.
    same
        Whether both sides are one run.
    rounds
        Rows of ``rounds.csv`` of the newest run that count.
    level
        Of intervals over rounds, corrected for the looks that the run was allowed.
    control
        What the A/A control of the newest run says.
    noise
        Of history, by cell with all its columns.
    exact
        Whether equal builds by one version of a library give equal answers, so that every change is one.
    incomparable
        Why nothing can be compared; empty where it can.
    depth
        Why searches can't; empty where they can.
    times
        Why times can't; empty where they can.
    redefined
        Strategies that are something else on each side, and what.
    """

    base: tuple[Run, ...]
    new: tuple[Run, ...]
    sides: Sides
    policy: Policy
    same: bool
    rounds: tuple[RoundRow, ...]
    level: float
    control: Control
    noise: Mapping[Cell, float]
    exact: bool
    incomparable: str
    depth: str
    times: str
    redefined: Mapping[str, str]

    def took_turns(self, key: Key) -> bool:
        """Return whether both sides of one run have rounds of a search, whether or not the same ones."""
        mine = [row for row in self.rounds if row.copy == 0 and self.sides.key(row) == key]
        sides = (self.sides.base, self.sides.new)
        return self.same and all(any(side.matches(row) for row in mine) for side in sides)

    @property
    def unstable(self) -> bool:
        """Whether tonight's times can't be trusted."""
        return bool(self.control.unstable)


def make_context(
    base: Sequence[Run],
    new: Sequence[Run],
    base_selector: str,
    new_selector: str,
    policy: Policy,
    noise: Mapping[Cell, float] | None,
) -> Context:
    """Look at two sides before any figure is judged.

    Raises
    ------
    ConfigError
        Selectors that nothing answers to, or that leave several things.
    ResultError
        ``rounds.csv`` of the newest run can't be read.
    """
    same = len(base) == len(new) == 1 and base[0].path.resolve() == new[0].path.resolve()
    sides = make_sides(base_selector, new_selector, _selectable(base), _selectable(new), same=same)
    one, two = base[-1], new[-1]
    rounds = counted(read_rounds(two.path))
    level = look_level(policy.level, int((two.info.get("rounds") or {}).get("looks_allowed", 1)))
    pairs = [(first, second) for first in base for second in new]
    changed = {} if "strategy" in sides.taken else redefined(one, two)
    return Context(
        tuple(base),
        tuple(new),
        sides,
        policy,
        same,
        rounds,
        level,
        control_of(rounds, policy, policy.level),
        {} if same or noise is None else noise,
        exact=sides.taken <= _SAME_BUILD and all(repeatable(*pair) for pair in pairs),
        incomparable=next(filter(None, (data_apart(*pair) for pair in pairs)), ""),
        depth=next(filter(None, (depth_apart(*pair) for pair in pairs)), ""),
        times=next(filter(None, (times_apart(*pair) for pair in pairs)), ""),
        redefined=changed,
    )


def _selectable(runs: Sequence[Run]) -> list[Searched]:
    """Return the rows that selectors speak of: those of the indexes' task, or all where it did not run."""
    rows: list[Searched] = [row for run in runs for row in run.measurements if row.task == "retrieve" and row.strategy]
    return rows or [row for run in runs for row in run.measurements if row.strategy not in ("", "reference")]


def policy_of(run: Run) -> Policy:
    """Return the policy of a run's own config; the defaults where it was written before there were any.

    Raises
    ------
    ConfigError
        It holds what this version does not know.
    """
    given = run.info.get("config", {}).get("gate")
    return parse_policy(given, f"{run.path / 'run.json'}: config.gate") if given else Policy()

"""The two sides of a run that ``[gate]`` names: whether they are there, and whether more rounds would help."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from idxbench.config.policy import Policy
from idxbench.config.schema import Config
from idxbench.errors import ConfigError
from idxbench.measures.rounds.at_recall import Recalls, undecided_at
from idxbench.measures.rounds.paired import judge_rounds, look_level
from idxbench.measures.rounds.selectors import make_sides
from idxbench.records import compact_json
from idxbench.store.round_rows import RoundRow

if TYPE_CHECKING:
    from idxbench.bench.plan import Build


@dataclass(frozen=True)
class Planned:
    """A cell that will run, as selectors see it."""

    strategy: str
    index: str
    build: str
    search: str


@dataclass(frozen=True)
class Declared:
    """Two sides of one run, to be told apart.

    Parameters
    ----------
    base, new
        Selectors.
    policy
        What counts as worse.
    looks
        How often they may be judged: once, and once more after every doubling of the rounds.
    """

    base: str
    new: str
    policy: Policy
    looks: int

    @classmethod
    def of(cls, config: Config) -> Self | None:
        """Return the sides of a config; None where it names none."""
        gate = config.gate
        if not (gate.base or gate.new):
            return None
        return cls(gate.base, gate.new, gate, config.measure.doublings + 1)

    def __str__(self) -> str:
        return f"{self.base or 'the rest'} and {self.new or 'the rest'}"


def check_declared(builds: Iterable["Build"], config: Config, source: str) -> None:
    """Refuse sides that no cell of the plan belongs to.

    Raises
    ------
    ConfigError
        Words that nothing answers to, or sides that leave several things to compare.
    """
    declared = Declared.of(config)
    cells = [
        Planned(build.space.name, build.kind, build.build_json, compact_json(search))
        for build in builds
        for search in build.searches
    ]
    if declared is None or not cells:
        return
    try:
        make_sides(declared.base, declared.new, cells, cells, same=True)
    except ConfigError as error:
        raise ConfigError([replace(one, where=f"{source}: gate ({one.where})") for one in error.problems]) from None


def inconclusive(rows: Sequence[RoundRow], declared: Declared, recalls: Callable[[], Recalls], target: float) -> bool:
    """Return whether a gated time of the declared sides can't be judged yet, so that more rounds may help.

    That is the time of a search, or the speed at the target recall, which both sides reach by searches of their own.
    Each look is at a level that keeps the policy's for all looks together. Rounds in which only one of the sides took
    turns tell nothing, and more of them would not either.
    """
    level = look_level(declared.policy.level, declared.looks)
    try:
        changes = judge_rounds(rows, declared.base, declared.new, declared.policy, level)
        if any(change.gated and change.verdict == "inconclusive" for change in changes):
            return True
        return undecided_at(rows, declared.base, declared.new, declared.policy, level, recalls(), target)
    except ConfigError:
        return False

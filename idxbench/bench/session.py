"""What every part of a run shares: its config, where it writes, and what it has noticed so far."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from idxbench.bench.progress import Progress
from idxbench.config.schema import Config
from idxbench.records import Measurement, Notice
from idxbench.store.rundir import Failure, RunDirectory

Unit = Mapping[str, Any]


def _nothing() -> None:
    """Write nothing."""


@dataclass(frozen=True)
class Finding:
    """What a unit came to.

    Parameters
    ----------
    rows
        Its figures.
    failure
        Why it failed, or a part of it: then a resumed run does it again.
    kept
        Plain JSON values that later units need.
    """

    rows: Sequence[Measurement] = ()
    failure: Failure | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Session:
    """One run under way; what grows here ends up in ``run.json``.

    Parameters
    ----------
    config
        Checked, with the training of the data filled in.
    threads
        Resolved.
    directory
        Where figures go as soon as they are measured.
    progress
        Told how far the work is.
    notices, failures, strategies, facts
        What was noticed, what failed, what each strategy is, and other facts.
    save
        Writes ``run.json`` with what is known by now.
    """

    config: Config
    threads: int
    directory: RunDirectory
    progress: Progress
    notices: list[Notice] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    strategies: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    save: Callable[[], None] = _nothing

    def once(self, unit: Unit, work: Callable[[], Finding]) -> Mapping[str, Any]:
        """Do a unit and write it down, unless an earlier session did.

        What it notices, its facts and its strategies are kept in the journal with its rows, and come back in its
        place, so that ``run.json`` ends up as if nothing had happened.

        Parameters
        ----------
        unit
            What is done.
        work
            Does it. It may append to ``notices`` and ``strategies``, and set ``facts``.

        Returns
        -------
        What the work kept, now or then.
        """
        if self.directory.has(unit):
            told = deepcopy(dict(self.directory.told(unit)))
            self.notices += [Notice(**one) for one in told.get("notices", ())]
            self.strategies += told.get("strategies", ())
            self.facts |= told.get("facts", {})
            kept: Mapping[str, Any] = told.get("kept", {})
            return kept
        n_notices, n_strategies, facts = len(self.notices), len(self.strategies), deepcopy(self.facts)
        finding = work()
        told = {
            "notices": [asdict(one) for one in self.notices[n_notices:]],
            "strategies": self.strategies[n_strategies:],
            "facts": {key: value for key, value in self.facts.items() if key not in facts or facts[key] != value},
            "kept": finding.kept,
        }
        told = {key: value for key, value in told.items() if value}
        self.directory.append(unit, finding.rows, finding.failure, told=told)
        return finding.kept

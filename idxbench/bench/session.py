"""What every part of a run shares: its config, where it writes, and what it has noticed so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from idxbench.bench.progress import Progress
from idxbench.config.schema import Config
from idxbench.records import Notice
from idxbench.store.rundir import Failure, RunDirectory


def _nothing() -> None:
    """Write nothing."""


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

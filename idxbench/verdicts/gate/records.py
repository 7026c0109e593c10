"""The records of a gate: its outcome, what it was decided from, and the exit codes."""

from dataclasses import dataclass
from typing import Literal, get_args

from idxbench.config.policy import Policy
from idxbench.errors import Problem
from idxbench.verdicts.changes import Cell, Comparison, Verdict

PASS, REGRESSED, ERROR, INCONCLUSIVE, INCOMPLETE, NO_BASELINE = 0, 1, 2, 3, 4, 5
# Codes that say "not tonight" rather than "worse".
ADVISORY_CODES = (INCONCLUSIVE, NO_BASELINE)
# What is worse goes first: where several codes have reasons, this one decides.
PRECEDENCE = (ERROR, INCOMPLETE, REGRESSED, NO_BASELINE, INCONCLUSIVE, PASS)
# Worst first, as `Verdict` lists them.
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Status = Literal[
    "pass",
    "first run",
    "regressed",
    "error",
    "inconclusive",
    "unstable",
    "advisory",
    "incomplete",
    "no baseline",
    "incompatible",
]


@dataclass(frozen=True)
class Alarm:
    """What the history of a figure says of tonight.

    Parameters
    ----------
    cell
        What it is about; None where all indexes of the machine became slower together. Not gated, that says that
        nothing but the machine changed.
    confirmed
        Whether the change has persisted; a candidate is shown and decides nothing.
    gated
        Whether it may decide: the policy gates the figure.
    text
        Half a sentence, without the cell's name.
    """

    cell: Cell | None
    confirmed: bool
    gated: bool
    text: str


@dataclass(frozen=True)
class Outcome:
    """What a gate comes to.

    Parameters
    ----------
    code
        The exit code.
    status
        The same in a word or two.
    reasons
        What speaks for the code, then what speaks for codes that it goes before.
    advice
        What to do. Empty where nothing needs doing.
    """

    code: int
    status: Status
    reasons: tuple[str, ...]
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """A gate as it is reported.

    Parameters
    ----------
    outcome
        What it comes to.
    base, new
        The two sides as they were named; ``base`` is empty where there is none.
    comparison
        What it was decided from; None where nothing could be compared.
    policy, policy_source
        What counts as worse, and where that was said; None where that could not be read.
    alarms
        Of the history.
    problems
        Mistakes that kept it from comparing.
    failures
        What the new run failed to measure, in words.
    """

    outcome: Outcome
    base: str
    new: str
    comparison: Comparison | None = None
    policy: Policy | None = None
    policy_source: str = ""
    alarms: tuple[Alarm, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[str, ...] = ()

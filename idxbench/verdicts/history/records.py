"""The records of what nights say: noise, alarms, references, and a series with all three."""

from dataclasses import dataclass
from typing import Literal

from idxbench.verdicts.changes import Cell

State = Literal["candidate", "confirmed"]
# What an alarm rests on: one night; two nights of three, or all where bad nights are usual; two runs of one night; a
# change point.
Basis = Literal["night", "nights", "rerun", "step"]


@dataclass(frozen=True)
class Noise:
    """How far nights lie from the median of their segment when nothing has changed.

    Parameters
    ----------
    sd
        Robust standard deviation: of logarithms for a ratio, in the metric's unit for a difference.
    width
        99 % of nights lie within this of the median: a share for a ratio (0.05 is 5 %), in the metric's unit for a
        difference.
    n
        Nights behind it.
    """

    sd: float
    width: float
    n: int


@dataclass(frozen=True)
class Alarm:
    """Figures that got worse and stayed so, or have just done so.

    Parameters
    ----------
    cell
        What got worse; None where all indexes of the machine did so together.
    state
        ``candidate`` the first night, ``confirmed`` once it has been seen again.
    basis
        What it rests on.
    change
        By how much, positive: a share for a ratio, in the metric's unit for a difference.
    limit
        What one night may differ by before it counts; NaN where too few nights say so.
    value, reference
        The newest figure (behind a change point: the median since), and the median before. NaN where all moved.
    unit
        Of both.
    since
        Start of the first night of it, UTC.
    gated
        Whether the policy gates the metric.
    text
        The alarm as a sentence without its full stop.
    """

    cell: Cell | None
    state: State
    basis: Basis
    change: float
    limit: float
    value: float
    reference: float
    unit: str
    since: str
    gated: bool
    text: str


@dataclass(frozen=True)
class References:
    """What the newest figure is shown against; NaN where there is none.

    Parameters
    ----------
    last
        Median of the ten nights before.
    pin
        The figure of the pinned run.
    best
        The best ever, on the same data and set-up.
    """

    last: float
    pin: float
    best: float


@dataclass(frozen=True)
class Point:
    """One night of a series.

    Parameters
    ----------
    started
        Of its first run, UTC.
    runs
        The runs of the night.
    value
        Their median; NaN where none counts.
    flags
        Why runs of it don't count, or are to be read with care.
    segment
        Number of its segment, from 0; -1 where the night does not count, or lies before those that are looked at.
    """

    started: str
    runs: tuple[str, ...]
    value: float
    flags: tuple[str, ...]
    segment: int


@dataclass(frozen=True)
class Shown:
    """A series as it is shown.

    Parameters
    ----------
    machine, name
        Where it was measured, and the name of the config.
    cell
        What was measured.
    points
        Every night, oldest first.
    noise
        Of a night; None where there are too few.
    references
        What the newest night is shown against.
    alarm
        None where there is none.
    improved
        By how much the newest segment is better than the one before; 0 where it is not.
    direction, kind, floor
        How the metric is judged; an empty direction where nobody said.
    unit
        Of the values.
    """

    machine: str
    name: str
    cell: Cell
    points: tuple[Point, ...]
    noise: Noise | None
    references: References
    alarm: Alarm | None
    improved: float
    direction: Literal["higher", "lower", ""]
    kind: Literal["ratio", "difference"]
    floor: float
    unit: str


@dataclass(frozen=True)
class Nights:
    """A config on a machine, as of its newest night.

    Parameters
    ----------
    machine, name
        Whose nights.
    started
        Of every night, oldest first.
    newest
        Name of the newest run.
    shown
        Series, worst first.
    together
        Where all indexes got slower as one; None otherwise.
    pinned
        What the pin names, with its reason; empty without one.
    """

    machine: str
    name: str
    started: tuple[str, ...]
    newest: str
    shown: tuple[Shown, ...]
    together: Alarm | None
    pinned: str

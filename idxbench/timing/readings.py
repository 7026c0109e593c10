"""How disturbed a stretch of time was: waiting for a processor, time that the hypervisor took, switches."""

import math
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")
_STAT = Path("/proc/stat")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# Measured turns of .07 to .3 s on 2 cores. With nothing else running, exact search waited for .03 to .16 of the time,
# since batches and client threads fill both cores themselves, and rounds of five hnswlib indexes for .10 to .32.
# Beside one process that never sleeps it was .21 to .71, and batches took 1.5 to 2 times as long; beside two, .5 to 1.
# So pressure alone can't tell others from our own threads: others must have used a processor, too.
MOST_PRESSURE, MOST_OTHERS = 0.2, 0.15
# No steal was to be had on that machine (0 in all of those turns), so this is what would hide a slowdown of 5 %.
MOST_STEAL = 0.05


@dataclass(frozen=True)
class Reading:
    """A stretch of time on this machine.

    Parameters
    ----------
    wall_s
        Its length.
    pressure
        Share of it in which some task waited for a processor; NaN where the kernel does not say.
    steal
        Share of the time of all processors that the hypervisor gave to others; NaN where the kernel does not say.
    switches
        How often this process, all of its threads, lost its processor to another.
    others
        How many processors' time all other processes used, in steps of 10 ms over the length; NaN where the kernel
        does not say.
    """

    wall_s: float
    pressure: float
    steal: float
    switches: int
    others: float = math.nan


@dataclass(frozen=True)
class Mark:
    """The counters at one moment; a reading is what lies between two.

    Parameters
    ----------
    wall_s
        Monotonic clock.
    waited_s
        Seconds in which some task has waited for a processor since the start of the machine, or NaN.
    stolen_s
        Mean over processors of the seconds stolen since then, in steps of 10 ms over their number, or NaN.
    switches
        Involuntary context switches of this process.
    others_s
        Seconds that processors have worked for other processes since then, added up, or NaN.
    """

    wall_s: float
    waited_s: float
    stolen_s: float
    switches: int
    others_s: float = math.nan


def mark() -> Mark:
    """Read the counters; some 50 us."""
    used, stat = resource.getrusage(resource.RUSAGE_SELF), _text(_STAT)
    return Mark(
        time.perf_counter(),
        _waited_s(_text(_PRESSURE)),
        _stolen_s(stat),
        used.ru_nivcsw,
        _worked_s(stat) - used.ru_utime - used.ru_stime,
    )


def between(start: Mark, end: Mark) -> Reading:
    """Return what happened between two marks."""
    wall = end.wall_s - start.wall_s
    if wall <= 0:
        return Reading(0.0, math.nan, math.nan, end.switches - start.switches)
    return Reading(
        wall,
        (end.waited_s - start.waited_s) / wall,
        (end.stolen_s - start.stolen_s) / wall,
        end.switches - start.switches,
        _not_below_zero((end.others_s - start.others_s) / wall),
    )


def _not_below_zero(others: float) -> float:
    """Undo rounding: the kernel counts a whole tick for whom it finds working, so ours may come out as more."""
    return others if math.isnan(others) else max(0.0, others)


def disturbed(reading: Reading) -> bool:
    """Tell whether a stretch should be measured again; what the kernel does not say is taken for quiet.

    Switches do not count: threads that fill all cores lose some, however quiet the machine. Nor does waiting for a
    processor that only our own threads had.
    """
    waited = reading.pressure > MOST_PRESSURE and not reading.others <= MOST_OTHERS
    return waited or reading.steal - _tick(reading.wall_s) > MOST_STEAL


def _tick(wall_s: float) -> float:
    """Return the share of a stretch that the kernel's unit of steal makes up: a single one may be a rounding."""
    return 1 / TICKS_PER_S / (os.cpu_count() or 1) / wall_s if wall_s > 0 else math.inf


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _waited_s(pressure: str) -> float:
    """Parse ``/proc/pressure/cpu``: "some avg10=0.00 avg60=0.00 avg300=0.00 total=4830569497", in microseconds."""
    for line in pressure.splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2]) / 1e6
    return math.nan


def _stolen_s(stat: str) -> float:
    """Parse ``/proc/stat``: the eighth figure of the line of all processors, over the number of lines of one each."""
    processors = [line.split() for line in stat.splitlines() if line.startswith("cpu")]
    if len(processors) < 2 or len(processors[0]) < 9:
        return math.nan
    return int(processors[0][8]) / TICKS_PER_S / (len(processors) - 1)


def _worked_s(stat: str) -> float:
    """Parse ``/proc/stat``: user, nice, system and the two of interrupts, of all processors, in ticks."""
    for line in stat.splitlines():
        if line.startswith("cpu "):
            figures = [int(word) for word in line.split()[1:]]
            return sum(figures[:3] + figures[5:7]) / TICKS_PER_S
    return math.nan

"""What a diagnosis is made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["problem", "warning", "note", "fine"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note", "fine")


@dataclass(frozen=True)
class Finding:
    """What one rule says.

    Parameters
    ----------
    code
        A stable short name, for filters and tests: ``not-identifiable``.
    severity
        ``problem``: something is lost as things are; ``warning``: a usual next step would go wrong; ``note``: worth
        knowing; ``fine``.
    title, text
        In a few words, and in sentences with the numbers.
    advice
        What to do; empty where nothing needs doing.
    numbers
        The figures that made the rule fire, by name.
    limits
        The thresholds of ``[diagnose]`` they were compared with, by key.
    """

    code: str
    severity: Severity
    title: str
    text: str
    advice: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Suggestion:
    """A strategy worth running, as a ``[[strategy]]`` of the config.

    Parameters
    ----------
    transform
        One name, or several in order.
    similarity
        ``dot``, ``cosine`` or ``l2``.
    why
        What it would show.
    """

    transform: tuple[str, ...]
    similarity: str
    why: str


def percent(share: float) -> str:
    """Write a share as a percentage that promises nothing: 100 % and 0 % are exact."""
    if math.isnan(share):
        return "–"
    if 0.995 <= share < 1:
        return f"{min(share, 0.999):.1%}"
    return (
        f"{share:.1%}"
        if 0 < share < 0.005 and share >= 0.0005
        else "under 0.1%"
        if 0 < share < 0.0005
        else f"{share:.0%}"
    )


def columns_named(columns: tuple[int, ...], most: int = 5) -> str:
    """Name columns: ``column 3``, ``columns 0, 4 and 12 others``."""
    shown = ", ".join(map(str, columns[:most]))
    rest = f" and {len(columns) - most} others" if len(columns) > most else ""
    return f"column{'s' if len(columns) > 1 else ''} {shown}{rest}"

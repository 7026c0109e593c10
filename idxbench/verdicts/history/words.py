"""How alarms are said: half a sentence that names figures, nights and what they were held against."""

from collections.abc import Sequence

from idxbench.config.policy import Metric
from idxbench.verdicts.history.records import Basis


def alarm_text(
    metric: Metric,
    basis: Basis,
    change: float,
    limit: float,
    value: float,
    reference: float,
    unit: str,
    since: str,
    n: int,
) -> str:
    """Say what got worse, by how much, and how often that was seen."""
    if metric.kind == "difference":
        size = f"{change:.3g} {'lower' if metric.direction == 'higher' else 'higher'}"
        beyond = f"{limit:.3g}"
    elif unit in ("s", "1/s"):
        size, beyond = f"{1.0 + change:.2f}x slower", f"{limit:.1%}"
    else:
        size, beyond = f"{1.0 + change:.2f}x larger", f"{limit:.1%}"
    figures = f"{_plain(value, unit)} after {_plain(reference, unit)}"
    return f"{size} since {since[:10]} ({figures}); {_seen(basis, beyond, n)}"


def together_text(basis: Basis, change: float, limit: float, since: str, n: int, changed: Sequence[str]) -> str:
    """Say that all indexes moved as one, and what they share."""
    why = f"with it changed: {', '.join(changed)}" if changed else "no library changed, so suspect the machine"
    told = f"all indexes together became {1.0 + change:.2f}x slower since {since[:10]}"
    return f"{told}, {_seen(basis, f'{limit:.1%}', n)}: {why}"


def _plain(value: float, unit: str) -> str:
    scale, name = {"s": (1.0, "s"), "1/s": (1.0, "queries/s"), "bytes": (1e6, "MB")}.get(unit, (1.0, ""))
    if unit == "s" and value < 0.01:
        scale, name = 1e-6, "µs"
    return f"{value / scale:,.4g} {name}".rstrip()


def _seen(basis: Basis, beyond: str, n: int) -> str:
    if basis == "step":
        return f"a change point, with {n} nights since"
    if basis == "night":
        return f"one night, beyond the {beyond} that nights differ by"
    if basis == "rerun":
        return f"two runs of one night, beyond the {beyond} that nights differ by"
    return f"again within 3 nights, beyond the {beyond} that nights differ by"

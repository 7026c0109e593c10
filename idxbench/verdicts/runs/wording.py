"""What a comparison says, word for word: ``1.12x slower [1.08, 1.15] n=20``, ``recall .942 -> .931 (-.011)``."""

import json
import math
from collections.abc import Sequence

from idxbench.measures.rounds.paired import TIMES
from idxbench.verdicts.changes import Cell, Change, Comparison, Verdict
from idxbench.verdicts.runs.compare import WORST_FIRST, badness

_SHORT = {"M": "M", "ef_construction": "c", "seed": "s", "ef": "ef "}
# Worse and better, of what.
_WAYS = {"time": ("slower", "faster"), "size": ("larger", "smaller"), "": ("worse", "better")}
_SIZES = ("index_bytes", "memory_peak")


def cell_words(cell: Cell) -> str:
    """Name a cell: ``raw hnswlib M16 c200 ef 40 @10``; the depth where the figure has one of its own."""
    words = [cell.strategy, cell.index, *_parameters(cell.build), *_parameters(cell.search)]
    if cell.k and cell.metric not in TIMES:
        words.append(f"@{cell.k}")
    task = "" if cell.task == "retrieve" else cell.task
    return " ".join(filter(None, (task, *words))) or "run"


def measure_words(cell: Cell) -> str:
    """Name what was measured: ``recall`` against the task reference, ``recall@own``, ``qps_batch@recall>=0.95``."""
    return cell.metric if cell.reference == "task" else cell.measure


def _parameters(text: str) -> list[str]:
    if not text:
        return []
    try:
        given = json.loads(text)
        return [f"{_SHORT.get(key, f'{key}=')}{value}" for key, value in given.items()]
    except (ValueError, AttributeError):
        # Not ours, but the reader must see which it is.
        return [text]


def change_words(change: Change) -> str:
    """Say how a figure changed, with its interval, how many observations, and half a sentence where it needs one."""
    if change.verdict in ("missing", "incomparable"):
        return f"{change.verdict}: {change.why}"
    told = difference_words(change)
    if change.kind == "ratio" or math.isnan(change.effect):
        return told
    moved, _, rest = told.partition(" ")
    # A figure with nothing behind it ends in the mark that a sentence goes on with.
    moved, mark = moved.removesuffix(";"), ";" if moved.endswith(";") else ""
    figures = f"{_plain(change.base)} -> {_plain(change.new)} ({moved}){mark}"
    return f"{measure_words(change.cell)} {figures} {rest}".rstrip()


def difference_words(change: Change) -> str:
    """Say how far a figure moved, without the figures, and why nothing is decided where nothing is."""
    return change.why if math.isnan(change.effect) else f"{moved_words(change)}{_reserve(change)}"


def moved_words(change: Change) -> str:
    """Say how far a figure moved: ``1.12x slower [1.08, 1.15] n=20``, ``-.011 [-.020, -.002] n=10000``."""
    if math.isnan(change.effect):
        return "–"
    moved = ratio_words(change) if change.kind == "ratio" else _difference(change)
    return moved + (f" n={change.n}" if change.basis in ("rounds", "queries", "runs") else "")


def detectable_words(change: Change) -> str:
    """Say the smallest worsening that would have been called regressed: ``8.4 %``, ``.031``; – where none can be."""
    return "–" if math.isnan(change.detectable) else _amount(change)


def ratio_words(change: Change) -> str:
    """Say a ratio: ``1.12x slower [1.08, 1.15]``; the larger of the two over the smaller, so at least 1."""
    worse, better = _WAYS["time" if _timed(change.cell) else "size" if change.cell.metric in _SIZES else ""]
    turned = change.effect < 0
    factor = _factor(math.exp(abs(change.effect)))
    if factor == "1.00":
        told, turned = f"1.00x, as {'fast' if worse == 'slower' else 'large' if worse == 'larger' else 'good'}", False
    else:
        told = f"{factor}x {better if turned else worse}"
    if math.isnan(change.low) or change.basis == "exact":
        return told
    low, high = (-change.high, -change.low) if turned else (change.low, change.high)
    return f"{told} [{_factor(math.exp(low))}, {_factor(math.exp(high))}]"


def _timed(cell: Cell) -> bool:
    return cell.metric in TIMES or cell.metric == "build_time"


def _difference(change: Change) -> str:
    moved = change.new - change.base
    told = _signed(moved)
    if math.isnan(change.low) or change.basis == "exact":
        return told
    # The effect is positive where worse; here plus is more.
    sign = 1.0 if (moved >= 0) == (change.effect >= 0) or change.effect == 0 else -1.0
    ends = sorted((sign * change.low, sign * change.high))
    return f"{told} [{_signed(ends[0])}, {_signed(ends[1])}]"


def _reserve(change: Change) -> str:
    """Say what could have been seen, where nothing was decided, and why not."""
    parts = []
    if change.verdict == "inconclusive" and not math.isnan(change.detectable):
        parts.append(f"could have seen {_amount(change)} or more")
    if change.why:
        parts.append(change.why)
    return "".join(f"; {part}" for part in parts)


def _amount(change: Change) -> str:
    if change.kind == "difference":
        return _plain(change.detectable)
    percent = 100 * change.detectable
    return f"{percent:.2g} %" if percent < 99.5 else f"{percent:,.0f} %"


def _factor(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _plain(value: float) -> str:
    """Write a share without its leading zero: ``.942``; four digits where three hide it."""
    if math.isnan(value):
        return "–"
    # What three digits hide gets as many as it needs, six at most.
    text = f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.6f}".rstrip("0")
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.lstrip("-").startswith("1") else text


def _signed(value: float) -> str:
    if round(value, 6) == 0:
        return "0"
    text = _plain(value)
    return text if text.startswith("-") else f"+{text}"


def status_line(comparison: Comparison) -> str:
    """Say in one line what a comparison comes to: ``regressed: 3 of 42 gated figures; worst: ...``."""
    gated = every_gated(comparison)
    if not gated:
        return "nothing decided: the sides share no figure that is gated"
    worst = next(verdict for verdict in _BY_STATUS if any(one.verdict == verdict for one in gated))
    found = [one for one in gated if one.verdict == worst]
    count = f"{worst}: {len(found)} of {len(gated)} gated figures"
    first = found[0]
    if worst == "unstable":
        return f"{count}; {comparison.unstable}{_not_compared(gated)}"
    if worst == "inconclusive":
        return f"{count}; {_could_have_seen(found)}{_shown(gated)}"
    if worst == "same":
        return f"same: {_all(len(found), len(gated))}{_shown(gated)}"
    if worst == "advisory":
        return f"nothing decided: {_all(len(found), len(gated))} are only shown: {first.why or 'no interval'}"
    if worst == "improved":
        return f"{count}, none worse; most: {line_words(first)}{_shown(gated)}"
    told = "" if worst == "incomparable" else _not_compared(gated)
    return f"{count}; {'worst' if worst == 'regressed' else 'first'}: {line_words(first)}{told}"


# What decides most comes first; what is only shown, last.
_BY_STATUS: tuple[Verdict, ...] = (*(one for one in WORST_FIRST if one != "advisory"), "advisory")


def every_gated(comparison: Comparison) -> list[Change]:
    """Return the gated figures of a comparison, those at equal recall among them, worst first."""
    changes = [*comparison.changes, *(one.change for one in comparison.matched)]
    return sorted((one for one in changes if one.gated), key=badness)


def line_words(change: Change) -> str:
    """Say a figure and its change in one line; of a difference, the change names the figure."""
    metric = (
        f"{measure_words(change.cell)} "
        if change.kind == "ratio" or change.verdict in ("missing", "incomparable")
        else ""
    )
    return f"{cell_words(change.cell)} {metric}{change_words(change)}"


def _could_have_seen(found: Sequence[Change]) -> str:
    """Say how small a worsening would have been seen in all of them."""
    parts = []
    for kind, of in (("ratio", "in times"), ("difference", "in recall")):
        most = max(
            (one for one in found if one.kind == kind and not math.isnan(one.detectable)),
            key=lambda one: one.detectable,
            default=None,
        )
        if most is not None:
            parts.append(f"{_amount(most)} or more {of}")
    return f"could have seen {', '.join(parts)}" if parts else found[0].why


def _all(n: int, total: int) -> str:
    return f"all {total} gated figures" if n == total else f"{n} of {total} gated figures"


def _shown(gated: Sequence[Change]) -> str:
    """Say how many of the gated figures are only shown, and why."""
    shown = [one for one in gated if one.verdict == "advisory"]
    return f"; {len(shown)} only shown: {shown[0].why}" if shown else ""


def _not_compared(gated: Sequence[Change]) -> str:
    """Say how many of the gated figures can't be compared, and why, where others decide."""
    apart = [one for one in gated if one.verdict == "incomparable"]
    return f"; {len(apart)} can't be compared: {apart[0].why}" if apart else ""

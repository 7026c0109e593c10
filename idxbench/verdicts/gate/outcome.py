"""From a comparison to one exit code: which verdicts decide, in which order, and the reasons in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from idxbench.config.policy import Policy
from idxbench.verdicts.changes import Basis, Change, Comparison, Verdict
from idxbench.verdicts.gate.records import (
    INCOMPLETE,
    INCONCLUSIVE,
    NO_BASELINE,
    PASS,
    PRECEDENCE,
    REGRESSED,
    VERDICTS,
    Alarm,
    Outcome,
    Status,
)
from idxbench.verdicts.runs.compare import badness
from idxbench.verdicts.runs.wording import cell_words, every_gated

# Verdicts that say how a figure changed. `traded` does: what it lost is the recall of the same search, judged there.
_DECIDED: frozenset[Verdict] = frozenset({"regressed", "improved", "same", "traded"})
_FAILED: frozenset[Verdict] = frozenset({"missing", "suspicious"})
_WORDS: dict[int, Status] = {
    PASS: "pass",
    REGRESSED: "regressed",
    INCONCLUSIVE: "inconclusive",
    INCOMPLETE: "incomplete",
    NO_BASELINE: "no baseline",
}
# What would decide an inconclusive figure, by what it rests on.
_MORE: dict[Basis, str] = {
    "rounds": "take more rounds ([measure] rounds, doublings, budget)",
    "queries": "ask more queries ([measure] queries)",
    "runs": "compare more runs a side (--runs)",
}
# Where indexes did not fit into memory together, both sides never took turns.
_APART = "more rounds would not pair the two sides: measure fewer indexes at a time, or on a machine with more memory"
_ADVICE: dict[Status, str] = {
    "incomplete": "'idxbench report RUN' says what failed; 'idxbench run --resume' finishes a run that was stopped",
    "no baseline": "keep a finished run as the baseline; --first-run-ok lets the first night pass",
    "incompatible": "compare runs of the same data and config on one machine, or begin a new baseline",
    "unstable": "run it again while the machine is quieter",
}


def every_change(comparison: Comparison) -> tuple[Change, ...]:
    """Return all changes of a comparison, those at matched recall among them, worst first."""
    return tuple(sorted(comparison.changes + tuple(one.change for one in comparison.matched), key=badness))


def gated_changes(comparison: Comparison) -> tuple[Change, ...]:
    """Return the changes that take part in the exit code, worst first."""
    return tuple(every_gated(comparison))


def judge(
    comparison: Comparison | None,
    *,
    policy: Policy | None = None,
    incomplete: Sequence[str] = (),
    no_baseline: str = "",
    incompatible: bool = False,
    unmeasured: Sequence[str] = (),
    alarms: Sequence[Alarm] = (),
    first_run_ok: bool = False,
    notes: Sequence[str] = (),
) -> Outcome:
    """Decide what a gate comes to.

    Parameters
    ----------
    comparison
        New against base; None where there is no base to compare with, or nothing new.
    policy
        For the advice: how many runs support a verdict on times.
    incomplete
        What the new run failed to measure.
    no_baseline
        Why there is nothing to compare with; empty where there is a baseline.
    incompatible
        Whether there are runs in its place, but none that can be compared.
    unmeasured
        What the policy asks for by name and no figure was there for.
    alarms
        Of the history, tonight.
    first_run_ok
        Whether a missing baseline passes. An incompatible one never does.
    notes
        What else is told; it decides nothing.
    """
    by_code: dict[int, list[str]] = {code: [] for code in PRECEDENCE}
    words = dict(_WORDS)
    by_code[INCOMPLETE] += incomplete
    if comparison is not None:
        _weigh(gated_changes(comparison), comparison, by_code, words)
        by_code[INCONCLUSIVE] += unmeasured
    elif no_baseline:
        by_code[PASS if first_run_ok and not incompatible else NO_BASELINE].append(no_baseline)
        words[PASS], words[NO_BASELINE] = "first run", "incompatible" if incompatible else "no baseline"
    _hear(alarms, by_code, words)
    code = next((code for code in PRECEDENCE if by_code[code]), PASS)
    reasons = [text for one in PRECEDENCE for text in by_code[one]]
    if comparison is not None and not reasons:
        reasons = [_passed(gated_changes(comparison))]
    advice = (*_advice(words[code], comparison, policy or Policy()), *notes)
    return Outcome(code, words[code], tuple(reasons), advice)


def _weigh(
    gated: Sequence[Change], comparison: Comparison, by_code: Mapping[int, list[str]], words: dict[int, Status]
) -> None:
    """Put what the verdicts of gated figures say under the codes that they speak for."""
    counts = Counter(change.verdict for change in gated)

    def say(code: int, verdict: Verdict, text: str) -> None:
        if counts[verdict]:
            by_code[code].append(f"{counts[verdict]:,} of {_figures(len(gated))} {text}")

    say(INCOMPLETE, "missing", "missing from the new side")
    say(INCOMPLETE, "suspicious", "more than three times better, a bug until shown otherwise")
    if counts["missing"] == len(gated):
        by_code[INCOMPLETE].append("nothing that is gated was measured")
    say(REGRESSED, "regressed", "worse, beyond the floor")
    say(INCONCLUSIVE, "inconclusive", "inconclusive: worse or not, these observations can't tell")
    say(INCONCLUSIVE, "unstable", f"unstable: {comparison.unstable or 'the control differs from itself tonight'}")
    if counts["unstable"] and not counts["inconclusive"]:
        words[INCONCLUSIVE] = "unstable"
    if counts["inconclusive"] or counts["unstable"] or any(counts[verdict] for verdict in _DECIDED | _FAILED):
        return
    # Nothing that is gated could be judged at all.
    if counts["incomparable"]:
        by_code[NO_BASELINE].append(_because("no gated figure can be compared", "incomparable", gated))
        words[NO_BASELINE] = "incompatible"
    elif counts["advisory"]:
        by_code[INCONCLUSIVE].append(_because("every gated figure is advisory only", "advisory", gated))
        words[INCONCLUSIVE] = "advisory"


def _hear(alarms: Sequence[Alarm], by_code: Mapping[int, list[str]], words: dict[int, Status]) -> None:
    """Add what the history has confirmed. Where all indexes moved and no version did, suspect the machine."""
    for one in alarms:
        place = "" if one.cell is None else f"{one.cell.measure}, {cell_words(one.cell)}: "
        text = f"confirmed by the history: {place}{one.text}"
        if one.confirmed and one.gated:
            by_code[REGRESSED].append(text)
        elif one.confirmed and one.cell is None:
            by_code[INCONCLUSIVE].append(text)
            words[INCONCLUSIVE] = "unstable"


def _because(text: str, verdict: Verdict, gated: Iterable[Change]) -> str:
    """Add the first reason that the comparison gave for a verdict."""
    why = next((change.why for change in gated if change.verdict == verdict and change.why), "")
    return f"{text}: {why}" if why else text


def _passed(gated: Sequence[Change]) -> str:
    counts = Counter(change.verdict for change in gated)
    parts = [f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS if counts[verdict]]
    return f"{_figures(len(gated))}: {', '.join(parts)}"


def _figures(n: int) -> str:
    return f"{n:,} gated figure{'' if n == 1 else 's'}"


def _advice(status: Status, comparison: Comparison | None, policy: Policy) -> Iterator[str]:
    if status in _ADVICE:
        yield _ADVICE[status]
    gated = () if comparison is None else gated_changes(comparison)
    for basis, text in _MORE.items():
        if any(change.verdict == "inconclusive" and change.basis == basis and change.n for change in gated):
            yield text
    if any(change.verdict == "inconclusive" and change.basis == "rounds" and not change.n for change in gated):
        yield _APART
    shown = {change.cell.measure: change.why for change in gated if change.verdict == "advisory"}
    if shown and comparison is not None and comparison.paired:
        told = ", ".join(f"{measure} ({why})" if why else measure for measure, why in shown.items())
        yield f"advisory, deciding nothing: {told}"
    elif shown:
        yield (
            "times of single runs are advisory and decide nothing: name two sides of one run in its config "
            f'([gate] base = "...", new = "..."), or compare {policy.min_runs} runs a side (--runs {policy.min_runs})'
        )
    if status != "incompatible" and any(change.verdict == "incomparable" for change in gated):
        yield _because("some gated figures can't be compared and decide nothing", "incomparable", gated)

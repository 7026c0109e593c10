"""From verdicts to an exit code: by hand, against a slow twin, and the precedence over every combination."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxbench.verdicts.gate.outcome import judge
from idxbench.verdicts.gate.records import PRECEDENCE, VERDICTS, Alarm
from tests.verdicts.gate.made import cell, change, comparison

HARMLESS = {"improved", "same", "traded"}


def code_of(*verdicts, **more):
    return judge(comparison(*map(change, verdicts)), **more).code


@pytest.mark.parametrize(
    ("verdicts", "code", "status"),
    [
        (["same", "improved", "traded"], 0, "pass"),
        (["same", "regressed"], 1, "regressed"),
        (["same", "inconclusive"], 3, "inconclusive"),
        (["same", "unstable"], 3, "unstable"),
        (["same", "unstable", "inconclusive"], 3, "inconclusive"),
        (["same", "missing"], 4, "incomplete"),
        (["missing"], 4, "incomplete"),
        (["same", "suspicious"], 4, "incomplete"),
        ([], 4, "incomplete"),
        (["incomparable", "incomparable"], 5, "incompatible"),
        # Times of another machine are shown and decide nothing, as long as something else was judged.
        (["incomparable", "same"], 0, "pass"),
        (["advisory", "same"], 0, "pass"),
        (["advisory", "advisory"], 3, "advisory"),
        (["advisory", "incomparable"], 5, "incompatible"),
        (["incomparable", "inconclusive"], 3, "inconclusive"),
        (["regressed", "missing", "inconclusive"], 4, "incomplete"),
        (["regressed", "inconclusive", "incomparable"], 1, "regressed"),
    ],
)
def test_verdicts_by_hand(verdicts, code, status):
    outcome = judge(comparison(*map(change, verdicts)))
    assert (outcome.code, outcome.status) == (code, status)
    assert outcome.reasons


def test_what_is_not_gated_decides_nothing():
    quiet = [change(verdict, gated=False) for verdict in VERDICTS]
    assert judge(comparison(change("same"), *quiet)).code == 0
    nothing = judge(comparison(*quiet))
    assert nothing.code == 4
    assert nothing.reasons == ("nothing that is gated was measured",)


def twin(gated, incomplete, alarm):
    """Say the same in another way: one question after the other."""
    if incomplete or "missing" in gated or "suspicious" in gated or not gated:
        return 4
    if "regressed" in gated or alarm:
        return 1
    if set(gated) & HARMLESS or "inconclusive" in gated or "unstable" in gated:
        return 3 if "inconclusive" in gated or "unstable" in gated else 0
    return 5 if "incomparable" in gated else 3


@given(
    st.lists(st.tuples(st.sampled_from(VERDICTS), st.booleans()), max_size=6),
    st.booleans(),
    st.sampled_from([None, "candidate", "not gated", "confirmed"]),
    st.booleans(),
)
def test_codes_against_a_twin(figures, incomplete, alarm, first_run_ok):
    made = comparison(*(change(verdict, gated=gated) for verdict, gated in figures))
    alarms = [Alarm(cell(), alarm in ("confirmed", "not gated"), alarm != "not gated", "why")] if alarm else []
    outcome = judge(made, incomplete=["x"] if incomplete else [], alarms=alarms, first_run_ok=first_run_ok)
    assert outcome.code == twin([v for v, gated in figures if gated], incomplete, alarm == "confirmed")
    assert outcome.reasons


# What speaks for each code alone; a pass is what is left.
SPEAKS = {4: "missing", 1: "regressed", 3: "inconclusive", 0: "same"}


@pytest.mark.parametrize("present", list(product([False, True], repeat=len(SPEAKS))))
def test_precedence_over_every_combination(present):
    codes = [code for code, there in zip(SPEAKS, present, strict=True) if there]
    if codes:
        assert code_of(*(SPEAKS[code] for code in codes)) == next(code for code in PRECEDENCE if code in codes)


@pytest.mark.parametrize("incomplete", [False, True])
@pytest.mark.parametrize("alarm", [False, True])
@pytest.mark.parametrize("first_run_ok", [False, True])
def test_without_a_baseline(incomplete, alarm, first_run_ok):
    alarms = [Alarm(cell(), True, True, "slower since Tuesday")] if alarm else []
    incomplete = ["a cell failed"] if incomplete else []
    outcome = judge(None, no_baseline="none", incomplete=incomplete, alarms=alarms, first_run_ok=first_run_ok)
    assert outcome.code == (4 if incomplete else 1 if alarm else 0 if first_run_ok else 5)
    if outcome.code in (0, 5):
        assert outcome.status == ("first run" if first_run_ok else "no baseline")
    # What an alarm says is there beside what goes before it.
    assert any("slower since Tuesday" in text for text in outcome.reasons) == alarm


def test_an_incompatible_baseline_never_passes_as_a_first_run():
    assert code_of("incomparable", first_run_ok=True) == 5


def test_the_machine_as_a_whole_being_slower_is_no_regression():
    alarms = [Alarm(None, True, False, "all indexes 20 % slower")]
    outcome = judge(comparison(change("same")), alarms=alarms)
    assert (outcome.code, outcome.status) == (3, "unstable")
    assert "all indexes 20 % slower" in outcome.reasons[0]
    # A version changed that night: then it is one.
    assert judge(comparison(change("same")), alarms=[Alarm(None, True, True, "slower")]).code == 1


def test_words():
    made = comparison(*[change("regressed")] * 2, change("inconclusive"), change("same", gated=False))
    assert judge(made).reasons == (
        "2 of 3 gated figures worse, beyond the floor",
        "1 of 3 gated figures inconclusive: worse or not, these observations can't tell",
    )
    assert judge(comparison(change("same"))).reasons == ("1 gated figure: 1 same",)
    lonely = judge(comparison(change("advisory", why="1 run a side"), paired=False))
    assert lonely.reasons == ("every gated figure is advisory only: 1 run a side",)
    assert "[gate] base" in lonely.advice[0]
    assert "--runs 6" in lonely.advice[0]
    odd = judge(comparison(change("unstable"), unstable="a copy differs from its twin by 9 %"))
    assert odd.reasons == ("1 of 1 gated figure unstable: a copy differs from its twin by 9 %",)


def test_a_pass_with_advisory_times_says_so():
    made = comparison(change("same"), change("advisory", where=cell("build_time"), why="built once"))
    assert judge(made).advice == ("advisory, deciding nothing: build_time (built once)",)


@pytest.mark.parametrize(
    ("basis", "said"), [("rounds", "more rounds"), ("queries", "more queries"), ("runs", "--runs")]
)
def test_what_would_decide(basis, said):
    (advice,) = judge(comparison(change("inconclusive", basis=basis))).advice
    assert said in advice


def test_sides_that_never_took_turns_are_not_told_to_take_more_rounds():
    (advice,) = judge(comparison(change("inconclusive", n=0))).advice
    assert advice.startswith("more rounds would not pair the two sides")

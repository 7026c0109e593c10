"""Rounds: every search of every index of a group once, in turns, each round a line of the journal when it is over.

On a machine that others use, too, speed changes from minute to minute. Indexes that take turns within each round
are hit alike, so that their ratios stay when their times do not: the unit of comparison is the round.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol, Self

import numpy as np

from idxbench.bench.builds import Built
from idxbench.bench.session import Session
from idxbench.measures.latency import percentiles
from idxbench.records import compact_json
from idxbench.store.round_rows import RoundRow, counted
from idxbench.timing.child import ChildError
from idxbench.timing.readings import Reading, disturbed
from idxbench.timing.turns import Answers, Turn

NAN = float("nan")


class TakesTurns(Protocol):
    """What is needed of a child to time it."""

    def turn(self, search: int, number: int) -> Turn:
        """Time a search in a round of that number; raises `ChildError` when it can't."""
        ...

    def answers(self) -> tuple[Answers, ...]:
        """Return what every search found in its first turn."""
        ...


@dataclass(frozen=True)
class Arm:
    """One index, loaded and waiting in its process.

    Parameters
    ----------
    built
        The index on disk.
    child
        Its process; None for one whose rounds are only read.
    copy
        0, or 1 for the second copy of the first index: the A/A control.
    """

    built: Built
    child: TakesTurns | None
    copy: int = 0


def turn_order(n_searches: Sequence[int], number: int, seed: int) -> list[tuple[int, int]]:
    """Return one round's turns: every search of every index once.

    Each even round has a new order, drawn by the seed; the odd round after it runs that order backwards. So a machine
    that slows down hits all alike, and no index always follows the same other.

    Parameters
    ----------
    n_searches
        How many searches each index has.
    number
        Of the round, from 0.
    seed
        Of the orders.

    Returns
    -------
    (index, search) pairs of positions.
    """
    everything = [(index, search) for index, n in enumerate(n_searches) for search in range(n)]
    order = random.Random(f"{seed} {number // 2}").sample(everything, len(everything))
    return order if number % 2 == 0 else order[::-1]


class Budget:
    """How many seconds rounds may take in all; 0 for any number.

    Parameters
    ----------
    seconds
        The limit.
    clock
        Seconds, monotonic.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._seconds, self._clock, self._start, self._longest = seconds, clock, clock(), 0.0
        self.ended = False

    @property
    def spent(self) -> float:
        """Seconds since the first round could begin."""
        return self._clock() - self._start

    def allows(self, share: float = 1.0) -> bool:
        """Return whether another round fits, if ``share`` of the whole may be spent by then; remembers a no."""
        if self._seconds and self.spent + self._longest > self._seconds * share:
            self.ended = True
            return False
        return True

    def note(self, seconds: float) -> None:
        """Learn how long a round takes."""
        self._longest = max(self._longest, seconds)


class StopAfterRound:
    """Lets the round under way finish when Ctrl-C is pressed; a second Ctrl-C stops at once.

    Raises
    ------
    KeyboardInterrupt
        From `check`, once it was pressed.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Self:
        """Take over the signal, which only the main thread may."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Stop now if that was asked for."""
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


class RoundLoop:
    """The rounds of one group of arms.

    Parameters
    ----------
    session
        The run; rounds go to its journal.
    arms
        Loaded indexes; those with ``copy`` 1 are controls.
    budget
        Shared with other groups.
    """

    def __init__(self, session: Session, arms: Sequence[Arm], budget: Budget) -> None:
        self._session, self._arms, self._budget = session, arms, budget
        self._n_searches = [len(arm.built.build.searches) for arm in arms]
        self._answered = False
        self.failed: dict[int, str] = {}

    def rows(self) -> tuple[RoundRow, ...]:
        """Return what this group's rounds measured, of earlier starts of the run, too; attempts that count."""
        ours = {_cell(arm, search) for arm in self._arms for search in range(len(arm.built.build.searches))}
        every = counted(self._session.directory.rounds)
        return tuple(row for row in every if (row.strategy, row.index, row.build, row.search) in ours)

    def done(self) -> int:
        """Return how many rounds every index that has not failed has behind it."""
        rounds: dict[tuple[str, ...], int] = {}
        for row in self.rows():
            cell = (row.strategy, row.index, row.build, row.search)
            rounds[cell] = rounds.get(cell, 0) + (row.copy == 0)
        going = [arm for position, arm in enumerate(self._arms) if position not in self.failed and arm.copy == 0]
        return min(
            (rounds.get(_cell(arm, s), 0) for arm in going for s in range(len(arm.built.build.searches))), default=0
        )

    def run(self, rounds: int, share: float, advance: Callable[[int], None]) -> None:
        """Play rounds until ``rounds`` are done, all arms have failed, or the budget's ``share`` is spent.

        The first round is played whatever the budget. A round during which the machine was disturbed is written
        down, flagged, and played once more.
        """
        with StopAfterRound() as stop:
            done = self.done()
            number = 1 + max((row.round for row in self._session.directory.rounds), default=-1)
            while done < rounds and len(self.failed) < len(self._arms) and (done == 0 or self._budget.allows(share)):
                start = time.perf_counter()
                if self._play(number, 0, advance):
                    self._play(number, 1, lambda n: None)
                self._budget.note(time.perf_counter() - start)
                stop.check()
                done, number = done + 1, number + 1

    def _play(self, number: int, attempt: int, advance: Callable[[int], None]) -> bool:
        """Play and journal one round; return whether the machine was disturbed."""
        turns: dict[tuple[int, int], Turn] = {}
        for position, search in turn_order(self._n_searches, number, self._session.config.seed):
            child = self._arms[position].child
            if position not in self.failed and child is not None:
                try:
                    turns[position, search] = child.turn(search, number)
                except ChildError as error:
                    self._fail(position, str(error))
            advance(1)
        turns = {key: turn for key, turn in turns.items() if key[0] not in self.failed}
        flagged = disturbed(over([turn.reading for turn in turns.values()]))
        self._keep(number, attempt, turns, flagged)
        return flagged

    def _keep(self, number: int, attempt: int, turns: dict[tuple[int, int], Turn], flagged: bool) -> None:
        """Write down answers and samples, then the line of the journal that counts them."""
        directory = self._session.directory
        if not self._answered:
            self._keep_answers()
            self._answered = True
        turns = {key: turn for key, turn in turns.items() if key[0] not in self.failed}
        if not turns:
            return  # a round in which nothing was measured is none
        samples = {
            samples_key(self._arms[position].built, search): turn.single_s.astype(np.float32)
            for (position, search), turn in turns.items()
            if len(turn.single_s) and self._arms[position].copy == 0
        }
        directory.save_arrays(samples_name(directory.session, number, attempt), samples)
        rows = [
            self._row(number, attempt, self._arms[position], search, turn, flagged)
            for (position, search), turn in sorted(turns.items())
        ]
        # Numbered anew in every start of the run, so that a round that was cut short is no unit that is done.
        unit = {"kind": "round", "session": directory.session, "round": number, "attempt": attempt}
        directory.append(unit, [], rounds=rows)

    def _keep_answers(self) -> None:
        for position, arm in enumerate(self._arms):
            if arm.copy == 0 and position not in self.failed and arm.child is not None:
                try:
                    arrays = _answer_arrays(arm.child.answers())
                except ChildError as error:
                    self._fail(position, str(error))
                else:
                    self._session.directory.save_arrays(answers_name(arm.built), arrays)

    def _fail(self, position: int, reason: str) -> None:
        """Give an arm no more turns, nor its copy: a control without its twin controls nothing."""
        self.failed[position] = reason
        if self._arms[position].copy == 0:
            built = self._arms[position].built
            twins = [n for n, arm in enumerate(self._arms) if arm.copy and arm.built.number == built.number]
            self.failed |= {twin: reason for twin in twins if twin not in self.failed}

    def _row(self, number: int, attempt: int, arm: Arm, search: int, turn: Turn, flagged: bool) -> RoundRow:
        n_queries = arm.built.strategy.n_queries
        alone = percentiles(turn.single_s)
        arrived = percentiles(turn.response_s)
        return RoundRow(
            self._session.directory.session,
            number,
            attempt,
            *_cell(arm, search),
            arm.copy,
            len(turn.single_s) / float(turn.single_s.sum()) if len(turn.single_s) else NAN,
            n_queries / turn.batch_s,
            turn.threads_queries / turn.threads_s,
            *(alone.p50_s, alone.p95_s, alone.p99_s),
            *(arrived.p50_s, arrived.p95_s, arrived.p99_s),
            turn.reading.pressure,
            turn.reading.steal,
            turn.reading.others,
            turn.reading.switches,
            turn.settled,
            turn.overloaded,
            flagged,
        )


def over(readings: Sequence[Reading]) -> Reading:
    """Return what a round as a whole was: shares weighted by time, switches added up.

    One disturbed turn among many is what medians over rounds are for; a round is made again when it was disturbed as
    a whole.
    """
    wall_s = sum(one.wall_s for one in readings)
    if not wall_s:
        return Reading(0.0, NAN, NAN, 0)
    return Reading(
        wall_s,
        sum(one.pressure * one.wall_s for one in readings) / wall_s,
        sum(one.steal * one.wall_s for one in readings) / wall_s,
        sum(one.switches for one in readings),
        sum(one.others * one.wall_s for one in readings) / wall_s,
    )


def answers_name(built: Built) -> str:
    """Name the arrays that hold what the searches of an index found."""
    return f"answers-{built.number}"


def samples_key(built: Built, search: int) -> str:
    """Name the latencies of a search among the arrays of a round."""
    return f"{built.number}|{search}"


def samples_name(session: int, number: int, attempt: int) -> str:
    """Name the arrays that hold the single latencies of a round."""
    return f"round-{session}-{number}-{attempt}"


def _cell(arm: Arm, search: int) -> tuple[str, str, str, str]:
    build = arm.built.build
    return build.space.name, build.kind, build.build_json, compact_json(build.searches[search])


def _answer_arrays(answers: Sequence[Answers]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for search, answer in enumerate(answers):
        arrays |= {f"ids_{search}": answer.ids, f"short_{search}": np.array(answer.n_short)}
    return arrays

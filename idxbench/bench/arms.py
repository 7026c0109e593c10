"""The indexes of a run: built, loaded into processes of their own, timed in turns, graded.

All strategies' indexes take turns with each other, so that any two of them can be compared round by round, and the
first of them with a second copy of itself, which says how far a thing differs from itself tonight.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from idxbench.bench.builds import Built, build_indexes, fail_build
from idxbench.bench.declared import Declared, inconclusive
from idxbench.bench.grading import grade, recalls_of, samples_of
from idxbench.bench.groups import groups_notice, in_groups, size_of
from idxbench.bench.plan import Build
from idxbench.bench.progress import Advance
from idxbench.bench.retrieve import Reference, StrategyResult, make_job
from idxbench.bench.round_facts import tell_rounds
from idxbench.bench.round_loop import Arm, Budget, RoundLoop
from idxbench.bench.session import Session
from idxbench.machine import free_memory
from idxbench.measures.rounds.at_recall import Recalls
from idxbench.records import Notice
from idxbench.timing.child import Child, ChildError

# Two processes that hold the same index differ for as long as they live, by where their memory lies: of 26 runs of 80
# rounds by one pair of processes each, one differed by 3.3 % with a tight interval, and two missed a planted 10 %
# (`tests.nights.trials`). So processes are new every so many rounds.
ROUNDS_PER_LAUNCH = 20


def measure_indexes(
    session: Session, builds: Sequence[tuple[int, Build]], results: Mapping[str, StrategyResult], reference: Reference
) -> None:
    """Build, time and grade the indexes of all strategies, or those that earlier starts of the run left over."""
    built = build_indexes(session, builds, results, reference)
    free = free_memory()
    groups = in_groups([size_of(one) for one in built], free, copies=1 + session.config.measure.control)
    if len(groups) > 1:
        session.notices.append(groups_notice([[built[i].build for i in group] for group in groups], free))
    budget = Budget(session.config.measure.budget)
    sides = Declared.of(session.config)
    looks = 1
    for number, positions in enumerate(groups, start=1):
        group = Group(session, [built[position] for position in positions], reference)
        looks = max(looks, group.time(sides, budget, number / len(groups)))
        rows = group.loop(()).rows()
        samples = samples_of(session, rows)
        for one in group.going():
            grade(session, one, rows, samples, reference)
        session.save()
    if session.directory.rounds:
        session.once({"kind": "rounds"}, lambda: tell_rounds(session, sides, looks, budget))


class Group:
    """Indexes that take turns with each other.

    Parameters
    ----------
    session
        The run.
    members
        On disk. The first one that can be loaded takes part twice where a control is wanted.
    reference
        What answers are graded against.
    """

    def __init__(self, session: Session, members: Sequence[Built], reference: Reference) -> None:
        self._session, self._members, self._reference = session, members, reference
        self._failed: set[int] = set()
        self._control = session.config.measure.control
        self._launches = 0
        self._budget = Budget(0)
        self._graded: Recalls | None = None

    def going(self) -> list[Built]:
        """Return the members that have not failed."""
        return [one for one in self._members if one.number not in self._failed]

    def loop(self, arms: Sequence[Arm]) -> RoundLoop:
        """Return the rounds of these arms, or of all members where nothing is to be played."""
        return RoundLoop(self._session, arms or [Arm(one, None) for one in self.going()], self._budget)

    def time(self, sides: Declared | None, budget: Budget, share: float) -> int:
        """Play rounds, and twice as many while the declared sides can't be told apart; return how often that was asked.

        Parameters
        ----------
        sides
            As ``[gate]`` names them.
        budget
            Shared with other groups; ``share`` of it may be spent when this one ends.
        share
            From 0 to 1.
        """
        self._budget = budget
        looks = sides.looks if sides else 1
        for look in range(looks):
            wanted = self._session.config.measure.rounds * 2**look
            what = "rounds" if look == 0 else f"more rounds, as {sides} can't be told apart yet"
            turns = sum(len(one.build.searches) for one in self._members)
            missing = max(0, wanted - self.loop(()).done()) if self.going() else 0
            with self._session.progress.stage(f"time {what}", missing * turns) as advance:
                self._play(wanted, share, advance)
            last = look + 1 == looks or self.loop(()).done() < wanted
            if last or sides is None or not self._inconclusive(sides):
                break
        return look + 1

    def _inconclusive(self, sides: Declared) -> bool:
        return inconclusive(self.loop(()).rows(), sides, self._recalls, self._session.config.target_recall)

    def _recalls(self) -> Recalls:
        """Return what every search finds, which is the same in all rounds."""
        if self._graded is None:
            self._graded = recalls_of(self._session, self.going(), self._reference)
        return self._graded

    def _play(self, wanted: int, share: float, advance: Advance) -> None:
        """Play rounds, some by each launch of processes, until enough are played or none may be."""
        done = -1
        while self.going() and done < (done := self.loop(()).done()) < wanted:
            with ExitStack() as processes:
                arms = self._load(processes)
                if not arms:
                    return
                loop = self.loop(arms)
                loop.run(min(wanted, done + ROUNDS_PER_LAUNCH), share, advance)
            self._note_failures(arms, loop.failed)
            if self._budget.ended:
                return

    def _load(self, processes: ExitStack) -> list[Arm]:
        """Load the indexes into processes that stay, the first one twice where a control is wanted."""
        arms: list[Arm] = []
        self._launches += 1
        for one in self.going():
            arm = self._arm(processes, one, 0)
            if arm is None:
                continue
            arms.append(arm)
            if len(arms) == 1 and self._control:
                control = self._arm(processes, one, 1)
                arms += [control] if control else []
        return arms

    def _arm(self, processes: ExitStack, built: Built, copy: int) -> Arm | None:
        session = self._session
        folder = session.directory.work / f"arm-{built.number}-{copy}-{self._launches}"
        folder.mkdir()
        embedded = built.strategy.embedded
        job = make_job(built.build, embedded, session.config, session.threads, folder, built.saved, "load")
        try:
            child = processes.enter_context(Child(job, folder))
            child.load()
        except ChildError as error:
            if copy == 0:
                # Whatever is wrong with the file, a run that is resumed builds it anew.
                built.forget()
            self._fail(built, copy, str(error))
            return None
        return Arm(built, child, copy)

    def _note_failures(self, arms: Sequence[Arm], failed: Mapping[int, str]) -> None:
        for position, reason in failed.items():
            self._fail(arms[position].built, arms[position].copy, reason)

    def _fail(self, built: Built, copy: int, reason: str) -> None:
        if copy == 0:
            self._failed.add(built.number)
            fail_build(self._session, built.build, reason)
        elif self._control and built.number not in self._failed:
            self._control = False
            self._session.notices.append(
                Notice(
                    "control-lost",
                    f"the second copy of {built.name}, the A/A control, failed: {reason}",
                    "nothing says how far a thing differs from itself in this run: run again before times are believed",
                )
            )

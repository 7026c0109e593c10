"""Client threads: who asks what, and that they begin together."""

import threading

import pytest

from idxbench.timing.clients import Clients


@pytest.mark.parametrize(("number", "n"), [(1, 5), (2, 5), (3, 3), (4, 9)])
def test_every_question_is_asked_once_by_the_client_it_belongs_to(number, n):
    asked = []
    clients = Clients(number, lambda: 0.0)
    for _ in range(3):
        asked.clear()
        clients.ask(lambda i: asked.append((i, threading.get_ident())), n)
        assert sorted(i for i, _ in asked) == list(range(n))
        whose = dict(asked)
        assert len(set(whose.values())) == number
        assert all(whose[i] == whose[i % number] for i in range(n))
        shares = {who: [i for i, mine in asked if mine == who] for who in whose.values()}
        assert all(share == sorted(share) for share in shares.values())


def test_nobody_begins_before_all_are_there():
    """Each question waits for one of every other client: with clients one after the other that would never end."""
    together = threading.Barrier(3, timeout=60)
    Clients(3, lambda: 0.0).ask(lambda i: together.wait(), 3)


def test_time_runs_from_the_first_question_to_the_last_answer():
    """Two clients take turns by hand on one clock: 0 begins at 10, 1 at 11, 0 ends at 12, 1 at 15."""
    times = {("start", 0): 10.0, ("start", 1): 11.0, ("end", 0): 12.0, ("end", 1): 15.0}
    local = threading.local()

    def clock():
        if not hasattr(local, "mine"):
            local.mine = numbers.pop()
            return times["start", local.mine]
        return times["end", local.mine]

    numbers = [0, 1]
    assert Clients(2, clock).ask(lambda i: None, 2) == 5.0


def test_what_a_question_raised_comes_out_and_the_others_finish():
    asked = []

    def ask(i):
        asked.append(i)
        if i == 1:
            raise RuntimeError("no answer")

    clients = Clients(2, lambda: 0.0)
    with pytest.raises(RuntimeError, match="no answer"):
        clients.ask(ask, 6)
    assert sorted(asked) == [0, 1, 2, 4]
    asked.clear()
    clients.ask(asked.append, 4)
    assert sorted(asked) == [0, 1, 2, 3]


def test_without_threads_to_be_had_nobody_waits_for_ever(monkeypatch):
    clients = Clients(3, lambda: 0.0)
    real, started = threading.Thread.start, []

    def start(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        clients.ask(lambda i: None, 3)
    for thread in started:
        assert thread.name.startswith("client")
    clients._pool.shutdown()  # ends at once: none of them waits

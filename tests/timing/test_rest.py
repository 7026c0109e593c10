"""Coming to rest, with a processor clock that is set by hand."""

import threading
import time

import numpy as np

from idxbench.timing.rest import LONGEST_S, PAUSE_S, come_to_rest


class Machine:
    """Threads that use the processor for some more seconds, and sleeps that are counted."""

    def __init__(self, spinning_s):
        self.left, self.used, self.slept = spinning_s, 0.0, 0.0

    def cpu(self):
        return self.used

    def sleep(self, seconds):
        spun = min(seconds, self.left)
        self.left -= spun
        self.used += spun
        self.slept += seconds


def rested(spinning_s):
    machine = Machine(spinning_s)
    come_to_rest(machine.cpu, machine.sleep)
    return machine


def test_it_waits_until_the_last_thread_sleeps():
    for spinning_s in (0.0, 0.011, 0.1):
        machine = rested(spinning_s)
        assert machine.left == 0
        assert spinning_s <= machine.slept <= spinning_s + 2 * PAUSE_S + 1e-9


def test_a_process_at_rest_costs_one_pause():
    assert rested(0.0).slept == PAUSE_S


def test_it_does_not_wait_for_ever():
    assert abs(rested(1e9).slept - LONGEST_S) < PAUSE_S


def test_the_real_clock_sees_the_work_of_other_threads():
    """A thread that multiplies until it is told to stop is waited for; how long is not looked at."""
    stop = threading.Event()

    def work():
        a = np.ones((200, 200))
        while not stop.is_set():
            a @ a

    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 20:
            stop.set()
            thread.join()
        # Until the other thread has had its share of a busy machine.
        deadline, before = time.monotonic() + 10, time.process_time()
        while not stop.is_set() and time.process_time() - before < PAUSE_S and time.monotonic() < deadline:
            time.sleep(seconds)

    thread = threading.Thread(target=work)
    thread.start()
    come_to_rest(sleep=sleep)
    assert len(pauses) >= 20

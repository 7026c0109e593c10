"""The peak of this process, against memory whose size is known."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy as np
from idxbench.timing.memory import peak_since, start_peak
before = np.ones(300_000_000 // 8)         # 300 MB that came and went must not count
del before
base = start_peak()
held = np.ones(80_000_000 // 8)            # 80 MB held
gone = np.ones(40_000_000 // 8); del gone  # 40 MB on top, freed again
print(base.exact, peak_since(base))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak can be reset on Linux only")
def test_peak_counts_what_was_held_at_once():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    exact, peak = done.stdout.split()
    assert exact == "True"
    assert 118e6 < int(peak) < 126e6

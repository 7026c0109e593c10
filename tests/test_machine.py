"""The name of a machine: the same every night, whatever the kernel keeps for itself."""

import pytest

from idxbench.machine import environment, machine_name
from idxbench.store.history import check_machine

XEON = "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"
RYZEN = "AMD Ryzen 7 5800X 8-Core Processor"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("AMD EPYC", 2, 25_276_518_400, "x86_64"), "amd-epyc-2-cores-24-gb-x86-64"),
        ((XEON, 28, 135 * 10**9, "x86_64"), "intel-xeon-e5-2680-v4-28-cores-128-gb-x86-64"),
        ((RYZEN, 16, 33_500_000_000, "x86_64"), "amd-ryzen-7-5800x-8-core-16-cores-32-gb-x86-64"),
        (("", 4, 2**29, "aarch64"), "4-cores-0.5-gb-aarch64"),
    ],
)
def test_worked_out_by_hand(given, name):
    assert machine_name(*given) == name
    assert check_machine(name) == name


def test_what_the_kernel_keeps_does_not_matter():
    names = {machine_name("AMD EPYC", 2, int(24 * 2**30 * share), "x86_64") for share in (0.93, 0.96, 0.98, 1.0)}
    assert len(names) == 1


def test_the_environment_names_it(monkeypatch):
    monkeypatch.delenv("IDXBENCH_MACHINE", raising=False)
    assert environment(1)["machine"] == environment(2)["machine"] == check_machine(environment(1)["machine"])
    monkeypatch.setenv("IDXBENCH_MACHINE", "ci-7")
    assert environment(1)["machine"] == "ci-7"

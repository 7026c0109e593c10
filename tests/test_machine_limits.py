"""What a process may use of its machine: processors, and time of them by control groups laid out by hand."""

import os

import pytest

from idxbench import machine
from idxbench.machine import affinity, cgroup_quota, environment, usable_cores


@pytest.fixture
def tree(tmp_path):
    """Write control groups: files by path, and the kernel's list of this process's groups."""

    def write(groups, **files):
        for path, text in files.items():
            target = tmp_path / "fs" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        (tmp_path / "groups").write_text(groups)
        return cgroup_quota(tmp_path / "fs", tmp_path / "groups")

    return write


def test_the_smallest_limit_up_the_tree_counts(tree):
    files = {
        "cpu.max": "max 100000\n",
        "a.slice/cpu.max": "150000 100000\n",
        "a.slice/b.scope/cpu.max": "400000 100000\n",
        "other.slice/cpu.max": "10000 100000\n",
    }
    assert tree("0::/a.slice/b.scope\n", **files) == 1.5
    assert tree("0::/c.slice\n", **files) is None


def test_a_container_sees_its_own_limit_at_the_root(tree):
    """Whatever path the host calls it by, which is not there inside."""
    assert tree("0::/../../docker/123\n", **{"cpu.max": "50000 100000\n"}) == 0.5


def test_limits_of_version_1(tree):
    files = {"cpu/jobs/cpu.cfs_quota_us": "250000\n", "cpu/jobs/cpu.cfs_period_us": "100000\n"}
    files |= {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert tree("4:memory:/jobs\n3:cpu,cpuacct:/jobs\n0::/\n", **files) == 2.5
    assert tree("4:cpuset,memory:/jobs\n3:cpu:/\n", **files) is None


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3", "max", "0 0"])
def test_what_does_not_parse_is_no_limit(tree, text):
    assert tree("0::/\n", **{"cpu.max": text}) is None


def test_where_there_are_no_control_groups_there_is_no_limit(tmp_path):
    assert cgroup_quota(tmp_path, tmp_path / "missing") is None


def test_usable_cores_are_those_of_affinity_and_quota(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5, 7}, raising=False)
    for quota, cores in ((None, 4), (2.5, 2), (0.5, 1), (64.0, 4)):
        monkeypatch.setattr(machine, "cgroup_quota", lambda quota=quota: quota)
        assert usable_cores() == cores


def test_the_environment_says_which_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 1}, raising=False)
    monkeypatch.setattr(machine, "cgroup_quota", lambda: 1.5)
    told = environment(2)
    assert (told["affinity"], told["cgroup_quota"], told["cores_usable"]) == ([1, 3], 1.5, 1)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert affinity() is None

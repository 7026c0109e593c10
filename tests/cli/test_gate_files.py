"""What ``idxbench gate`` leaves: its files, a step summary, annotations; and nothing of yesterday."""

import json
import xml.etree.ElementTree as ET

import pytest

from idxbench.cli.gate import command
from tests.cli.gated import FILES, two
from tests.verdicts.runs.examples import Arm


def test_2_files_that_cannot_be_written(night, call, tmp_path):
    two(night)
    (tmp_path / "file").write_text("")
    done = call("gate", "results/2", "--baseline", "results/1", "--out", "file/gate", code=2)
    assert "a folder this user can write to" in done.stderr


def test_github(night, call, tmp_path):
    two(night, arms=[Arm(recall_shift=-0.02)])
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "step.md")}
    (tmp_path / "step.md").write_text("held before\n")
    said = call("gate", "results/2", "--baseline", "results/1", code=1, **github).stdout
    lines = [line for line in said.splitlines() if line.startswith("::")]
    assert lines[0].startswith("::error title=idxbench gate::regressed (exit 1)")
    assert any(line.startswith("::error title=regressed%3A recall@task::") for line in lines)
    assert any(line.startswith("::notice title=advisory%3A qps_batch::") for line in lines)
    assert all(sum(line.startswith(f"::{kind}") for line in lines) <= 10 for kind in ("error", "warning", "notice"))
    summary = (tmp_path / "step.md").read_text()
    assert summary.startswith("held before\n## idxbench gate: regressed")
    said = call("gate", "results/2", "--baseline", "results/2", code=2, **github).stdout
    assert said.startswith("::error title=idxbench gate::error (exit 2)")


def test_a_step_summary_that_cannot_be_written_is_told_and_changes_nothing(night, call, tmp_path):
    two(night)
    done = call("gate", "results/2", "--baseline", "results/1", GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "step.md"))
    assert "GITHUB_STEP_SUMMARY: No such file" in done.stderr


@pytest.fixture
def broken(night, tmp_path, monkeypatch):
    """Return a function that gates in this process, with something else in the place of the gate itself."""

    def run(error):
        def fail(_):
            raise error

        two(night)
        (tmp_path / "out").mkdir(exist_ok=True)
        for name in FILES:
            (tmp_path / "out" / name).write_text("yesterday's")
        monkeypatch.setattr("idxbench.verdicts.gate.gating.run_gate", fail)
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        with pytest.raises(type(error)):
            command(str(tmp_path / "results" / "2"), "x", out=tmp_path / "out")
        return sorted(path.name for path in (tmp_path / "out").iterdir())

    return run


def test_a_gate_that_is_stopped_leaves_no_verdict_of_yesterday(broken):
    assert broken(KeyboardInterrupt()) == []


def test_4_a_bug_of_ours_leaves_a_verdict(broken, tmp_path):
    assert broken(ZeroDivisionError("x")) == FILES
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert verdict["exit_code"] == 4
    assert verdict["reasons"] == ["a bug in idxbench: ZeroDivisionError: x"]


def test_odd_names_reach_every_file(night, gate, tmp_path):
    odd = "a|b `c` <d> [e] &amp; ::error::"
    night("1", arms=[Arm(odd)])
    night("2", arms=[Arm(odd, recall_shift=-0.02)])
    gate("results/2", "--baseline", "results/1", code=1)
    text = (tmp_path / "results/2/gate/junit.xml").read_text()
    assert any(odd in case.attrib["name"] for case in ET.fromstring(text).iter("testcase"))
    assert r"a\|b \`c\` \<d>" in (tmp_path / "results/2/gate/summary.md").read_text()

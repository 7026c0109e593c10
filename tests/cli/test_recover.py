"""``idxbench run`` with a table ``[recover]``, as a user would."""

LAB = """
name = "lab"
tasks = []
[data]
source = "simulated"
n_users = 400
n_items = 80
n_clusters = 3
rank = 6
[[strategy]]
transform = "normalized"
[[strategy]]
name = "project back"
transform = { kind = "covariance", center = false }
[recover]
seeds = 2
heatmaps = true
[[recover.model]]
name = "objective 1"
[[recover.model]]
name = "objective 2"
objective = 2
regularization = 5.0
"""


def test_a_run_prints_its_table_and_draws(call, tmp_path):
    (tmp_path / "lab.toml").write_text(LAB)
    done = call("run", "lab.toml", "--threads", 2, "--out", "out")
    assert "Recover: the true clusters, 2 seeds" in done.stdout
    assert "objective 2" in done.stdout
    (folder,) = (tmp_path / "out").iterdir()
    assert (folder / "heatmaps.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "recover.csv").read_text().startswith("model,strategy,similarity,seed,auc,ari\n")
    assert "project back" in call("report", folder).stdout


def test_a_plan_names_the_task(call, tmp_path):
    (tmp_path / "lab.toml").write_text(LAB)
    assert "tasks: recover" in call("run", "lab.toml", "--plan").stdout


def test_what_does_not_fit_ends_before_any_work(call, tmp_path):
    (tmp_path / "lab.toml").write_text('[data]\nsource = "digits"\n[recover]\nheatmaps = ["a"]\n')
    done = call("run", "lab.toml", "--out", "out", code=2)
    assert "lab.toml: recover.seeds" in done.stderr
    assert "lab.toml: recover.heatmaps[0]" in done.stderr
    assert "set recover.seeds = 1" in done.stderr
    assert not (tmp_path / "out").exists()


def test_misspelled_keys_are_named_with_the_nearest(call, tmp_path):
    text = LAB.replace("seeds = 2", "seed = 2").replace("objective = 2\nreg", 'gauge = "d^2"\nstandardise = true\nreg')
    (tmp_path / "lab.toml").write_text(text)
    done = call("run", "lab.toml", code=2)
    assert "did you mean 'seeds'?" in done.stderr
    assert "recover.model[1].standardise" in done.stderr
    assert "did you mean 'standardize'?" in done.stderr
    assert "recover.model[1].gauge" in done.stderr
    (tmp_path / "lab.toml").write_text(
        LAB.replace("[[recover.model]]\nname", "[recover.model]\nname", 1).split("[[recover.m")[0]
    )
    assert "write [[recover.model]], with two brackets" in call("run", "lab.toml", code=2).stderr
    (tmp_path / "lab.toml").write_text(LAB.replace("heatmaps = true", 'heatmaps = ["a\\u0001"]'))
    assert "recover.heatmaps[0]" in call("run", "lab.toml", code=2).stderr

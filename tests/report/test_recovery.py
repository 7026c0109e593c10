"""The table and the picture of the recover task, from records and arrays written by hand."""

import builtins
import io
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from idxbench.records import Measurement, Run
from idxbench.report.heatmaps import draw_heatmaps, scale_floor
from idxbench.report.recovery import recovery_table

NAN = math.nan


def row(strategy, metric, value, model="", arms=(NAN, NAN), similarity="cosine", reference="labels"):
    build = f'{{"model":"{model}"}}' if model else ""
    low, high = value - arms[0], value + arms[1]
    return Measurement(
        "recover", strategy, similarity, "", build, "", 0, metric, reference, value, low, high, 5, "share"
    )


CHANCE = [row("", "auc", 0.5, reference="chance"), row("", "ari", 0.0, reference="chance")]


def text_of(rows, seeds=5):
    run = Run(Path("somewhere"), {"recover": {"seeds": seeds, "kmeans_seeds": 3}}, (*rows, *CHANCE))
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(recovery_table(run))
    return console.file.getvalue()


def lines_of(text):
    return [line.split() for line in text.splitlines()]


def test_models_are_named_once_and_strategies_under_them():
    text = text_of(
        [
            row("raw", "auc", 0.75, "one", (0.02, 0.02)),
            row("raw", "ari", 0.5, "one", (0.1, 0.1)),
            row("by dot", "auc", 0.9, "one", (0.02, 0.01), similarity="dot"),
            row("raw", "auc", 1.0, "[two]", (0.0, 0.0)),
            row("raw", "ari", -0.01, "[two]", (0.03, 0.03)),
        ]
    )
    lines = lines_of(text)
    assert ["one", "raw", "cosine", ".750", "±.020", ".500", "±.100"] in lines
    assert ["by", "dot", "dot", ".900", "±.020", "–"] in lines
    assert ["[two]", "raw", "cosine", "1.000", "±.000", "-.010", "±.030"] in lines
    assert ["chance", ".500", ".000"] in lines
    assert "5 seeds" in text
    assert "recover.csv holds every" in text
    assert "task-specific" not in text


def test_one_seed_has_no_spread_and_one_model_no_column():
    text = text_of([row("raw", "auc", 0.75), row("task-specific M", "auc", 0.8)], seeds=1)
    lines = lines_of(text)
    assert ["raw", "cosine", ".750", "–"] in lines
    assert "model" not in lines[1:4][0]
    assert "±" not in text
    assert "fitted on the labels of one half" in " ".join(text.split())


def test_nothing_recovered_still_prints():
    assert ["chance", ".500", ".000"] in lines_of(text_of([]))


def panels(folder, n=30, names=("a", "b <&> $\\frac$"), low=-0.35):
    codes = np.sort(np.arange(n) % 3)
    cosines = np.full((len(names), n, n), low)
    cosines[0] = codes[:, None] == codes[None, :]
    arrays = {"panels": np.array(names), "cosines": cosines.astype(np.float16), "codes": codes}
    arrays["class_names"] = np.array(["$\\bad{$", "a class with a rather long name", "c"])
    np.savez_compressed(folder / "heatmaps.npz", order=np.array("by hand"), **arrays)
    return folder / "heatmaps.npz"


def pixels(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_the_picture_is_a_png_and_the_same_each_time(tmp_path):
    source = panels(tmp_path)
    first = draw_heatmaps(source, tmp_path / "one.png").read_bytes()
    assert draw_heatmaps(source, tmp_path / "two.png").read_bytes() == first
    wide, high = pixels(tmp_path / "one.png")
    assert wide == 2000  # three panels and the bar: 10 inches
    assert high == 720


def test_all_panels_have_one_scale_that_single_outliers_do_not_widen():
    assert scale_floor(np.array([0.2, 0.9])) == 0.0
    assert scale_floor(np.array([-0.35, 0.9])) == pytest.approx(-0.4)
    assert scale_floor(np.concatenate([np.full(5000, 0.1), [-1.0]])) == 0.0
    assert scale_floor(np.array([-1.0009, 0.9])) == -1.0


def test_colours_get_lighter_all_the_way():
    from matplotlib import colormaps

    from idxbench.report.heatmaps import COLOURS

    colours = colormaps[COLOURS](np.linspace(0, 1, 64))[:, :3]
    assert (np.diff(colours @ [0.299, 0.587, 0.114]) > 0).all()


def test_more_panels_than_a_line_holds_and_many_classes(tmp_path):
    names = [f"panel {number}" for number in range(7)]
    draw_heatmaps(panels(tmp_path, names=names), tmp_path / "many.png")
    assert pixels(tmp_path / "many.png") == (2600, 1360)
    codes = np.arange(30)
    np.savez(
        tmp_path / "c.npz",
        panels=["a"],
        cosines=np.zeros((1, 30, 30)),
        codes=codes,
        order="x",
        class_names=codes.astype(str),
    )
    assert draw_heatmaps(tmp_path / "c.npz", tmp_path / "c.png").is_file()


def test_matplotlib_is_not_needed_to_import(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    import importlib

    import idxbench.report.heatmaps as module

    importlib.reload(module)

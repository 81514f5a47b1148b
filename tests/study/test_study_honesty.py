"""A study's honesty: what it may read when, what it finds out, what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from study_cases import clusters, study

from codelayer.data.load import load_data
from codelayer.errors import DataError
from codelayer.study.look import leaks
from codelayer.study.parts import make_parts


def test_the_report_part_does_not_sway_the_choice(tmp_path: Path):
    """Poison: garbage in the report rows changes the reported figures and nothing that was decided before."""
    x, y = clusters()
    parts = make_parts(load_data(x, label=y), None, None, seed=0)
    poisoned = x.copy()
    poisoned[parts.report] = np.random.default_rng(5).normal(size=(len(parts.report), x.shape[1])) * 50
    clean, dirty = (study(tmp_path / name, data, label=y) for name, data in (("clean", x), ("dirty", poisoned)))
    for key in ("winner", "best_code", "ties", "counts", "rows"):
        assert clean[key] == dirty[key]
    assert clean["area"]["raw"]["value"] > dirty["area"]["raw"]["value"] + 0.2
    weights = [(tmp_path / name / "bundle" / "weights.safetensors").read_bytes() for name in ("clean", "dirty")]
    assert weights[0] == weights[1]


def test_the_report_part_is_locked_until_it_is_opened():
    x, y = clusters()
    parts = make_parts(load_data(x, label=y), None, None, seed=0)
    with pytest.raises(RuntimeError, match="at the end"):
        parts.rows("report")
    with pytest.raises(RuntimeError, match="at the end"):
        parts.labels("report")
    parts.open_report()
    assert len(parts.rows("report")) == len(parts.report)


def test_a_leak_duplicates_and_time_are_found_out(tmp_path: Path, labelled_csv: Path):
    verdict = study(tmp_path / "out", str(labelled_csv), label="label")
    told = "\n".join(verdict["warnings"])
    assert "'leaky' alone predicts the label" in told and "--drop leaky" in told
    assert "12 rows repeat another row exactly" in told
    assert "random split" in told and "--time when" in told
    dropped = study(tmp_path / "dropped", str(labelled_csv), label="label", drop=("leaky",))
    assert "leaky" not in "\n".join(dropped["warnings"])


def test_a_useless_code_is_near_chance_and_does_not_win(tmp_path: Path):
    x, y = clusters()
    path = tmp_path / "useless.npy"
    np.save(path, np.random.default_rng(3).normal(size=(len(x), 4)).astype(np.float32))
    verdict = study(tmp_path / "out", x, label=y, codes=(str(path),), rivals=("pca",))
    area = verdict["area"]["useless"]
    assert area["low"] - 0.08 < verdict["chance"] < area["high"] + 0.08
    assert verdict["winner"] != "useless" and "useless" not in verdict["ties"]


def test_a_column_that_leaks_in_an_array_is_named_by_its_number():
    x, y = clusters()
    x[:, 3] = [int(name[-1]) for name in y]
    assert leaks(x, y, "class")[0][0] == "column 3"
    assert leaks(np.delete(x, 3, axis=1), y, "class") == []


def test_unlabelled_rows_train_codes_and_are_never_scored():
    x, y = clusters()
    y[::4] = None
    parts = make_parts(load_data(x, label=y), None, None, seed=0)
    parts.open_report()
    for name in ("choose", "report"):
        assert all(value is not None for value in parts.labels(name))
    assert set(np.flatnonzero([v is None for v in y])) <= set(parts.train)


def test_rows_of_one_group_and_duplicates_stay_on_one_side(labelled_csv: Path):
    data = load_data(str(labelled_csv), label="label", group="who")
    parts = make_parts(data, None, None, seed=0)
    parts.open_report()
    sides = [set(parts.groups(name)) for name in ("choose", "report")]
    assert not sides[0] & sides[1]


def test_a_split_by_time_reports_on_the_latest_rows(labelled_csv: Path):
    data = load_data(str(labelled_csv), label="label", time="when")
    parts = make_parts(data, None, None, seed=0)
    times = np.asarray(data.times)
    assert times[parts.report].min() >= times[parts.choose].max()


def test_without_labels_the_ranking_is_headed_fidelity_not_usefulness(tmp_path: Path):
    x, _ = clusters()
    verdict = study(tmp_path / "out", x, rivals=("pca", "kmeans", "undercomplete"))
    assert verdict["heading"] == "fidelity, not usefulness"
    assert verdict["winner"] != "raw"
    assert "Fidelity, not usefulness" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_labels_that_are_all_equal_are_refused():
    x, _ = clusters()
    with pytest.raises(DataError, match="class"):
        make_parts(load_data(x, label=np.array(["class 0"] * len(x), dtype=object)), None, None, seed=0)


def test_every_figure_has_its_interval_and_chance(tmp_path: Path):
    x, y = clusters()
    verdict = study(tmp_path / "out", x, label=y)
    rows = pq.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert set(rows[0]) == {"rival", "metric", "value", "low", "high", "n", "chance", "seconds"}
    for row in rows:
        if row["metric"].startswith("linear_area") or row["metric"].startswith("linear@"):
            assert row["low"] <= row["value"] <= row["high"]
            assert row["chance"] == pytest.approx(1 / 3)
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["winner"] == verdict["winner"]


def test_the_same_seed_gives_the_same_figures(tmp_path: Path):
    x, y = clusters()
    one, two = (study(tmp_path / name, x, label=y) for name in "ab")
    for key in ("area", "winner", "gain_over_raw", "ties"):
        assert one[key] == two[key]

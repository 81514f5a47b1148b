"""Heads and forests inside the graph: probabilities, labels of every type, numbers."""

from __future__ import annotations

import numpy as np
import pytest
from coder_cases import frame, rows
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from codelayer import BundleError, ExportError, Head, Headed, Pca, RawFeatures, Table, bundle, load
from codelayer.export import checks, feeds, onnx_bytes, session, to_onnx
from codelayer.export.graphs import label_table
from codelayer.learn.forest import Forest
from codelayer.learn.headed_forest import ForestHead, HeadedForest

RNG = np.random.default_rng(5)


def headed(classes: tuple, task: str = "class") -> Headed:
    outputs = len(classes) or 1
    weight = RNG.normal(size=(3, outputs)).astype(np.float32)
    return Headed(Pca(3).fit(frame()), Head(task, classes, weight, RNG.normal(size=outputs).astype(np.float32)))


def said(model: Headed, x) -> dict[str, np.ndarray]:
    opened = session(onnx_bytes(model, x))
    fed = feeds(model.schema_, model.code._rows(x, reset=False), model.head.task)
    return dict(zip([one.name for one in opened.get_outputs()], opened.run(None, fed), strict=True))


def grown(task: str) -> HeadedForest:
    x = rows()
    y = np.where(x[:, 0] > 3, "high", np.where(x[:, 1] > 0, "mid", "low")) if task == "class" else x[:, 0] * x[:, 1]
    raw = RawFeatures().fit(x)
    kind = RandomForestClassifier if task == "class" else RandomForestRegressor
    return HeadedForest(raw, ForestHead.of(Forest.of(kind(12, random_state=0).fit(raw.transform(x), y))))


def test_a_head_gives_probabilities_and_labels_after_the_code():
    model, x = headed(("red", "green", "été")), frame()
    found = said(model, x)
    assert list(found) == ["code", "probabilities", "label"]
    assert np.abs(found["probabilities"] - model.predict_proba(x)).max() < 1e-5
    assert found["label"].tolist() == model.predict(x).tolist()


def test_a_head_for_numbers_gives_one_per_row():
    model, x = headed((), "number"), frame()
    found = said(model, x)
    assert list(found) == ["code", "number"] and found["number"].shape == (60,)
    assert np.abs(found["number"] - model.predict(x)).max() < 1e-5


@pytest.mark.parametrize(
    ("classes", "kind"),
    [((0.0, 1.0, 9.0), "i"), ((False, True), "b"), ((0.5, 1.5), "f"), ((3, 5), "i"), (("a", 2), "O")],
)
def test_labels_have_one_type(classes, kind):
    table = label_table(classes)
    assert table.dtype.kind == kind
    assert [str(one) for one in table] == [str(one) for one in classes] or table.tolist() == list(classes)


@pytest.mark.parametrize("task", ["class", "number"])
def test_a_forest_is_saved_loaded_and_exported_with_the_same_answers(task, tmp_path):
    model, x = grown(task), rows() + 0.01
    model.save(tmp_path / "forest")
    back = load(tmp_path / "forest")
    assert isinstance(back, HeadedForest) and back.predict(x).tolist() == model.predict(x).tolist()
    found = said(back, x)
    if task == "class":
        assert found["label"].tolist() == model.predict(x).tolist()
        assert np.abs(found["probabilities"] - model.predict_proba(x)).max() < 1e-5
    else:
        assert np.allclose(found["number"], model.predict(x), rtol=1e-5, atol=1e-4)


def test_a_centred_forest_answers_alike_and_leaves_no_value_on_a_threshold():
    # of 30, 55 and 80 (and of tenths) some nodes see two: their threshold is the third
    x = RNG.integers(0, 3, (300, 4)) * [25, 0.1, 100.5, 1e-3] + [30, 0.1, 1e4, 0]
    y = (x[:, 0] > 40) ^ (x[:, 1] > 0.15) ^ (RNG.random(300) < 0.2)
    table = Table({f"c{i}": x[:, i] for i in range(4)})
    raw = RawFeatures().fit(table)
    codes = raw.transform(table)
    forest = Forest.of(RandomForestClassifier(50, random_state=0).fit(codes, y))
    centred = forest.centred(codes)
    assert np.array_equal(centred.outputs(codes), forest.outputs(codes))

    def nearest(one: Forest) -> float:
        inner = one.feature >= 0
        return float(np.abs(codes[:, one.feature[inner]] - one.threshold[inner]).min())

    assert nearest(forest) < 1e-6 and nearest(centred) > 0.1
    found = said(HeadedForest(raw, ForestHead.of(centred)), table)
    assert np.abs(found["probabilities"] - centred.outputs(codes)).max() < 1e-5


def test_a_forest_whose_branches_lead_in_circles_is_refused(tmp_path):
    grown("number").save(tmp_path / "forest")
    found = bundle.read(tmp_path / "forest")
    for name, change in (
        ("forest.children", lambda a: np.zeros_like(a)),
        ("forest.children", lambda a: a + 10_000),
        ("forest.feature", lambda a: a + 100),
        ("forest.roots", lambda a: a - 1),
        ("forest.value", lambda a: a[:-1]),
    ):
        bad = {**found.tensors, name: change(found.tensors[name])}
        with pytest.raises(BundleError, match="does not hold a forest"):
            bundle.restore(bundle.Bundle("forest", found.plan, bad, found.golden))


def test_a_difference_is_a_share_of_the_codes_scale():
    given = np.array([[1.0, -1.0], [-1.0, 1.0], [1000.0, 0.0]])
    assert checks.difference(given, given) == 0
    made = given + [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    assert checks.difference(given, made) == pytest.approx(1 / 1000)  # of its own row, which is larger
    scale = np.sqrt(np.mean((given - given.mean(0)) ** 2))
    assert checks.difference(given, given + [[0, 1], [0, 0], [0, 0]]) == pytest.approx(1 / scale)
    assert checks.difference(given, given * np.nan) == np.inf
    with pytest.raises(ExportError, match="shape"):
        checks.difference(given, given[:2])


def test_an_export_that_differs_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    model = headed(("a", "b"))
    with pytest.raises(ExportError, match="differs from the model by .* of the code's scale"):
        to_onnx(model, tmp_path / "m.onnx", frame(), tolerance=1e-12)
    data = onnx_bytes(model, frame())
    other = Headed(model.code, Head("class", ("b", "a"), model.head.weight, model.head.intercept))
    with pytest.raises(ExportError, match=r"of 62 labels differ, first in row 0"):
        checks.compared(other, data, frame(), 1e-4)
    (tmp_path / "kept.onnx").write_bytes(b"old")
    with pytest.raises(ExportError, match="tolerance=0"):
        to_onnx(model, tmp_path / "kept.onnx", tolerance=0)
    assert [one.name for one in tmp_path.iterdir()] == ["kept.onnx"]
    assert (tmp_path / "kept.onnx").read_bytes() == b"old"

"""New concepts, robustness and nuisance: what a code is worth beyond the task it was made for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.robustness import KINDS, chosen_kinds, corrupted

X, Y = load_digits().data / 16, load_digits().target
PICTURES = X.reshape(-1, 8, 8, 1).astype(np.float32)
RNG = np.random.default_rng(0)


def flat(x):
    return np.asarray(x).reshape(len(x), -1)


# --- new concepts ---------------------------------------------------------------------------------------------------


def test_new_concepts_names_unseen_classes_alone_and_states_chance():
    found = METRICS["new_concepts"].read({"codes": X, "labels": Y}, {"seen": (0, 1, 2, 3, 4, 5, 6), "episodes": 50})
    assert found.more["classes"] == found.more["ways"] == 3 and found.chance == pytest.approx(1 / 3)
    assert found.n <= (Y > 6).sum() and found.note == ""
    assert 0.75 < found.value < 0.95 and found.low < found.value < found.high
    every = METRICS["new_concepts"].read({"codes": X, "labels": Y}, {"episodes": 50})
    assert every.chance == 0.2 and "taken as new" in every.note
    one_hot = np.eye(10)[Y]
    assert METRICS["new_concepts"](one_hot, Y, episodes=20) == 1.0


def test_a_code_that_merges_unseen_classes_loses_only_on_those():
    merged = np.eye(4)[np.minimum(Y, 3)] + 0.01 * RNG.standard_normal((len(Y), 4))
    assert METRICS["new_concepts"](merged, Y, seen=(4, 5, 6, 7, 8, 9), episodes=40) > 0.95
    assert METRICS["new_concepts"](merged, Y, seen=(0, 1, 2), episodes=40) == pytest.approx(0.2, abs=0.05)


def test_support_and_queries_share_no_group():
    groups = np.repeat(np.arange(300), 5)
    codes = np.repeat(RNG.standard_normal((300, 50)), 5, axis=0) + 0.05 * RNG.standard_normal((1500, 50))
    labels = (np.arange(300) % 5)[groups]
    fair = METRICS["new_concepts"].read({"codes": codes, "labels": labels, "groups": groups}, {"shots": 20})
    leaking = METRICS["new_concepts"].read({"codes": codes, "labels": labels}, {"shots": 20})
    assert fair.value == pytest.approx(0.2, abs=0.05) and leaking.value > fair.value + 0.05


def test_new_concepts_needs_two_new_classes_and_known_names():
    with pytest.raises(DataError, match="1 of 1 classes not in seen= have over 5 rows"):
        METRICS["new_concepts"](X, Y, seen=range(9))
    with pytest.raises(DataError, match="no row has the seen class 'cat'"):
        METRICS["new_concepts"](X, Y, seen=("cat",))


# --- robustness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_corruptions_keep_shape_and_kind_and_do_nothing_at_severity_0(kind):
    x = X[:20] if kind in ("scale", "offset") else PICTURES[:20]
    assert np.allclose(corrupted(x, kind, 0.0, np.random.default_rng(0)), x, atol=1e-6)
    some = corrupted(x, kind, 0.4, np.random.default_rng(0))
    assert some.shape == x.shape and some.dtype == x.dtype and not np.allclose(some, x)
    assert np.array_equal(some, corrupted(x, kind, 0.4, np.random.default_rng(0)))


def test_a_shift_moves_the_picture_by_whole_pixels():
    moved = corrupted(PICTURES[:50], "shift", 0.5, np.random.default_rng(0))
    for before, after in zip(PICTURES[:50, :, :, 0], moved[:, :, :, 0], strict=True):
        padded = np.pad(before, 2)
        assert any(np.array_equal(after, padded[i : i + 8, j : j + 8]) for i in (0, 4) for j in (0, 4))


def test_an_encoder_that_ignores_what_was_changed_keeps_everything():
    def first(x):
        return flat(x)[:, :3]

    x = np.hstack([np.eye(3)[Y % 3] * 2, RNG.standard_normal((len(Y), 3))])
    arrays = {"encode": first, "x": x, "labels": Y % 3}
    found = METRICS["robust_area"].read(arrays, {"kinds": ("scale",)})
    assert found.value == pytest.approx(1, abs=0.02) and found.more["clean"] == 1.0
    noisy = METRICS["robust_area"].read(arrays, {"kinds": ("mask",)})
    assert noisy.value < 0.95 and noisy.more["curves"]["mask"][0] > noisy.more["curves"]["mask"][-1]


def test_pictures_are_shifted_turned_and_lit_and_the_curves_fall():
    found = METRICS["robust_area"].read({"encode": flat, "x": PICTURES, "labels": Y})
    assert list(found.more["curves"]) == ["noise", "mask", "shift", "rotation", "brightness"]
    assert 0.3 < found.value < 0.9 and found.low < found.value < found.high
    for name, line in found.more["curves"].items():
        assert line[0] >= line[-1] - 0.02, name
    assert found.more["kept"]["brightness"] > found.more["kept"]["rotation"]


def test_robustness_of_numbers_and_its_errors():
    told = X @ RNG.standard_normal(64)
    found = METRICS["robust_area"].read({"encode": flat, "x": X, "labels": told})
    assert found.more["clean"] > 0.95 and found.value < 1
    with pytest.raises(DataError, match="no corruption is called 'nois'; did you mean"):
        chosen_kinds(X, ("nois",))
    with pytest.raises(DataError, match="shift does not fit x of shape"):
        chosen_kinds(X, ("shift",))
    with pytest.raises(DataError, match="chance is 0.100"):
        METRICS["robust_area"](encode=lambda x: np.ones((len(x), 2)), x=X, labels=Y)
    widths = iter(range(2, 90))
    with pytest.raises(DataError, match=r"3 units for \d+ samples, 2 units before"):
        METRICS["robust_area"](encode=lambda x: x[:, : next(widths)], x=X, labels=Y)


# --- nuisance -------------------------------------------------------------------------------------------------------


def test_a_suppressed_nuisance_is_read_at_chance_beside_its_label():
    speaker = RNG.integers(3, size=900)
    label = RNG.integers(2, size=900)
    clean = np.eye(2)[label] + 0.1 * RNG.standard_normal((900, 2))
    told = np.hstack([clean, np.eye(3)[speaker] + 0.1 * RNG.standard_normal((900, 3))])
    options = {"draws": 5, "largest": 50}
    good = METRICS["nuisance_area"].read({"codes": clean, "nuisance": speaker, "labels": label}, options)
    bad = METRICS["nuisance_area"].read({"codes": told, "nuisance": speaker, "labels": label}, options)
    assert good.value == pytest.approx(good.chance, abs=0.05) and good.chance == pytest.approx(1 / 3)
    # one label per class tells two clouds from three by luck; five are enough
    assert min(bad.more["scores"][1:]) > 0.99 and bad.value > 0.9 and bad.more["knn"] > 0.85
    assert good.more["label"] > 0.95 and bad.more["label"] > 0.85


def test_groups_that_tell_the_nuisance_cannot_be_parted_and_the_note_says_so():
    speaker = RNG.integers(3, size=300)
    arrays = {"codes": np.eye(3)[speaker], "nuisance": speaker, "groups": speaker, "labels": np.zeros(300)}
    found = METRICS["nuisance_area"].read(arrays, {"draws": 3})
    assert found.value == 1.0 and "rows of one group stand on both sides" in found.note and "label" not in found.more
    arrays["groups"] = np.arange(300) // 2
    assert METRICS["nuisance_area"].read(arrays, {"draws": 3}).note == ""

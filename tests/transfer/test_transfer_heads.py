"""Heads, cross-validated scores, distances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import LeaveOneOut, cross_val_score

from codelayer.errors import DataError
from codelayer.learn.reference import described
from codelayer.transfer.heads import ALPHAS, LinearHead, RidgeHead, folded, make_head
from codelayer.transfer.scoring import Joint, Scored, beside, folds_of, probe, row_weights, scored
from codelayer.transfer.similarity import auc_ends, distances, frechet, mmd, stored_distance, told_apart
from codelayer.transfer.weak import leep

RNG = np.random.default_rng(0)


def clouds(n: int = 90, width: int = 6, classes: int = 3, gap: float = 2.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, width)) + gap * np.eye(width)[y], y


# --- heads ----------------------------------------------------------------------------------------------------------


def test_the_linear_head_is_logistic_regression_at_the_strength_it_chose():
    x, y = clouds()
    head = LinearHead().fit(x, y)
    peer = LogisticRegression(C=head.strength_, tol=1e-10, max_iter=5000).fit(x, y)
    np.testing.assert_allclose(head.predict_proba(x), peer.predict_proba(x), atol=2e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_ridge_head_decides_as_ridge_at_the_strength_with_the_least_error_left_out(classes):
    x, y = clouds(60, classes=classes, gap=1.0)
    head = RidgeHead().fit(x, y)
    peer = RidgeClassifier(head.strength_).fit(x, y)
    np.testing.assert_array_equal(head.predict(x), peer.predict(x))
    targets = np.where(y[:, None] == np.unique(y)[None, :], 1.0, -1.0)
    if classes == 2:
        targets = targets[:, 1:]

    def left_out(alpha: float) -> float:
        wrong = 0.0
        for train, test in LeaveOneOut().split(x):
            centre, level = x[train].mean(0), targets[train].mean(0)
            a = x[train] - centre
            weight = np.linalg.solve(a.T @ a + alpha * np.eye(x.shape[1]), a.T @ (targets[train] - level))
            wrong += float((((x[test] - centre) @ weight + level - targets[test]) ** 2).sum())
        return wrong

    assert head.strength_ == min(ALPHAS, key=left_out)


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_of_the_ridge_head_are_calibrated_on_other_rows(classes):
    x, y = clouds(400, classes=classes, gap=1.2)
    more, truth = clouds(4000, classes=classes, gap=1.2, seed=1)
    told = RidgeHead().fit(x, y).predict_proba(more)
    np.testing.assert_allclose(told.sum(1), 1)
    sure = told.max(1)
    right = told.argmax(1) == truth
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 0.95)):
        some = (sure > low) & (sure <= high)
        if some.sum() > 100:
            assert abs(right[some].mean() - sure[some].mean()) < 0.1


@pytest.mark.parametrize("name", ["linear", "ridge", "nearest_mean", "svm"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_folded_into_one_linear_map_decides_as_before(name, classes):
    x, y = clouds(classes=classes)
    x = (x * [1, 100, 1e-3, 1, 5, 1]).astype(np.float32)
    model = make_head(name, 6, len(x), least=20).fit(x, y)
    weight, intercept, known = folded(model)
    np.testing.assert_array_equal(known[(x @ weight + intercept).argmax(1)], model.predict(x))


def test_wide_features_are_cut_to_components_found_on_the_rows_of_the_fit_and_fold_too():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 400)), np.arange(300) % 2
    x[:, 0] += 3 * y
    model = make_head("ridge", 400, 300, least=150).fit(x, y)
    assert model.named_steps["components"].n_components_ == 256
    weight, intercept, known = folded(model)
    np.testing.assert_array_equal(known[(x @ weight + intercept).argmax(1)], model.predict(x))


def test_neighbours_are_no_linear_map():
    x, y = clouds()
    with pytest.raises(DataError, match="no linear map"):
        folded(make_head("knn", 6, 90, least=30).fit(x, y))


def test_an_unknown_head_is_refused_with_the_closest_name():
    with pytest.raises(DataError, match="did you mean 'ridge'"):
        make_head("rigde", 3, 10)
    with pytest.raises(DataError, match="for a number"):
        make_head("nearest_mean", 3, 10, "number")


def test_one_row_per_class_is_enough_for_every_head():
    x, y = clouds(3)
    for name in ("linear", "ridge", "nearest_mean", "knn", "svm"):
        assert make_head(name, 6, 3, least=1).fit(x, y).predict(x).shape == (3,)


# --- scores ---------------------------------------------------------------------------------------------------------


def test_the_mean_of_the_points_is_balanced_accuracy():
    from sklearn.metrics import balanced_accuracy_score

    y = np.repeat([0, 1, 2], [50, 20, 10])
    told = np.where(RNG.random(80) < 0.7, y, (y + 1) % 3)
    found = scored(lambda train, test: told[test], y, folds_of(y))
    assert found.mean == pytest.approx(balanced_accuracy_score(y, told), abs=1e-12)


def test_a_probe_scores_as_scikit_learns_cross_validation_does():
    x, y = clouds(gap=1.0)
    folds = folds_of(y, repeats=1)
    found = probe(x, y, folds)
    expected = cross_val_score(make_head("ridge", 6, 72, least=24), x, y, cv=folds, scoring="accuracy").mean()
    assert found.mean == pytest.approx(expected, abs=1e-12)


def test_a_probe_of_noise_is_at_chance_and_one_that_leaks_nothing():
    rng = np.random.default_rng(3)
    y = np.arange(200) % 2
    means = [probe(rng.normal(size=(200, 300)), y, folds_of(y, seed=i)).mean for i in range(10)]
    assert abs(np.mean(means) - 0.5) < 0.04


def test_the_error_is_that_of_a_mean_over_rows_and_gaps_are_paired():
    a, b = Scored(np.array([1.0, 0, 1, 1])), Scored(np.array([1.0, 0, 1, 0]))
    assert a.error == pytest.approx(np.std([1, 0, 1, 1], ddof=1) / 2)
    gap, error = a.beyond(b)
    assert gap == 0.25
    assert error == pytest.approx(np.std([0, 0, 0, 1], ddof=1) / 2)


def test_the_interval_of_a_share_is_wilsons_and_has_a_width_where_all_rows_are_right():
    from scipy.stats import binomtest

    y = np.arange(40) % 2
    for wrong in (0, 4):
        told = np.where(np.arange(40) < wrong, 1 - y, y)
        found = scored(lambda train, test, told=told: told[test], y, folds_of(y)).ends
        expected = binomtest(40 - wrong, 40).proportion_ci(method="wilson")
        np.testing.assert_allclose(found, expected, atol=0.004)
    assert Scored(np.array([2.0, 1, 1, 1])).ends[1] == 1.25  # a mean of numbers has no such bounds


def test_row_weights_make_classes_count_alike():
    y = np.array(["a"] * 9 + ["b"])
    weights = row_weights(y)
    assert weights.mean() == pytest.approx(1)
    assert weights[:9].sum() == pytest.approx(weights[9:].sum())


def test_numbers_are_scored_by_explained_variance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = x[:, 0] + 0.1 * rng.normal(size=200)
    assert probe(x, y, folds_of(y, "number"), task="number").mean > 0.9
    assert abs(probe(rng.normal(size=(200, 3)), y, folds_of(y, "number"), task="number").mean) < 0.1


def test_groups_stay_on_one_side_of_every_split():
    y, groups = np.arange(60) % 2, np.repeat(np.arange(12), 5)
    for train, test in folds_of(y, groups=groups):
        assert not set(groups[train]) & set(groups[test])


def test_every_repeat_leaves_out_each_row_once_and_only_classes_that_are_learned():
    refused = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        y, groups = np.sort(rng.integers(0, 3, 30)), rng.integers(0, int(rng.integers(3, 9)), 30)
        groups[y == 0] %= 2  # a class in two groups at most
        try:
            folds = folds_of(y, groups=groups, seed=seed)
        except DataError:
            refused += 1
            assert any(len(np.unique(groups[y == label])) < 2 for label in range(3))
            continue
        half = len(folds) // 2
        for repeat in (folds[:half], folds[half:]):
            np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in repeat])), np.arange(30))
        assert all(len(test) and np.isin(y[test], y[train]).all() for train, test in folds)
    assert refused < 30


def test_a_class_in_one_group_is_refused_by_name_with_two_classes_and_with_three():
    for classes in (2, 3):
        y = np.arange(30) % classes
        with pytest.raises(DataError, match="class 0 lies in one group.*\n.*another group"):
            folds_of(y, groups=np.where(y == 0, 0, 1 + np.arange(30) % 4))


@pytest.mark.parametrize(
    ("y", "groups", "said"),
    [(["a", "a", "b"], None, "class 'b' has one label"), ([0, 0, 1, 1], [1, 1, 1, 1], "all rows are of one group")],
)
def test_labels_that_cannot_be_split_are_refused_in_a_sentence(y, groups, said):
    with pytest.raises(DataError, match=said):
        folds_of(np.array(y), groups=None if groups is None else np.array(groups))


def test_a_stage_of_large_values_drowns_no_other():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    knows, noise = rng.normal(size=(60, 4)) + 2 * np.eye(3, 4)[y], rng.normal(size=(60, 4))
    folds = folds_of(y)
    alike, apart = (probe(beside({"a": scale * noise, "b": knows}), y, folds) for scale in (1, 1e6))
    np.testing.assert_array_equal(alike.points, apart.points)
    assert alike.mean > 0.7
    assert probe(np.concatenate([1e6 * noise, knows], 1), y, folds).mean < 0.5


def test_other_rows_are_scaled_as_those_that_stages_were_scaled_by():
    rng = np.random.default_rng(0)
    stages = {"a": 1000 * rng.normal(size=(50, 2)), "b": rng.normal(size=(50, 20))}
    both = Joint(stages)(stages)
    np.testing.assert_allclose(both.std(0), 1, rtol=1e-5)
    one = {name: values[:1] for name, values in stages.items()}
    np.testing.assert_array_equal(Joint(stages)(one), both[:1])


# --- distances ------------------------------------------------------------------------------------------------------


def test_the_distance_to_stored_statistics_is_that_to_the_rows_they_are_of():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 3
    kept = described(lambda: iter([source.astype(np.float32)]))
    alike = stored_distance(kept, source[:200])
    far = stored_distance(kept, source[:200] + 2 * source.std(0))
    scaled = [(one - source.mean(0)) / source.std(0) for one in (source, source[:200] + 2 * source.std(0))]
    expected = frechet({"mean": scaled[0].mean(0), "covariance": np.cov(scaled[0].T, bias=True)}, scaled[1])
    assert far["frechet"] == pytest.approx(expected, rel=1e-3)
    assert far["frechet"] > 20 > 10 * alike["frechet_alike"]
    assert alike["frechet"] < 2 * alike["frechet_alike"]
    with pytest.raises(DataError, match="9 rows tell no distance"):
        stored_distance(kept, source[:9])


def test_the_frechet_distance_of_gaussians_is_its_closed_form():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 4)), 2 * rng.normal(size=(70, 4)) + 1
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(s)
    root = vectors @ np.diag(values**0.5) @ vectors.T
    inner = np.linalg.eigvalsh(root @ t @ root)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * np.sqrt(inner).sum()
    assert frechet(a, b) == pytest.approx(expected, rel=1e-9)
    stored = {"mean": a.mean(0), "covariance": s}
    assert frechet(stored, b) == pytest.approx(expected, rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_mmd_is_the_sum_over_pairs_one_after_the_other():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 0.5
    both = np.concatenate([a, b])
    far = [((p - q) ** 2).sum() for i, p in enumerate(both) for q in both[i + 1 :]]
    median = np.median(far)

    def kernel(p, q):
        return sum(np.exp(-((p - q) ** 2).sum() / (median * scale)) for scale in (0.5, 1.0, 2.0))

    own = [np.mean([kernel(p, q) for i, p in enumerate(s) for j, q in enumerate(s) if i != j]) for s in (a, b)]
    cross = np.mean([kernel(p, q) for p in a for q in b])
    assert mmd(a, b)[0] == pytest.approx(sum(own) - 2 * cross, abs=1e-12)


def test_p_values_of_equal_laws_are_spread_and_those_of_others_small():
    rng = np.random.default_rng(2)
    same = [mmd(rng.normal(size=(30, 3)), rng.normal(size=(30, 3)), seed=i)[1] for i in range(40)]
    assert np.mean(np.array(same) <= 0.1) < 0.25
    assert mmd(rng.normal(size=(30, 3)), rng.normal(size=(30, 3)) + 1)[1] < 0.01


def test_distances_are_small_for_halves_of_one_set_and_saturate_for_two():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(200, 10))
    near, far = distances(a[:100], a[100:]), distances(a[:100], a[100:] + 5)
    assert near["a_distance"] < 0.5 < 1.9 < far["a_distance"]
    assert near["auc_low"] <= 0.5 <= near["auc_high"] < 0.7 < far["auc"]
    with pytest.raises(DataError, match="tell no distance"):
        distances(a[:5], a[100:])
    with pytest.raises(DataError, match="width"):
        distances(a[:, :3], a)


@pytest.mark.parametrize("n", [10, 20, 31, 40])
def test_few_rows_of_a_wide_stage_have_distances_too(n):
    a = np.random.default_rng(0).normal(size=(2 * n, 200))
    assert distances(a[:n], a[n:])["rows"] == n


def test_rows_of_one_set_are_seldom_told_apart_and_rows_of_two_always():
    rng = np.random.default_rng(5)

    def told(gap, seed):
        a = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 6))
        stages = {"first": a, "second": np.maximum(a, 0), "third": a**2}
        both = {stage: (one[:15], one[15:] + gap * one.std(0)) for stage, one in stages.items()}
        return told_apart({stage: {"auc": 0.9, "mmd_p": mmd(*one, seed)[1]} for stage, one in both.items()}) > 0.5

    assert sum(told(0, seed) for seed in range(40)) <= 5
    assert all(told(2, seed) for seed in range(5))
    one = {"auc": 0.7, "mmd_p": 0.03}
    assert told_apart({"a": one}) == 0.7
    assert told_apart({"a": one, "b": {"auc": 0.9, "mmd_p": 0.03}}) == 0.5


def test_the_interval_of_an_auc_is_the_score_form_and_has_a_width_at_the_ends():
    n = 30
    low, high = auc_ends(1.0, n, n)
    assert high == 1.0 and 0.8 < low < 1.0 and auc_ends(0.0, n, n) == pytest.approx((0.0, 1 - low))
    null = 1.959964 * ((2 * n + 1) / (12 * n * n)) ** 0.5  # the exact error of an AUC where nothing is told
    assert auc_ends(0.5 + null, n, n)[0] == pytest.approx(0.5, abs=1e-6)
    assert auc_ends(0.5 - null, n, n)[1] == pytest.approx(0.5, abs=1e-6)
    assert auc_ends(0.5, n, n) == pytest.approx((1 - auc_ends(0.5, n, n)[1], auc_ends(0.5, n, n)[1]))


# --- scores without training ----------------------------------------------------------------------------------------


def test_leep_is_its_definition_one_row_after_the_other():
    rng = np.random.default_rng(0)
    shares, y = rng.dirichlet(np.ones(4), 30), rng.integers(0, 3, 30)
    total = 0.0
    for i in range(30):
        told = 0.0
        for z in range(4):
            both = sum(shares[k, z] for k in range(30) if y[k] == y[i]) / 30
            told += both / (sum(shares[k, z] for k in range(30)) / 30) * shares[i, z]
        total += np.log(told) / 30
    assert leep(shares, y) == pytest.approx(total, rel=1e-12)


def test_leep_is_0_where_source_classes_tell_the_label_and_the_entropy_where_they_tell_nothing():
    y = np.arange(40) % 2
    assert leep(np.eye(2)[y], y) == pytest.approx(0)
    assert leep(np.full((40, 5), 0.2), y) == pytest.approx(np.log(0.5))
    with pytest.raises(DataError, match="no probabilities"):
        leep(np.ones((40, 2)), y)
    with pytest.raises(DataError, match="do not fit"):
        leep(np.full((3, 2), 0.5), y)

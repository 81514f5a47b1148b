"""The winner's rule on curves made by hand."""

from __future__ import annotations

import numpy as np

from codelayer.measure.curves import Curve, scores_of
from codelayer.study.choose import choose, over_budget
from codelayer.study.rivals import Rival, forecast


def curve(right: np.ndarray, seed: int, draws: int = 21, rows: int = 400) -> Curve:
    """A curve over counts 1, 10, 100 whose predictions are right with the given probabilities."""
    rng = np.random.default_rng(seed)
    truth = np.arange(rows) % 4
    hit = rng.random((draws, 3, rows)) < np.asarray(right)[None, :, None]
    predictions = np.where(hit, truth, (truth + 1) % 4).astype(np.int32)
    return Curve("class", np.arange(4), (1, 10, 100), predictions, truth, scores_of(predictions, truth, "class"))


def test_a_clearly_better_code_wins_over_smaller_ones():
    curves = {"raw": curve([0.5, 0.6, 0.7], 0), "good": curve([0.8, 0.9, 0.95], 1), "pca": curve([0.5, 0.6, 0.7], 2)}
    found = choose(curves, {"raw": 1, "good": 1000, "pca": 10})
    assert found.winner == found.best == "good"
    assert found.ties == ("good",)
    assert found.behind["raw"].low > 0


def test_raw_features_win_a_tie_whatever_their_size():
    same = [0.6, 0.7, 0.8]
    curves = {"raw": curve(same, 0), "a": curve(same, 1), "b": curve(same, 2)}
    found = choose(curves, {"raw": 10_000, "a": 5, "b": 1})
    assert set(found.ties) == {"raw", "a", "b"}
    assert found.winner == "raw"


def test_among_tied_codes_the_smallest_wins():
    curves = {"raw": curve([0.3, 0.4, 0.5], 0), "big": curve([0.8, 0.8, 0.9], 1), "small": curve([0.8, 0.8, 0.9], 2)}
    found = choose(curves, {"raw": 0, "big": 900, "small": 30})
    assert found.winner == "small"
    assert set(found.ties) == {"big", "small"}


def test_what_exceeds_a_budget_cannot_win():
    curves = {"raw": curve([0.3, 0.4, 0.5], 0), "best": curve([0.8, 0.9, 0.95], 1), "second": curve([0.6, 0.7, 0.8], 2)}
    size = {"raw": 10, "best": 5_000_000, "second": 1000}
    barred = over_budget(size, {"best": 0.1}, max_size_mb=1.0, max_latency_ms=None)
    assert list(barred) == ["best"] and "5 MB" in barred["best"]
    assert choose(curves, size, barred).winner == "second"
    slow = over_budget(size, {"raw": 0.1, "best": 9.0, "second": 1.0}, None, 2.0)
    assert list(slow) == ["best"]


def test_manifold_learners_count_in_the_forecast_and_what_takes_no_time_does_not():
    x = np.random.default_rng(0).normal(size=(300, 5))
    assert forecast(Rival("isomap", "code", code_size=2), x) > 0
    assert forecast(Rival("isomap", "code", code_size=2), x[:3]) > 0
    few, many = (forecast(Rival("umap", "code", code_size=2), np.zeros((n, 5))) for n in (300, 50_000))
    assert 0 < few < many  # a guess, which needs no umap-learn
    assert forecast(Rival("umap", "code", code_size=2), np.zeros((2000, 5))) == many  # landmarks are at most 2,000
    assert forecast(Rival("pca", "code", code_size=2), x) == 0 == forecast(Rival("forest", "control"), x)

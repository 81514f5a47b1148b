"""Too little memory for a block: features, scales of twins and rates come from smaller parts, and a note says so."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from tuning_cases import X, Y, hungry, pictures, small

from codelayer.errors import SentenceError
from codelayer.nets.backbone import Backbone, random_twin
from codelayer.transfer import FeatureExtractor, FineTunedClassifier

ROWS, _ = pictures(100)
ERRORS = [(MemoryError, ""), (RuntimeError, "not enough memory"), (torch.OutOfMemoryError, "out of memory")]


class Limited(nn.Module):
    """Passes rows through, but has no memory for more than `most` at once after the first `calls`."""

    def __init__(self, most: int, error: type[Exception] = MemoryError, text: str = "", calls: int = 0) -> None:
        super().__init__()
        self.most, self.error, self.text, self.calls, self.largest = most, error, text, calls, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls -= 1
        if self.calls < 0 and len(x) > self.most:
            raise self.error(self.text)
        self.largest = max(self.largest, len(x))
        return x


def limited(*of) -> Backbone:
    found = small(True)
    found.net.b1.add_module("limited", Limited(*of))
    return found


def features(net: Backbone, cache=None) -> FeatureExtractor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FeatureExtractor(net, "all", cache=cache, random_state=0).fit(ROWS)


@pytest.mark.parametrize(("error", "text"), ERRORS)
@pytest.mark.parametrize("most", [1, 5, 31])
def test_features_of_a_block_that_does_not_fit_are_those_of_the_whole(error, text, most):
    expected = features(limited(100)).transform(ROWS)
    made = features(limited(most, error, text))
    np.testing.assert_allclose(made.transform(ROWS), expected, atol=1e-5)
    np.testing.assert_allclose(made.transform(ROWS[:1]), expected[:1], atol=1e-5)
    told = [note for note in made.notes_ if "did not fit" in note]
    size = {1: 1, 5: 4, 31: 16}[most]
    assert told == [f"a block of 32 rows did not fit into memory and went through the net in parts of {size}"]
    assert not any("did not fit" in note for note in features(limited(100)).notes_)


def test_memory_that_runs_out_later_is_told_when_it_does():
    made = features(limited(100))
    made.backbone_.net.b1.limited.most = 8
    with pytest.warns(UserWarning, match="a block of 32 rows did not fit into memory"):
        made.transform(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.transform(ROWS)


def test_the_cache_holds_rows_of_one_block_size_under_one_key(tmp_path):
    whole = features(limited(100), tmp_path / "cache").transform(ROWS)
    made = features(limited(100), tmp_path / "other")
    made.backbone_.net.b1.limited.__dict__.update(most=8, calls=2)  # two whole blocks, then no memory for more
    with pytest.warns(UserWarning, match="parts of 8"):
        found = made.transform(ROWS)
    split = features(limited(8)).transform(ROWS)
    np.testing.assert_array_equal(found, split)
    np.testing.assert_array_equal(made.transform(ROWS), split)
    finished = [one.parent for one in (tmp_path / "other").rglob("*.f32")]
    assert len(list((tmp_path / "other").iterdir())) == 2 and len(set(finished)) == 1
    np.testing.assert_array_equal(features(limited(100), tmp_path / "other").transform(ROWS), whole)
    finished = [one.parent for one in (tmp_path / "other").rglob("*.f32")]
    assert len(list((tmp_path / "other").iterdir())) == len(set(finished)) == 2


def test_not_even_one_row_and_other_errors_are_told():
    with pytest.raises(SentenceError, match="not even one row fits"):
        features(limited(0)).transform(ROWS)
    with pytest.raises(RuntimeError, match="something else"):
        features(limited(0, RuntimeError, "something else")).transform(ROWS)


def test_a_twin_is_scaled_on_as_many_rows_as_fit():
    made = features(random_twin(limited(20), 0))
    assert any("64 rows did not fit into memory: the random twin is scaled on 16" in note for note in made.notes_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = FeatureExtractor(random_twin(limited(100), 0), "all", cache=None, random_state=0).fit(ROWS[:16])
    np.testing.assert_allclose(made.transform(ROWS), few.transform(ROWS), atol=1e-5)


@pytest.mark.parametrize(("most", "parts"), [(8, None), (7, 4), (1, 1)])
def test_rates_from_gradients_take_blocks_that_fit(most, parts):
    options = {"epochs": 1, "batch_size": 8, "random_state": 0, "start": "random", "rates": "gradient"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = FineTunedClassifier(hungry(most, False), **options).fit(X, Y)
        whole = FineTunedClassifier(hungry(100, False), **options).fit(X, Y)
    assert made.rates_ == pytest.approx(whole.rates_, rel=1e-4)
    told = [note for note in made.notes_ if note.startswith("for the rates")]
    assert told == ([] if parts is None else [note for note in told if note.endswith(f"in parts of {parts}")])
    assert bool(told) is (parts is not None)

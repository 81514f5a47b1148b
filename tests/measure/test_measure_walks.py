"""A walk along the manifold, on codes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import walk

STEPS = np.arange(9.0)[:, None]
OTHERS = np.random.default_rng(0).uniform(0, 8, (200, 1))


def test_a_code_that_counts_the_steps_has_them_in_order():
    found = walk(STEPS, OTHERS)
    assert found.in_order == pytest.approx(1) and found.growth == pytest.approx(1)
    assert found.order.tolist() == list(range(9))
    gaps = np.abs(OTHERS - OTHERS.T)[np.triu_indices(200, 1)]
    assert found.step == pytest.approx(1 / np.median(gaps)) and found.ends == pytest.approx(8 * found.step)


def test_pictures_that_do_not_overlap_have_no_order():
    spots = np.eye(40)
    nearly = spots[:9] + 1e-9 * np.random.default_rng(1).random((9, 40))
    assert abs(walk(nearly, spots).in_order) < 0.9
    assert walk(nearly, spots).step == pytest.approx(1, abs=1e-6)


def test_a_code_that_folds_the_path_loses_the_order():
    folded = np.abs(STEPS - 3.9)
    assert walk(folded, OTHERS).in_order < 0.9


def test_what_has_no_order_is_refused_by_name():
    with pytest.raises(DataError, match="at least 4 steps"):
        walk(STEPS[:3], OTHERS)
    with pytest.raises(DataError, match="equally far apart"):
        walk(np.ones((5, 1)), OTHERS)

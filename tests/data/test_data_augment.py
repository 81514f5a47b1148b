"""Augmentations against hand-made pictures and an independent interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from codelayer.data import augment

rng = np.random.default_rng(0)
pictures = rng.random((6, 9, 7, 2)).astype(np.float32)


@pytest.mark.parametrize("change", [augment.affine, augment.flip, augment.brightness, augment.shift])
def test_each_is_a_pure_function_of_its_generator_and_keeps_shape_type_and_range(change):
    before = pictures.copy()
    first = change(pictures, 0.3, np.random.default_rng(7))
    assert first.shape == pictures.shape
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1
    assert (pictures == before).all()
    assert (first == change(pictures, 0.3, np.random.default_rng(7))).all()
    assert (first != change(pictures, 0.3, np.random.default_rng(8))).any()
    np.testing.assert_allclose(change(pictures, 0.0, np.random.default_rng(7)), pictures, atol=1e-5)


def test_affine_samples_as_scipy_does():
    draws = np.random.default_rng(3).uniform(-1, 1, (5, len(pictures)))
    got = augment.affine(pictures, 0.2, np.random.default_rng(3))
    rows, columns = np.mgrid[:9, :7].astype(float)
    for i, (turn, size, right, down, lean) in enumerate(draws.T):
        angle, lean, scale = np.radians(20) * turn, 0.3 * lean, 1 / (1 + 0.2 * size)
        u, v = columns - 3, rows - 4
        spin = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        a = spin @ np.array([[1, lean], [0, 1]])
        at_x = a[0, 0] * u + a[0, 1] * v + 0.2 * right * 3.5 + 3
        at_y = a[1, 0] * u + a[1, 1] * v + 0.2 * down * 4.5 + 4
        for c in range(2):
            framed = np.pad(pictures[i, :, :, c], 2)
            want = map_coordinates(framed, [at_y + 2, at_x + 2], order=1, cval=0.0)
            np.testing.assert_allclose(got[i, :, :, c], want, atol=2e-5)


def test_pictures_in_a_batch_change_each_by_its_own_draw():
    same = np.repeat(pictures[:1], 8, axis=0)
    changed = augment.affine(same, 0.2, np.random.default_rng(0))
    assert len(np.unique(changed.reshape(8, -1), axis=0)) == 8


def test_a_flip_mirrors_left_and_right():
    assert (augment.flip(pictures, 1.0, np.random.default_rng(0)) == pictures[:, :, ::-1]).all()


def test_brightness_keeps_black_black():
    assert augment.brightness(np.zeros((3, 2, 2, 1), np.float32), 0.5, np.random.default_rng(0)).max() == 0


def test_a_shift_moves_each_picture_by_up_to_a_share_of_its_sides():
    draws = np.random.default_rng(5).uniform(-0.25, 0.25, (2, len(pictures)))
    got = augment.shift(pictures, 0.25, np.random.default_rng(5))
    for i, (right, down) in enumerate(draws.T):
        rows, columns = np.mgrid[:9, :7].astype(float)
        framed = np.pad(pictures[i, :, :, 0], 3)
        want = map_coordinates(framed, [rows - 9 * down + 3, columns - 7 * right + 3], order=1)
        np.testing.assert_allclose(got[i, :, :, 0], want, atol=2e-5)


def test_a_rotation_keeps_the_centre_and_turns_the_rest():
    turned = augment.rotate(pictures, 30, np.random.default_rng(0))
    np.testing.assert_allclose(turned[:, 4, 3], pictures[:, 4, 3], atol=1e-5)
    assert (np.abs(turned - pictures).reshape(6, -1).max(1) > 0.05).all()


def test_noise_has_the_deviation_asked_for_each_feature():
    rows = np.zeros((4000, 2), np.float32)
    changed = augment.noise(rows, np.array([0.1, 3.0]), np.random.default_rng(0))
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed.std(0), [0.1, 3.0], rtol=0.05)


def test_swapped_entries_come_from_their_own_column():
    rows = np.random.default_rng(1).random((500, 3)) + np.arange(3) * 10
    changed = augment.swap(rows, 0.3, np.random.default_rng(0))
    assert [set(changed[:, j]) <= set(rows[:, j]) for j in range(3)] == [True] * 3
    assert (changed != rows).mean() == pytest.approx(0.3, abs=0.03)


def test_appended_bytes_stand_behind_the_end_and_change_nothing_before_it():
    files = np.zeros((50, 40))
    files[:, :20] = np.random.default_rng(2).integers(1, 256, (50, 20))
    files[0] = 7  # no room
    changed = augment.append_bytes(files, 0.5, np.random.default_rng(0))
    assert (changed[:, :20] == files[:, :20]).all()
    assert (changed[:, 30:] == files[:, 30:]).all()
    assert (changed[1:, 20:30] != 0).mean() > 0.97
    assert changed.min() >= 0 and changed.max() <= 255

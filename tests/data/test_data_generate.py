"""Drawn pictures: the grid's arithmetic, the shapes' sizes, and factors that stay with their pictures."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.data import Schema, load_data, stream
from codelayer.data.generate import GRIDS, DSprites, Shapes3d, ShiftedDigits
from codelayer.errors import DataError

SPRITES = DSprites()


def drawn(*rows) -> np.ndarray:
    return SPRITES.pictures(SPRITES.index_of(np.array(rows)))[..., 0] > 0


@pytest.mark.parametrize("name", GRIDS)
def test_numbers_and_factors_are_one_another_and_every_picture_depends_on_them_alone(name):
    grid = GRIDS[name]()
    some = np.random.default_rng(0).choice(len(grid), 40, replace=False)
    factors = grid.factors_of(some)
    assert np.array_equal(grid.index_of(factors), some)
    assert (factors.min(0) >= 0).all() and (factors.max(0) < grid.sizes).all()
    assert np.array_equal(grid.factors_of(1) - grid.factors_of(0), np.eye(len(grid.sizes), dtype=int)[-1])
    whole = grid.pictures(some)
    assert whole.dtype == np.uint8 and whole.shape == (40, *grid.shape)
    assert np.array_equal(whole[7:8], grid.pictures(some[7]))
    assert np.array_equal(np.concatenate([one.x for one in grid.batches(some, 16)]), whole)


def test_the_grids_are_as_large_as_the_published_ones():
    assert (len(SPRITES), len(Shapes3d()), len(ShiftedDigits())) == (737_280, 480_000, 1797 * 81)


def test_upright_squares_ellipses_and_hearts_have_the_published_areas():
    areas = [[int(drawn([shape, scale, 0, 5, 7]).sum()) for scale in range(6)] for shape in range(3)]
    assert areas[0] == [100, 144, 196, 256, 324, 400]
    assert areas[1] == pytest.approx([76, 104, 144, 184, 228, 288], rel=0.05)
    assert areas[2][5] == pytest.approx(222, abs=2)


def test_turned_squares_have_the_area_of_the_originals():
    areas = drawn(*[[0, 5, turn, 9, 9] for turn in range(1, 39)]).sum((1, 2))
    assert areas.min() >= 360 and areas.max() <= 376


def test_a_heart_spans_what_the_original_spans_and_its_tip_points_down():
    heart = drawn([2, 5, 0, 0, 0])[0]
    rows, columns = np.flatnonzero(heart.any(1)) - 15.5, np.flatnonzero(heart.any(0)) - 15.5
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (-8.5, 7.5, -9.5, 9.5)
    assert heart[23].sum() < heart[12].sum()
    assert np.array_equal(heart[:, :32], heart[:, 31::-1])


def test_shapes_stand_where_x_and_y_say_and_wholly_inside():
    corners = drawn(*[[0, 5, 0, x, y] for x in (0, 31) for y in (0, 31)])
    middles = [np.argwhere(one).mean(0).tolist() for one in corners]
    assert middles == [[15.5, 15.5], [47.5, 15.5], [15.5, 47.5], [47.5, 47.5]]
    turned = drawn(*[[shape, 5, 5, x, y] for shape in range(3) for x in (0, 31) for y in (0, 31)])
    assert not turned[:, [0, -1]].any() and not turned[:, :, [0, -1]].any()


def test_the_first_and_the_last_orientation_are_the_same_picture():
    first, last = drawn([2, 3, 0, 4, 4], [2, 3, 39, 4, 4])
    assert np.array_equal(first, last)
    assert not np.array_equal(first, drawn([2, 3, 20, 4, 4])[0])


def test_a_room_changes_with_every_factor_where_it_should():
    grid = Shapes3d()
    start = np.array([0, 3, 6, 7, 2, 7])
    first = grid.pictures(grid.index_of(start))[0]
    changed = {}
    for j, name in enumerate(grid.names):
        other = start.copy()
        other[j] = (other[j] + 1) % grid.sizes[j]
        changed[name] = (grid.pictures(grid.index_of(other))[0] != first).any(2)
    assert all(one.any() for one in changed.values())
    # floor, wall and object share no pixel, and are all there is
    hues = np.stack([changed[name] for name in ("floor hue", "wall hue", "object hue")])
    assert (hues.sum(0) == 1).all()
    assert changed["floor hue"][-1].all() and changed["wall hue"][0].all() and changed["object hue"][30, 32]


def test_shapes_of_a_room_grow_with_scale():
    grid = Shapes3d()

    def area(shape: int, scale: int) -> int:
        red, green = (grid.pictures(grid.index_of([5, 5, hue, scale, shape, 7]))[0] for hue in (0, 3))
        return int((red != green).any(2).sum())

    for shape in range(4):
        sizes = [area(shape, scale) for scale in range(8)]
        assert sizes == sorted(sizes) and sizes[-1] > 1.5 * sizes[0]


def test_digits_are_moved_and_never_cut():
    grid = ShiftedDigits(side=12, step=2)
    found = grid.sample(50, seed=3)
    assert found.names == ("digit", "x", "y") and grid.sizes == (1797, 3, 3)
    for picture, row, told in zip(found.x[..., 0], found.rows, found.factors, strict=True):
        drawing, x, y = grid.factors_of(row)
        assert np.array_equal(picture[2 * y : 2 * y + 8, 2 * x : 2 * x + 8], grid.digits[drawing])
        assert picture.sum() == grid.digits[drawing].sum()
        assert told.tolist() == [grid.labels[drawing], x, y]


def test_a_sample_is_a_pure_function_of_its_seed_and_holds_different_rows():
    one, two, other = SPRITES.sample(30, 1), SPRITES.sample(30, 1), SPRITES.sample(30, 2)
    assert np.array_equal(one.x, two.x) and not np.array_equal(one.rows, other.rows)
    assert len(set(one.rows.tolist())) == 30
    assert np.array_equal(one.columns["shape"], one.factors[:, 0])


def test_drawn_pictures_load_and_stream_by_name_with_their_factors():
    data = load_data("dsprites:20", label="shape")
    assert data.x.shape == (20, 64, 64, 1) and data.x.dtype == np.uint8
    assert data.labels.tolist() == data.factors["shape"].tolist()
    assert np.array_equal(SPRITES.pictures(data.keys), data.x)
    part = data.take(np.array([4, 2]))
    assert part.factors["x"].tolist() == data.factors["x"][[4, 2]].tolist()
    streamed = list(stream("dsprites:20", Schema.fit(data.x), batch_rows=8))
    assert np.array_equal(np.concatenate([x for _, x in streamed]), data.x)
    assert len(load_data("shifted_digits").x) == 10_000


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: SPRITES.factors_of(737_280), "737280 is no row of this grid"),
        (lambda: SPRITES.index_of([0, 6, 0, 0, 0]), "the factor scale has no value 6"),
        (lambda: SPRITES.index_of([0, 6]), "factors have shape"),
        (lambda: SPRITES.sample(0), "0 of 737280 combinations"),
        (lambda: ShiftedDigits(side=7), "digits of 8 pixels on 7"),
        (lambda: load_data("dsprites:many"), "'many' is no number of pictures"),
        (lambda: load_data("dsprites:1000000"), "1000000 of 737280"),
        (lambda: load_data("dsprites:20", label="colour"), "no factor is called 'colour'"),
    ],
)
def test_what_is_not_in_a_grid_is_named(call, said):
    with pytest.raises(DataError, match=said):
        call()

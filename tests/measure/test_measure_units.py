"""The unit table, and control: which factors move when one unit is turned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from factor_cases import grid, standard

from codelayer.data.generate import DSprites
from codelayer.errors import DataError
from codelayer.measure import factor_probe, unit_table, vary

FACTORS, R = grid(1500)
CODE = np.c_[standard(FACTORS), np.zeros(1500)]
NAMES = ("shape", "scale", "turn", "x", "y")


def test_each_unit_shows_its_factor_its_columns_and_its_top_samples():
    keys = np.array([f"row {i}" for i in range(1500)])
    columns = {"up": FACTORS[:, 1] * 2.0, "down": -FACTORS[:, 2], "noise": R.randn(1500)}
    table = unit_table(CODE, factors=dict(zip(NAMES, FACTORS.T, strict=True)), columns=columns, keys=keys, top=4)
    json.dumps(table, allow_nan=False)
    assert [row["factors"][0][0] for row in table[:5]] == list(NAMES)
    assert all(row["factors"][0][1] >= 0.99 and len(row["factors"]) == 1 for row in table[:5])
    assert table[1]["columns"][0] == ["up", pytest.approx(1)]
    assert table[2]["columns"][0] == ["down", pytest.approx(-1)]
    assert all(FACTORS[int(key[4:]), 3] == 9 for key in table[3]["top"]) and len(table[3]["top"]) == 4
    assert table[5] == {"unit": 5, "active": 0.0, "low": 0.0, "high": 0.0, "top": [], "factors": [], "columns": []}


def test_the_share_active_is_that_of_the_values_above_a_thousandth():
    code = np.zeros((200, 2))
    code[:50, 0], code[:, 1] = 3, 1
    assert [row["active"] for row in unit_table(code)] == [0.25, 1.0]


def test_rows_with_an_unknown_factor_are_left_out_of_its_strength():
    shape = FACTORS[:, 0].astype(float)
    shape[::3] = np.nan
    table = unit_table(CODE, factors={"shape": shape})
    assert table[0]["factors"][0][1] >= 0.99


def test_a_table_refuses_what_does_not_fit():
    with pytest.raises(DataError, match="3 keys for 1500 codes"):
        unit_table(CODE, keys=[1, 2, 3])
    with pytest.raises(DataError, match="a column has NaN"):
        unit_table(CODE, columns=np.full((1500, 1), np.nan))


def test_turning_a_unit_that_controls_one_factor_moves_that_factor_alone():
    found = vary(CODE[:20], 2, [-1, 0, 1], lambda z: z[:, :5] * 10, lambda x: dict(zip(NAMES, x.T, strict=True)))
    assert (found.named, found.others) == ("turn", 0)
    assert found.samples.shape == (20, 3, 5) and found.codes.shape == (20, 3, 6) and found.factors.shape == (20, 3, 5)
    assert (found.codes[:, :, 2] == [-1, 0, 1]).all()
    assert np.array_equal(np.delete(found.codes, 2, axis=2)[:, 1], np.delete(CODE[:20], 2, axis=1))
    # from -1 to 1 of a range from -1.53 to 1.53
    assert found.moved == pytest.approx([0, 0, 2 / (2 * 1.5275), 0, 0], abs=1e-3)


def test_a_unit_that_moves_two_factors_and_a_dead_one_are_told_apart():
    def decode(z):
        return np.c_[z[:, 0], z[:, 0] + z[:, 1]]

    both = vary(CODE[:20], 0, [-1, 1], decode, lambda x: x)
    assert (both.named, both.others) == ("factor 1", 1) or (both.named, both.others) == ("factor 0", 1)
    assert vary(CODE[:20], 1, [-1, 1], decode, lambda x: x).others == 0
    dead = vary(CODE[:20], 5, [-1, 1], decode, lambda x: x)
    assert (dead.named, dead.others) == ("", 0)
    assert vary(CODE[:1], 0, [0, 1], decode, lambda x: x, ranges=[4, 4]).moved == pytest.approx([0.25, 0.25])


def test_factors_are_read_off_decoded_pictures_by_the_nearest_known_one():
    grid = DSprites()
    known = grid.generated(
        grid.index_of(np.array([[s, 3, 0, x, y] for s in range(3) for x in range(32) for y in (3, 9)]))
    )
    read = factor_probe(known.x, known.columns)

    def decode(z):
        factors = np.c_[np.ones(len(z)), np.full(len(z), 3), np.zeros(len(z)), z[:, 0], 3 + 6 * (z[:, 1] > 0)]
        return grid.pictures(grid.index_of(factors.astype(int)))

    found = vary(np.array([[4.0, 0], [20, 1]]), 0, [0, 10, 31], decode, read)
    assert found.named == "x" and found.others == 0
    assert found.factors[0, :, 3].tolist() == [0, 10, 31]
    assert found.samples.shape == (2, 3, 64, 64, 1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vary(CODE[:3], 6, [0, 1], lambda z: z, lambda x: x), "there is no unit 6"),
        (lambda: vary(CODE[:3], 0, [0], lambda z: z, lambda x: x), "at least two numbers"),
        (lambda: vary(CODE[:3], 0, [0, 1], lambda z: z[:2], lambda x: x), "decode answered 9 rows with shape"),
        (lambda: vary(CODE[:3], 0, [0, 1], lambda z: z, lambda x: x[:2]), "read_factors answered 9 rows"),
        (lambda: factor_probe(CODE, FACTORS[:5]), "5 rows of factors for 1500 samples"),
    ],
)
def test_what_cannot_be_varied_is_named(call, said):
    with pytest.raises(DataError, match=said):
        call()

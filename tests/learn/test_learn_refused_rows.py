"""What is said about rows that cannot be learned from or coded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from codelayer import Autoencoder, commands
from codelayer.errors import DataError, SentenceError
from codelayer.objective import parse_objective


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_the_first_place_that_is_not_finite_is_named(kind, value, word):
    x = np.eye(40, 5)
    x[7, 3] = x[9, 1] = value
    with pytest.raises(DataError, match=rf"holds {word}.*, first in row 7, column 3"):
        Autoencoder(2, epochs=1).fit(kind(x))


def test_a_file_without_any_learned_column_is_told_what_is_missing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    learned, other = tmp_path / "learned.parquet", tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pa.table({"width": rng.normal(size=50), "depth": rng.normal(size=50)}), learned)
    pyarrow.parquet.write_table(pa.table({"price": rng.normal(size=50)}), other)
    commands.learn(str(learned), out=str(tmp_path / "run"), code_size=1, epochs=1)
    with pytest.raises(DataError, match=r"none of its columns was there in training\s+missing: width, depth"):
        commands.encode(str(tmp_path / "run"), str(other), out=str(tmp_path / "codes.npy"))


def test_a_recipe_inside_a_sentence_is_told_what_it_stands_for():
    with pytest.raises(SentenceError, match=r"'k_sparse' is a recipe, no term\s+it stands for topk"):
        parse_objective("k_sparse + l1(0.1)")

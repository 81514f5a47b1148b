"""Opening what is to be served: every kind answers, what is unsafe or does not fit is refused by name."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
import skops.io
from ship_cases import mlp_graph, packed
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from codelayer import Head, Headed, Pca, Table, bundle
from codelayer.bundle.onnxfile import library
from codelayer.errors import BundleError, CodelayerError, DataError, ExportError
from codelayer.export import onnx_bytes, session, to_onnx
from codelayer.learn.baselines import RawFeatures
from codelayer.learn.forest import Forest
from codelayer.learn.headed_forest import ForestHead, HeadedForest
from codelayer.measure import linear_probe
from codelayer.ship.estimators import DTYPE, TREE, on_threads, read_skops
from codelayer.ship.models import Servable, compiled, open_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def forest():
    return RandomForestClassifier(5, random_state=0, n_jobs=-1).fit(X, Y)


@pytest.fixture(scope="module")
def forest_file(forest, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "forest.skops"
    skops.io.dump(forest, path)
    return path


def headed() -> Headed:
    coder = Pca(3).fit(X)
    codes = coder.transform(X)
    return Headed(coder, Head.from_probe(linear_probe(codes, "class").fit(codes, Y), "class"))


def test_a_bundle_answers_from_rows_and_from_encoded_rows_alike(tmp_path):
    whole = headed()
    whole.save(tmp_path / "b.zip")
    opened = open_model(tmp_path / "b.zip")
    assert (opened.kind, opened.form) == ("bundle", "in Python")
    reference = bundle.sizes(tmp_path / "b.zip")["reference.safetensors"]
    assert opened.size_bytes == (tmp_path / "b.zip").stat().st_size - reference  # which answers do not need
    assert np.allclose(opened.whole(X), whole.predict_proba(X))
    assert np.allclose(opened.engine(opened.prepare(X)), whole.predict_proba(X))
    assert opened.parameters >= 6 * 3 + 3 * 2 + 2
    assert len(opened.whole(opened.samples(9))) == 9


def test_a_graph_answers_what_its_layers_say(tmp_path):
    (tmp_path / "g.onnx").write_bytes(mlp_graph((6, 4)))
    opened = open_model(str(tmp_path / "g.onnx"), threads=1)
    rng = np.random.default_rng(0)
    w, b = rng.normal(0, 6**-0.5, (6, 4)).astype(np.float32), rng.normal(0, 0.1, 4).astype(np.float32)
    assert np.allclose(opened.whole(X), X.astype(np.float32) @ w + b, atol=1e-5)
    assert (opened.parameters, opened.multiply_adds, opened.name) == (28, 24, "g.onnx")
    assert np.allclose(opened.whole(Table({f"c{i}": X[:, i] for i in range(6)})), opened.whole(X))


def test_columns_of_a_table_go_to_inputs_of_their_names():
    from onnx import helper

    graph = packed(
        [helper.make_node("Sub", ["a", "b"], ["code"])], [], [("a", ["n", 1]), ("b", ["n", 1])], [("code", ["n", 1])]
    )
    opened = open_model(graph)
    rows = Table({"b": np.array([1.0, 2.0]), "extra": np.array(["u", "v"]), "a": np.array([5.0, 5.0])})
    assert opened.whole(rows).ravel().tolist() == [4.0, 3.0] and opened.schema is None
    with pytest.raises(DataError, match="no column 'b'"):
        opened.whole(Table({"a": np.array([1.0])}))
    with pytest.raises(DataError, match="2 inputs"):
        opened.whole(np.zeros((1, 2)))


def test_rows_of_another_width_are_refused(forest):
    with pytest.raises(DataError, match=r"\(5,\) do not fit the input 'x'"):
        open_model(mlp_graph((6, 4))).whole(X[:, :5])
    with pytest.raises(DataError, match="5 columns, the model was fitted on 6"):
        open_model(forest).whole(X[:, :5])


def test_a_forest_in_python_and_compiled_gives_the_same_labels(forest):
    opened = open_model(forest)
    made = compiled(opened, X)
    assert made.form == "compiled" and made.kind == "scikit-learn"
    assert (made.whole(X).argmax(1) == opened.whole(X).argmax(1)).all()
    assert np.allclose(opened.whole(X), forest.predict_proba(X))
    assert "of the scale on 120 rows" in made.notes[0]
    with pytest.raises(DataError, match="compiled already"):
        compiled(made)


@pytest.mark.parametrize(
    "estimator", [make_pipeline(StandardScaler(), LogisticRegression()), Ridge(), StandardScaler()]
)
def test_pipelines_numbers_and_transformers_compile_too(estimator):
    opened = open_model(estimator.fit(X, Y))
    assert np.allclose(compiled(opened, X).whole(X).reshape(len(X), -1), opened.whole(X).reshape(len(X), -1), atol=1e-4)


def test_threads_are_pinned_in_a_copy_alone(forest):
    pipe = make_pipeline(StandardScaler(), RandomForestClassifier(2, n_jobs=-1)).fit(X, Y)
    held = on_threads(pipe, 1)
    assert held[-1].n_jobs == 1 and pipe[-1].n_jobs == -1
    assert on_threads(forest, 2).n_jobs == 2 and forest.n_jobs == -1


def test_trees_in_a_skops_file_need_the_callers_word(forest_file, forest):
    with pytest.raises(BundleError, match=r"not trusted: sklearn\.tree\._tree\.Tree\n  --trust"):
        open_model(forest_file)
    opened = open_model(forest_file, trust=[TREE])
    assert np.allclose(opened.whole(X), forest.predict_proba(X)) and opened.trust == (TREE,)


def test_no_other_type_can_be_trusted(forest_file):
    with pytest.raises(DataError, match=r"'os\.system' cannot be trusted"):
        open_model(forest_file, trust=[TREE, "os.system"])


class Foreign(Ridge):
    """A type of this test's own."""


def test_an_unknown_type_is_named_and_nothing_of_it_runs(tmp_path, monkeypatch):
    skops.io.dump(Foreign().fit(X, Y), tmp_path / "f.skops")
    ran = []
    monkeypatch.setattr(Foreign, "__setstate__", lambda self, state: ran.append(state), raising=False)
    with pytest.raises(BundleError, match=r"not trusted: .*Foreign"):
        read_skops(tmp_path / "f.skops", [TREE])
    assert ran == []


@pytest.mark.parametrize("end", ["pkl", "pickle", "joblib"])
def test_files_that_run_code_are_refused_with_the_line_that_converts_them(tmp_path, end):
    (tmp_path / f"m.{end}").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(BundleError, match=rf"not opened.*\n.*skops\.io\.dump\(joblib\.load\('m\.{end}'\)"):
        open_model(tmp_path / f"m.{end}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["m.onnx", "m.skops", "m.zip"])
def test_damaged_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"not at all")
    with pytest.raises(BundleError):
        open_model(tmp_path / name)


def test_a_skops_archive_without_its_schema_is_refused(tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("other.json", "{}")
    (tmp_path / "m.skops").write_bytes(whole.getvalue())
    with pytest.raises(BundleError, match="no skops file"):
        open_model(tmp_path / "m.skops")


@pytest.mark.parametrize(
    ("source", "told"),
    [("nowhere.onnx", "there is no model"), (3, "a int is no model"), (RandomForestClassifier(), "not fitted")],
)
def test_what_is_no_model_is_refused(source, told):
    with pytest.raises((BundleError, DataError), match=told):
        open_model(source)


def test_an_unknown_operator_is_named():
    import onnx
    from onnx import helper

    node = helper.make_node("Marvel", ["x"], ["code"], domain="elsewhere")
    ends = [helper.make_tensor_value_info(name, 1, ["n", 2]) for name in ("x", "code")]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("elsewhere", 1)]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]), opset_imports=opsets, ir_version=8)
    assert isinstance(model, onnx.ModelProto)
    with pytest.raises(BundleError, match="elsewhere"):
        open_model(model.SerializeToString())


def test_an_absent_package_names_its_extra():
    with pytest.raises(CodelayerError, match=r'not_there, which is not installed\n  pip install "codelayer\[ship\]"'):
        library("not_there.at_all", "ship")


def test_a_servable_stays_as_it_is_and_takes_a_name():
    opened = open_model(mlp_graph((6, 4)))
    assert open_model(opened) is opened and open_model(opened, name="other").name == "other"
    assert isinstance(opened, Servable)


def mixed(count: int = 60) -> Table:
    rng = np.random.default_rng(1)
    return Table(
        {"size": rng.normal(3, 2, count), "kind": np.array(["a", "b", "c"], object)[rng.integers(0, 3, count)]}
    )


def test_a_graph_with_a_schema_reads_raw_rows_and_frames_as_its_bundle_does(tmp_path):
    import pandas as pd

    rows = mixed()
    coder = Pca(2).fit(rows)
    to_onnx(coder, tmp_path / "m.onnx")
    opened = open_model(tmp_path / "m.onnx")
    assert opened.schema.columns == coder.schema_.columns
    assert np.allclose(opened.whole(rows), coder.transform(rows), atol=1e-5)
    frame = pd.DataFrame({name: rows.column(name) for name in rows.names})
    assert np.allclose(opened.whole(frame), coder.transform(rows), atol=1e-5)
    assert opened.engine(opened.prepare(opened.samples(5))).shape == (5, 2)
    with pytest.raises(DataError, match="none of the columns"):
        opened.whole(Table({"other": np.zeros(2)}))
    with pytest.raises(DataError, match="a table, not an array"):
        opened.whole(X)


def test_a_compiled_code_holds_its_preprocessing_and_head():
    made = compiled(open_model(headed()), X)
    assert [one.name for one in session(made.original).get_outputs()] == ["code", "probabilities", "label"]
    assert np.allclose(made.whole(X), headed().predict_proba(X), atol=1e-5) and made.schema is not None


def test_a_bundle_that_holds_its_form_is_compiled_by_it_and_checked(tmp_path):
    coder, other = Pca(2).fit(X), Pca(2).fit(X[:, ::-1])
    coder.save(tmp_path / "b")
    form = told_again(onnx_bytes(coder), {"own": "yes"})
    bundle.attach(tmp_path / "b", bundle.ONNX, form)
    assert compiled(open_model(tmp_path / "b"), X).original == form
    bundle.attach(tmp_path / "b", bundle.ONNX, onnx_bytes(other))
    with pytest.raises(ExportError, match="the export differs from the model"):
        compiled(open_model(tmp_path / "b"), X)


def told_again(data: bytes, facts: dict[str, str]) -> bytes:
    import onnx

    model = onnx.load_model_from_string(data)
    onnx.helper.set_model_props(model, {one.key: one.value for one in model.metadata_props} | facts)
    return model.SerializeToString()


def test_a_forest_in_a_bundle_is_measured_too(tmp_path, forest):
    coder = RawFeatures().fit(X)
    grown = Forest.of(RandomForestClassifier(5, random_state=0).fit(coder.transform(X), Y))
    whole = HeadedForest(coder, ForestHead.of(grown))
    whole.save(tmp_path / "b")
    opened = open_model(tmp_path / "b")
    assert np.allclose(opened.whole(X), whole.predict_proba(X)) and opened.parameters > len(grown.threshold)
    assert np.allclose(compiled(opened, X).whole(X), whole.predict_proba(X), atol=1e-5)
    assert open_model(whole).size_bytes > 0


def test_columns_go_into_a_compiled_block_in_the_order_of_the_fit():
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcdef"))
    opened = open_model(Ridge().fit(frame, X[:, 0]))
    rows = Table({name: frame[name].to_numpy() for name in "fedcba"})
    assert np.allclose(compiled(opened, rows).whole(rows), opened.whole(rows), atol=1e-5)


def test_an_error_of_a_graph_names_its_file(tmp_path):
    (tmp_path / "torn.onnx").write_bytes(mlp_graph((6, 4))[:-7])
    with pytest.raises(BundleError, match=r"torn\.onnx is no ONNX model"):
        open_model(tmp_path / "torn.onnx")


def picking(model):
    """A pipeline that fills, scales and spells out columns of `mixed`, fitted on a frame, with labels of both."""
    import pandas as pd

    rows = mixed(200)
    frame = pd.DataFrame({name: rows.column(name) for name in rows.names})
    numbers, texts = make_pipeline(SimpleImputer(), StandardScaler()), OneHotEncoder(handle_unknown="ignore")
    parts = make_column_transformer((numbers, ["size"]), (texts, ["kind"]))
    return make_pipeline(parts, model).fit(frame, (frame["size"] > 3) ^ (frame["kind"] == "a")), frame


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(5, random_state=0)])
def test_a_pipeline_that_picks_columns_answers_a_table_as_its_frame_and_compiles_to_one_input_per_column(
    tmp_path, model
):
    pipe, frame = picking(model)
    skops.io.dump(pipe, tmp_path / "p.skops")
    with pytest.raises(BundleError, match=r"--trust numpy\.dtype.*, if the file is your own"):
        open_model(tmp_path / "p.skops")
    opened = open_model(tmp_path / "p.skops", trust=[TREE, DTYPE])
    shuffled = Table({"other": frame["size"], "kind": frame["kind"], "size": frame["size"]})
    assert np.allclose(opened.whole(shuffled), pipe.predict_proba(frame))
    made = compiled(opened, shuffled)
    assert sorted(one.name for one in session(made.original).get_inputs()) == ["kind", "size"]
    assert np.allclose(made.whole(shuffled), pipe.predict_proba(frame), atol=1e-5)
    odd = Table({"size": [float("nan"), 2.0], "kind": ["never seen", "b"]})
    told = pipe.predict_proba(odd_frame := frame.iloc[:2].assign(size=[np.nan, 2.0], kind=["never seen", "b"]))
    assert np.allclose(made.whole(odd), told, atol=1e-5) and len(odd_frame) == 2


def test_texts_and_whole_numbers_of_a_table_go_into_a_graph_as_its_inputs_take_them():
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info("kind", TensorProto.STRING, ["n", 1])]
    made = [helper.make_tensor_value_info("code", TensorProto.STRING, ["n", 1])]
    graph = helper.make_graph([helper.make_node("Identity", ["kind"], ["code"])], "g", ends, made)
    opened = open_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert opened.whole(Table({"kind": ["a", None]})).ravel().tolist() == ["a", ""]
    assert opened.whole(Table({"kind": [3.0, float("nan")]})).ravel().tolist() == ["3", ""]
    whole = packed(
        [helper.make_node("Identity", ["a"], ["code"])], [], [("a", ["n", 1])], [("code", ["n", 1])], TensorProto.INT64
    )
    assert open_model(whole).whole(Table({"a": [3.0, 4.0], "b": [1.0, 1.0]})).ravel().tolist() == [3, 4]
    with pytest.raises(DataError, match="'a' has missing numbers"):
        open_model(whole).whole(Table({"a": [3.0, float("nan")], "b": [1.0, 1.0]}))


def test_a_skops_file_that_holds_a_member_twice_is_refused(tmp_path, forest_file):
    path = tmp_path / "twice.skops"
    path.write_bytes(forest_file.read_bytes())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("schema.json", "{}")
    with pytest.raises(BundleError, match=r"holds 'schema\.json' twice"):
        read_skops(path, [TREE])


def test_a_graph_with_data_in_other_files_is_refused(tmp_path):
    import onnx

    model = onnx.load_model_from_string(mlp_graph((6, 4)))
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="data")
    with pytest.raises(BundleError, match="keeps data in other files"):
        open_model(tmp_path / "m.onnx")


def bomb(path, size, kind=zipfile.ZIP_DEFLATED, entries=1):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for place in range(entries):
            with archive.open(f"{place}.npy", "w") as file:
                for _ in range(size >> 20):
                    file.write(bytes(1 << 20))
    return path


def test_a_skops_file_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    with pytest.raises(BundleError, match="would take 83,886,080 unpacked"):
        read_skops(bomb(tmp_path / "bomb.skops", 40 << 20, entries=2))
    for kind in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(BundleError, match="compressed in a way"):
            read_skops(bomb(tmp_path / "other.skops", 1 << 20, kind))
    with pytest.raises(BundleError, match=r"has 200,001 entries"):
        path = bomb(tmp_path / "many.skops", 0, zipfile.ZIP_STORED, 1)
        data = bytearray(path.read_bytes())
        end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 200_001, 200_001, 51, 35)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(data) - 22, 1)
        path.write_bytes(
            data[:-22]
            + end
            + locator
            + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *[2**16 - 1] * 2, *[2**32 - 1] * 2, 0)
        )
        read_skops(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_forest_that_was_packed_tightly_is_read(tmp_path, forest, kind):
    skops.io.dump(forest, tmp_path / "f.skops", compression=kind)
    assert (read_skops(tmp_path / "f.skops", [TREE]).predict(X) == forest.predict(X)).all()

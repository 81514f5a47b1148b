"""`codelayer transfer` as its users type it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from transfer_cases import net_file, pictures

from codelayer.cli import main
from codelayer.data.load import Data
from codelayer.transfer.featurecommand import write_features


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a net and labelled pictures, some rows without a label."""
    folder = tmp_path_factory.mktemp("transfer")
    net_file(folder)
    (folder / "net.pt").write_bytes(b"PK")
    x, y = pictures(45)
    np.savez(folder / "bars.npz", x=x, y=np.where(np.arange(45) < 36, y, ""))
    np.savez(folder / "known.npz", x=x, y=y)
    np.savez(folder / "more.npz", x=x[36:])
    np.savez(folder / "numbers.npz", x=x, y=x.mean((1, 2, 3)) + 0.5)
    return folder


@pytest.fixture
def run(place, monkeypatch, capsys):
    """Type a command in that folder; returns its status, output and errors."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("CODELAYER_CACHE", str(place / "cache"))

    def typed(line: str) -> tuple[int, str, str]:
        status = main(["transfer", *line.split()] if not line.startswith("!") else line[1:].split())
        said = capsys.readouterr()
        return status, said.out, said.err

    return typed


def test_features_of_all_stages_are_written_with_their_keys(run, place):
    status, said, _ = run("features known.npz --backbone file:net.npz --stages all --label y --out f.csv")
    assert status == 0
    assert "45 rows, 10 units of stage1, stage2" in said
    assert "enlarged" in said
    assert (place / "f.csv").read_text().splitlines()[0].startswith('"key","unit0"')
    assert run("features known.npz --backbone file:net.npz --label y --out f.npy")[0] == 0
    assert np.load(place / "f.npy").shape == (45, 6)


def test_advice_is_printed_written_and_its_bundle_predicts(run, place):
    status, said, err = run("advise bars.npz --backbone file:net.npz --minutes 0.05 --out advice")
    assert (status, err) == (0, "")
    assert said.startswith("Use ")
    assert "36 labelled rows" in said
    record = json.loads((place / "advice" / "advice.json").read_text())
    assert record["sentences"] == said.splitlines()[: len(record["sentences"])]
    page = (place / "advice" / "report.html").read_text()
    assert "<svg" in page and "http://" not in page.replace("http://www.w3.org", "")
    if "no bundle" not in said:
        assert run("!predict advice/bundle more.npz --out p.csv")[0] == 0
        assert len((place / "p.csv").read_text().splitlines()) == 10


def test_a_tuned_net_predicts_and_encodes_from_its_bundle(run, place):
    status, said, _ = run("finetune known.npz --backbone file:net.npz --epochs 3 --tune last --out tuned")
    assert status == 0
    assert "tuned on 45 rows for 3 epochs" in said
    assert run("!predict tuned/bundle more.npz --out p.csv")[0] == 0
    told = run("!info tuned/bundle")[1]
    for words in ("file:net.npz, licence CC0", "stage2 (6 units) of stage1, stage2", "brought to 16 x 16"):
        assert words in told, told
    assert run("!encode tuned/bundle more.npz --out c.npy")[0] == 0
    assert np.load(place / "c.npy").shape == (9, 6)


def test_numbers_are_tuned_for_as_numbers(run, place):
    assert run("finetune numbers.npz --backbone file:net.npz --epochs 3 --out numbers")[0] == 0
    assert run("!predict numbers/bundle more.npz --out n.csv")[0] == 0
    assert '"number"' in (place / "n.csv").read_text().splitlines()[0]
    status, _, err = run("finetune numbers.npz --backbone file:net.npz --epochs 1 --task class --out as_classes")
    assert status == 2 and "45 labels of 45 classes" in err


def test_a_picture_that_cannot_be_read_is_told(run, place):
    from PIL import Image

    x, y = pictures(12)
    for at, (picture, label) in enumerate(zip(x, y, strict=True)):
        (place / "folder" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / "folder" / label / f"{at}.png")
    (place / "folder" / "top" / "bad.png").write_bytes(b"nonsense")
    status, said, _ = run("features folder --backbone file:net.npz --out folder.npy")
    assert status == 0
    assert "12 rows" not in said and "13 rows" in said
    assert "1 without a result, first top/bad.png" in said
    assert "top/bad.png" in (place / "skipped.csv").read_text()
    files = sorted(path.relative_to(place / "folder") for path in (place / "folder").rglob("*.png"))
    lost = np.isnan(np.load(place / "folder.npy")).all(1)
    assert [path.as_posix() for path, gone in zip(files, lost, strict=True) if gone] == ["top/bad.png"]
    assert run("features folder --backbone file:net.npz --out folder.csv")[0] == 0
    keys = [line.split(",")[0].strip('"') for line in (place / "folder.csv").read_text().splitlines()[1:]]
    assert keys == [path.as_posix() for path in files]


@pytest.mark.parametrize(
    ("keys", "skipped", "order"),
    [
        (["b", "d"], [(1, "too few cells")], ["b", 1, "d"]),
        ([0, 2], [(1, "too few cells"), (3, "")], [0, 1, 2, 3]),
        (["a/y.png", "a-1/x.png"], [("a/b.png", "broken")], ["a/b.png", "a/y.png", "a-1/x.png"]),
    ],
)
def test_rows_that_could_not_be_read_stand_where_they_were(tmp_path, monkeypatch, keys, skipped, order):
    monkeypatch.chdir(tmp_path)
    read = Data(np.zeros((2, 3)), keys=np.array(keys, object), skipped=skipped)
    codes = np.arange(4.0).reshape(2, 2)
    assert write_features("f.npy", codes, read)[0] == f"{len(order)} rows"
    found = np.load("f.npy")
    assert [bool(np.isnan(row).all()) for row in found] == [key in [one for one, _ in skipped] for key in order]
    places = {key: at for at, key in enumerate(order)}
    np.testing.assert_array_equal(found[[places[key] for key in keys]], codes)


def test_pictures_of_unlike_sizes_are_brought_to_the_net_s_own(run, place):
    from PIL import Image

    (place / "unlike").mkdir()
    for at, picture in enumerate(pictures(6)[0]):
        side = 8 if at < 2 else 20 + at
        Image.fromarray(picture).resize((side, side)).save(place / "unlike" / f"{at}.png")
    assert "6 of 6 pictures were brought to 16 x 16" in run("features unlike --backbone file:net.npz --out u.npy")[1]
    said = run("features unlike --backbone file:net.npz --size 24 --out u.npy")[1]
    assert "5 of 6 pictures were brought to 24 x 24" in said


def test_finished_advice_is_not_made_again_and_that_of_other_rows_is_not_overwritten(run, place):
    line = "advise {} --backbone file:net.npz --minutes 0 --out once"
    first = run(line.format("known.npz"))[1]
    made = (place / "once" / "advice.json").read_bytes()
    status, said, _ = run(line.format("known.npz"))
    assert status == 0 and "complete: there was nothing left to do" in said
    assert said.splitlines()[0] == first.splitlines()[0]
    status, _, err = run(line.format("bars.npz"))
    assert status == 2 and "holds a run on other data" in err
    status, _, err = run(line.format("known.npz") + " --seed 1")
    assert status == 2 and "holds a run with seed=0, now seed=1 was asked" in err
    assert (place / "once" / "advice.json").read_bytes() == made


def test_a_range_test_draws_the_loss_with_the_options_of_the_fit(run, place):
    line = "finetune known.npz --backbone file:net.npz --range-test rates.html"
    status, said, _ = run(line)
    assert status == 0
    assert "rates.html" in said
    page = (place / "rates.html").read_text()
    assert "<svg" in page and "start=probe" in page
    assert run(line + " --start random --rates 2.6")[0] == 0
    assert "rates=2.6, start=random" in (place / "rates.html").read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("advise more.npz --backbone file:net.npz", "has no labels"),
        ("advise bars.npz --backbone file:gone.npz", "there is no file gone.npz"),
        ("advise bars.npz --backbone fil:net.npz", "did you mean 'file'"),
        ("advise bars.npz --backbone net.pt", "net.pt is a pickled checkpoint"),
        ("advise bars.npz --backbone file:net.npz#sha256=abcd", "'abcd' is no sha256"),
        ("advise bars.npz --backbone file:.", "is a folder"),
        ("advise bars.npz --backbone file:net.npz --minutes 0 --source iris --out other", "the source rows do not fit"),
        ("advise iris --backbone file:net.npz", "takes pictures"),
        ("advise bars.npz --backbone file:net.npz --minutes -1", "--minutes -1 is not possible"),
        ("advise bars.npz --backbone file:net.npz --source-label y", "has no --source"),
        ("finetune known.npz --backbone file:net.npz --range-test rates.txt", "ends in .html"),
        ("features bars.npz --backbone file:net.npz --out f.txt", "cannot be written"),
        ("features bars.npz --backbone file:net.npz --grid x --out f.npy", "--grid x is not possible"),
        ("features bars.npz --backbone file:net.npz --stages stage9 --out f.npy", "no stage 'stage9'"),
        ("finetune known.npz --backbone file:net.npz --tune nonsense", "tune='nonsense'"),
        ("finetune iris --backbone file:net.npz --out of_iris", "takes pictures, not"),
        ("finetune known.npz --backbone file:net.npz --rates fast", "--rates fast is not possible"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence_with_status_2(run, line, said):
    status, _, err = run(line)
    assert status == 2
    assert said in err
    assert err.startswith("error: ")

"""The commands, as plain functions: `codelayer study digits` is `commands.study("digits")`.

Reads  names, paths and sentences, as they are typed.
Gives  files, and lines of text on stdout; progress goes to stderr, and only to a terminal.
Skips  parsing and exit codes (cli). Help, options and defaults are read off these signatures and docstrings: one
       line "name: text" per parameter, lines that go on are indented.

Everything heavy is imported inside the functions, so that help is instant.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import DataError, RunError

VARIANCE_ROWS = 10_000


def study(
    data: str,
    *,
    label: str | None = None,
    task: str | None = None,
    group: str | None = None,
    time: str | None = None,
    drop: Sequence[str] = (),
    test: str | None = None,
    out: str | None = None,
    seeds: int = 3,
    quick: bool = False,
    code_size: int | None = None,
    objective: Sequence[str] = (),
    codes: Sequence[str] = (),
    max_latency_ms: float | None = None,
    max_size_mb: float | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Which representation should I use? Race many codes on your data, side by side.

    Try it: codelayer study digits. Given again with the same --out it continues a study that was stopped.

    data: a name (digits, breast_cancer, wine, iris, diabetes, mnist, ...), a .csv, .tsv, .parquet, .npy or .npz file,
        or a folder of pictures
    label: the column (in an .npz the array) to predict, or a file of labels, row for row
    task: "class" or "number"; by default the labels decide
    group: column whose equal values stay on one side of every split
    time: column that orders the rows: the newest are reported on
    drop: a column to leave out; may be given several times
    test: a file whose rows are reported on, in place of a fifth of the data
    out: folder for the results; by default ./study-NAME
    seeds: fits and label draws per rival
    quick: at most 10,000 rows, one seed, a quarter of the training steps
    code_size: numbers per row of every code; by default half the encoded columns, within 2 to 64
    objective: an objective of your own to race as well, for example "mask(0.3) + l1(0.001)"; may be given several times
    codes: a file of codes of your own to race as well, row for row; may be given several times
    max_latency_ms: the winner may take at most this long for one row
    max_size_mb: the winner may be at most this large
    time_limit: minutes; what this leaves out is stated
    seed: makes the study repeatable
    workers: processes at once; by default one per core
    """
    from .report import table_text
    from .study import Study
    from .study.printed import study_table

    asked = Study(
        data,
        label=label,
        task=task,
        group=group,
        time=time,
        drop=tuple(drop),
        test=test,
        out=out,
        seeds=seeds,
        quick=quick,
        code_size=code_size,
        objectives=tuple(objective),
        codes=tuple(codes),
        max_latency_ms=max_latency_ms,
        max_size_mb=max_size_mb,
        time_limit=time_limit,
        seed=seed,
        workers=workers,
    )
    try:
        verdict = asked.run()
    except KeyboardInterrupt:
        kept = "what was fitted is kept; give the same command again to continue"
        raise KeyboardInterrupt(f"the study was stopped: {kept}") from None
    # without --out the folder is named by the data, which only the study has read; its command line holds it
    folder = Path(out) if out is not None else Path(shlex.split(verdict["command"])[2]).parent
    columns, rows, winner = study_table(folder, verdict)
    print()
    if verdict["heading"]:
        print(f"{verdict['heading']}\n")
    print(table_text(columns, rows, highlight=winner))
    print(f"\n{verdict['score']}; * the winner\n")
    for sentence in verdict["sentences"]:
        print(sentence)
    print(f"\nreport: {folder / verdict['files']['report']}")
    print(f"next:   {verdict['command']}")


def learn(
    data: str,
    *,
    out: str,
    objective: str = "undercomplete",
    net: str = "auto",
    code_size: int = 32,
    epochs: int | str = "auto",
    seed: int = 0,
    drop: Sequence[str] = (),
    checkpoint_seconds: float = 30.0,
) -> None:
    """Learn one code from unlabelled rows, and save it as a bundle.

    Given again with the same --out it continues a run that was stopped.

    data: what study reads; labels are not looked at
    out: folder of the run; when it is finished, the folder is the bundle
    objective: a recipe (undercomplete, sparse, k_sparse, denoising, contractive, deep; for pictures invariant,
        invariant_mild) or a sentence such as "mask(0.3) + relu() + l1(0.001)"
    net: the layers, such as "mlp(512, 256)" or "conv(32, 64)"; "auto" follows the recipe and the data
    code_size: numbers per row of the code
    epochs: passes over the rows, or "auto": about 3000 steps, within 20 to 200 passes
    seed: makes the run repeatable
    drop: a column to leave out, such as the label; may be given several times
    checkpoint_seconds: how often what is learned so far is written down
    """
    from .data import load_data, rows_of
    from .learn.autoencoder import Autoencoder
    from .learn.run import STATE
    from .report import Progress, number

    _check_run(out, checkpoint_seconds)
    source = load_data(data, drop=tuple(drop))
    _say_all(source.notes)
    coder = Autoencoder(code_size, objective, net, _whole(epochs), random_state=seed, run=out)
    state = Path(out) / STATE
    was_done, was_begun = (Path(out) / "bundle.json").exists() and not state.exists(), (state / "training").exists()
    rows = rows_of(source.x)
    last = None
    progress = Progress("learn", unit="epochs")
    try:
        for epoch in coder.fit_epochs(source.x, checkpoint_seconds):
            if last is None:
                progress.total = coder.settings(rows - int(rows * coder.validation))["epochs"]
                progress.start = epoch.number - 1
                if was_begun:
                    print(f"continuing the run in {out} after epoch {progress.start}")
            last = epoch
            held_out = "" if epoch.validation is None else f", held out {number(epoch.validation)}"
            progress.update(epoch.number, f"loss {number(epoch.loss)}{held_out}")
    except KeyboardInterrupt:
        kept = "what was learned is kept in" if (state / "training").exists() else "nothing was learned yet in"
        raise KeyboardInterrupt(f"{kept} {out}; give the same command again to continue") from None
    finally:
        progress.close(finished=last is not None)
    if was_done:
        print(f"{out} is complete: there was nothing left to do")
    _tell_learned(coder, source.x, out, last)
    print(f"next:  {_line('codelayer encode', out, data, '--out codes.npy')}")


def encode(bundle: str, data: str, *, out: str) -> None:
    """Turn rows into codes: one row out for each row in, in order, however many there are.

    A row that cannot be read gets NaN and a line in skipped.csv beside the output.

    bundle: what learn or study saved
    data: a file, folder or name of the kind the bundle was learned on
    out: codes.npy; codes.parquet or codes.csv with the rows' keys; codes.npz for sparse codes (CSR)
    """
    from .learn.files import encode_file

    coder = _coder(bundle)
    with _progress("encode") as progress:
        done = encode_file(coder, data, out, progress.update)
    _tell_written(done, f"{done.rows:,} rows of {coder._n_features_out} units in {out}")


def decode(bundle: str, codes: str, *, out: str) -> None:
    """Turn codes back into rows of the kind and units of the data.

    bundle: what made the codes
    codes: a .npy, .npz, .parquet or .csv file of codes
    out: a .npy file for arrays and pictures; a .csv or .parquet file for tables
    """
    from .learn.files import decode_file

    done = decode_file(_coder(bundle), codes, out)
    _tell_written(done, f"{done.rows:,} rows in {out}")


def predict(bundle: str, data: str, *, out: str) -> None:
    """Predict the label of every row, with a probability per class, or a number.

    bundle: what study --label saved: a code with its head
    data: a file, folder or name of the kind the bundle was learned on
    out: a .csv or .parquet file: key, label and one column per class; or key and number
    """
    from .learn.files import predict_file
    from .learn.heads import Headed
    from .learn.saved import load

    model = load(bundle)
    if not isinstance(model, Headed):
        raise DataError(f"{bundle} has a code but no head, so that it cannot predict", "codelayer study --label makes one")
    with _progress("predict") as progress:
        done = predict_file(model, data, out, progress.update)
    _tell_written(done, f"{done.rows:,} rows in {out}")


def measure(
    codes: str | None = None,
    *,
    labels: str | None = None,
    x: str | None = None,
    task: str | None = None,
    out: str | None = None,
    seed: int = 0,
    list_: bool = False,
) -> None:
    """Measure codes from anywhere, beside chance, raw features and a PCA of equal width.

    codes: a .npy, .npz, .parquet or .csv file of codes, one row per sample
    labels: a file of labels, row for row; or a column (in an .npz an array) of --x
    x: the data the codes were made from, for everything that compares with raw features
    task: "class" or "number"; by default the labels decide
    out: folder for card.json and card.html
    seed: of label draws and anchors
    list_: print every metric there is, and stop
    """
    from .report import table_text

    if list_:
        _print_metrics()
        return
    if codes is None or out is None:
        absent = "a file of codes" if codes is None else "--out FOLDER"
        raise DataError(f"measure needs {absent}", "codelayer measure codes.npy --out card, or codelayer measure --list")
    if task not in (None, "class", "number"):
        raise DataError(f"task={task!r} is not known", "it is class or number")
    import json

    from .bundle import plain, write_atomic
    from .measure import card
    from .study.cardpage import card_cells, write_card

    folder = Path(out)
    if folder.is_file():
        raise RunError(f"{out} is a file, not a folder", "choose another --out")
    given, notes = _to_measure(codes, labels, x)
    _say_all(notes)
    found = card(**given, task=task, seed=seed)
    found["codes"] = codes
    found["notes"] = [*notes, *found["notes"]]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "card.json", json.dumps(plain(found), indent=2, ensure_ascii=False).encode())
    write_card(found, folder / "card.html", Path(codes).name)
    _say_all(found["notes"][len(notes) :])
    print(table_text(*card_cells(found)))
    for one in found["not_measured"]:
        print(f"not measured: {one['name']}: {one['why'].splitlines()[0]}")
    print(f"\ncard: {folder / 'card.html'} and {folder / 'card.json'}")


def info(bundle: str) -> None:
    """Tell what is inside a bundle.

    bundle: what learn or study saved, a folder or a .zip
    """
    from .learn.facts import bundle_facts

    facts = bundle_facts(Path(bundle))
    wide = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{wide}}  {value}")


# --- parts of commands ----------------------------------------------------------------------------------------------


def _check_run(out: str, checkpoint_seconds: float) -> None:
    if Path(out).suffix.lower() == ".zip":
        raise RunError(f"{out} would be a file, and a run is a folder", "choose another --out")
    if not checkpoint_seconds > 0:
        raise DataError(f"checkpoint_seconds={checkpoint_seconds:g} is not possible", "give a number above 0")


def _whole(epochs: int | str) -> int | str:
    """A number that was typed as text; what is none is left to the estimator to refuse."""
    try:
        return int(epochs)
    except ValueError:
        return epochs


def _tell_learned(coder: Any, x: Any, out: str, last: Any) -> None:
    import numpy as np

    from .bundle import size_bytes
    from .data import rows_of, take
    from .learn.dead import remedy
    from .report import number
    from .report.terminal import duration

    record, n = coder.record_, rows_of(x)
    epochs = max(int(record["epochs_run"]), 0 if last is None else last.number)
    print(f"learned: {record['objective']} on {record['net']}, {epochs} epochs in {duration(record['seconds'])}")
    rows = np.unique(np.linspace(0, n - 1, min(n, VARIANCE_ROWS)).astype(int))
    kept = coder.score(take(x, rows))
    print(f"keeps:   {number(kept)} of the variance of {'the' if len(rows) == n else 'a sample of'} {len(rows):,} rows")
    dead = int(record["dead_units"])
    advice = f"; {remedy(coder.model_.objective)}" if dead else ""
    print(f"dead:    {dead} of {coder.code_size} units never vary{advice}" if dead else "dead:    none of the units")
    print(f"saved:   {out} ({number(size_bytes(out) / 1e6)} MB)")


def _coder(bundle: str) -> Any:
    """The coder in a bundle, without its head."""
    from .learn.heads import Headed
    from .learn.saved import load

    found = load(bundle)
    return found.code if isinstance(found, Headed) else found


def _progress(task: str) -> Any:
    from .report import Progress

    return Progress(task, unit="rows")


def _tell_written(done: Any, what: str) -> None:
    print(what)
    _say_all(done.notes)
    if done.listed is not None:
        key, reason = done.skipped[0]
        told = f"{len(done.skipped):,} rows could not be read and are empty, the first {key} ({reason})"
        _say_all([f"{told}: see {done.listed}"])


def _to_measure(codes: str, labels: str | None, x: str | None) -> tuple[dict[str, Any], list[str]]:
    """Codes, labels and encoded x for a card, without the rows whose code is NaN; and notes."""
    import numpy as np

    from .data import Schema, load_data, rows_of
    from .data.codefiles import read_codes
    from .data.labels import as_labels, read_labels

    _, values = read_codes(codes)
    good = ~np.isnan(values).any(axis=1)
    notes = [f"{(~good).sum():,} rows have no code (NaN) and are left out"] if not good.all() else []
    given: dict[str, Any] = {"codes": values[good]}
    if x is None:
        if labels is not None:
            known, told = as_labels(read_labels(Path(labels), len(values)), len(values))
            notes += told
            given["labels"] = None if known is None else known[good]
        return given, notes
    data = load_data(x, label=labels)
    notes += data.notes
    rows = rows_of(data.x)
    if rows not in (len(values), int(good.sum())):
        raise DataError(f"{codes} has {len(values)} rows, {x} has {rows}", "row i of each must be the same sample")
    if rows == len(values) and not good.all():
        data = data.take(np.flatnonzero(good))
    schema = Schema.fit(data.x)
    notes += schema.notes
    return given | {"x": schema.encode(data.x), "labels": data.labels}, notes


def _print_metrics() -> None:
    from .measure import table_of_metrics
    from .report import table_text

    columns, rows = table_of_metrics()
    place = {name: columns.index(name) for name in columns}
    for names in (("metric", "needs", "worst", "best", "asks"), ("metric", "chance", "interval", "do not trust")):
        print(table_text(names, [[row[place[name]] for name in names] for row in rows]))
        print()


def _line(*words: str) -> str:
    """A line to paste: the first and last words as they are, the others quoted for a shell."""
    return " ".join([words[0], *(shlex.quote(word) for word in words[1:-1]), words[-1]])


def _say_all(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}")


COMMANDS = (study, learn, encode, decode, predict, measure, info)

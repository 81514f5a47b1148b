"""The commands, as plain functions: `codelayer study digits` is `commands.study("digits")`.

Reads  names, paths and sentences, as they are typed.
Gives  files, and lines of text on stdout; progress goes to stderr, and only to a terminal.
Skips  parsing and exit codes (cli). Help, options and defaults are read off these signatures and docstrings: one
       line "name: text" per parameter, lines that go on are indented.

Everything heavy is imported inside the functions, so that help is instant.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import DataError, RunError


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
    backbone: Sequence[str] = (),
    rivals: Sequence[str] = (),
    max_latency_ms: float | None = None,
    max_size_mb: float | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Race many codes on your data: which should you use?

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
    quick: at most 10,000 rows and 500 labels, one seed, a quarter of the training steps
    code_size: numbers per row of every code; by default half the encoded columns, within 2 to 64
    objective: an objective of your own to race as well, for example "mask(0.3) + l1(0.001)"; may be given several times
    codes: a file of codes of your own to race as well, row for row; may be given several times
    backbone: a pre-trained net whose last stage races as well, such as file:NET.npz, NAME::STAGE for another one or
        NAME::all; may be given several times
    rivals: the built-in rivals to race, such as raw,pca,undercomplete; by default all but isomap, umap (needs
        pip install codelayer[umap]), k_sparse, deep and invariant_mild, which race only when they are
        named; raw features always race
    max_latency_ms: the winner may take at most this long for one row
    max_size_mb: the winner may be at most this large
    time_limit: minutes; what this leaves out is stated
    seed: makes the study repeatable
    workers: processes at once; by default one per core
    """
    from .study import Study
    from .study.printed import study_text

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
        backbone=tuple(backbone),
        rivals=tuple(name.strip() for some in rivals for name in some.split(",") if name.strip()),
        max_latency_ms=max_latency_ms,
        max_size_mb=max_size_mb,
        time_limit=time_limit,
        seed=seed,
        workers=workers,
    )
    try:
        verdict = asked.run()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was fitted is kept; give the same command again to continue") from None
    # without --out the folder is named by the data, which only the study has read; its command line holds it
    folder = Path(out) if out is not None else Path(shlex.split(verdict["command"])[2]).parent
    print(study_text(folder, verdict))


def learn(
    data: str,
    *,
    out: str,
    objective: str = "undercomplete",
    net: str = "auto",
    code_size: int = 32,
    epochs: int | str = "auto",
    seed: int = 0,
    label: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    learning_rate: str = "auto",
    batch_size: str = "auto",
    scale: str = "auto",
    checkpoint_seconds: float = 30.0,
) -> None:
    """Learn one code from unlabelled rows, and save it as a bundle.

    Given again with the same --out it continues a run that was stopped.

    data: what study reads; labels are looked at by labels() alone
    out: folder of the run; when it is finished, the folder is the bundle
    objective: a recipe (undercomplete, deep, sparse, k_sparse, denoising, contractive, variational, psd, psc, scarf;
        for pictures invariant, invariant_mild) or a sentence such as "mask(0.3) + relu() + l1(0.001)"
    net: the layers, such as "mlp(512, 256)" or "conv(32, 64)"; "auto" follows the recipe and the data
    code_size: numbers per row of the code
    epochs: passes over the rows, or "auto": about 3000 steps, within 20 to 600 passes
    seed: makes the run repeatable
    label: the column (in an .npz the array) or file of labels, empty where a row has none; labels() learns from it,
        other sentences only leave the column out
    group: column that tells recordings apart: slowness() compares no rows of two; it is not learned from
    drop: a column to leave out; may be given several times
    learning_rate: peak of the schedule, or "auto": 0.003, and 0.001 for layers of more than 512 units
    batch_size: rows per step, or "auto": a thirty-second of the rows, within 32 to 256; 64 where views are compared
    scale: of a 2-D array: "columns" (each standardised), "block" (one scale: counts, TF-IDF), "none", or "auto"
    checkpoint_seconds: how often what is learned so far is written down
    """
    from .data import load_data, rows_of
    from .learn.autoencoder import Autoencoder
    from .learn.settings import check_options
    from .learn.told import learned_lines
    from .objective import expand, parse_objective
    from .report import Progress, number

    _check_run(out, seed, checkpoint_seconds)
    pace = {"batch_size": _number(batch_size, int), "learning_rate": _number(learning_rate, float)}
    passes = _number(epochs, int)
    coder = Autoencoder(code_size, objective, net, passes, scale=scale, random_state=seed, run=out, **pace)
    check_options(coder.get_params())
    parsed = parse_objective(expand(objective))
    source = load_data(data, label, group, drop=tuple(drop))
    if parsed.needs("labels") and source.labels is None:
        raise DataError(
            "labels() learns from labels, but these rows have none", "name their column or file with --label"
        )
    _say_all(source.notes)
    folder, rows = Path(out), rows_of(source.x)
    was_done, was_begun = _is_done(folder), _is_begun(folder)
    print(f"{source.name}: {rows:,} rows; {expand(objective)}; code of {code_size} units")
    progress, last = Progress("learn", unit="epochs"), None
    aside = [name for name in (label, group, *drop) if name is not None]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*units are dead")  # they are told below
            for epoch in coder.fit_epochs(source.x, source.labels, checkpoint_seconds, source.groups, aside):
                if last is None:
                    progress.total = coder.settings(rows - int(rows * coder.validation))["epochs"]
                    progress.start = epoch.number - 1
                    if was_begun and _is_begun(folder):  # one that diverged may have begun anew
                        print(f"continuing the run in {out} after epoch {progress.start}")
                last = epoch
                held_out = "" if epoch.validation is None else f", held out {number(epoch.validation)}"
                progress.update(epoch.number, f"loss {number(epoch.loss)}{held_out}")
        if last is not None:
            progress.close()
    except KeyboardInterrupt:
        progress.close(finished=False)
        kept = "what was learned is kept in" if _is_begun(folder) else "nothing was learned yet in"
        raise KeyboardInterrupt(f"{kept} {out}; give the same command again to continue") from None
    if was_done:
        print(f"{out} is complete: there was nothing left to do")
    _say_all(coder.schema_.notes)
    for line in learned_lines(coder, source.x, out, 0 if last is None else last.number):
        print(line)
    print(f"next:    codelayer encode {shlex.quote(out)} {shlex.quote(data)} --out codes.npy")


def encode(bundle: str, data: str, *, out: str) -> None:
    """Turn rows into codes, however many rows there are.

    One row comes out for each row in, in order. A row that cannot be read gets NaN, and a line in skipped.csv
    beside the output.

    bundle: what learn or study saved
    data: a file, folder or name of the kind the bundle was learned on
    out: codes.npy; codes.parquet or codes.csv with the rows' keys; codes.npz for sparse codes (CSR)
    """
    from .learn.files import encode_file
    from .learn.saved import bundle_in, coder_in, set_aside

    coder = coder_in(bundle)
    with _progress("encode") as progress:
        done = encode_file(coder, data, out, progress.update, set_aside(bundle_in(bundle)))
    _tell_written(done, out, f" of {coder._n_features_out} units")


def decode(bundle: str, codes: str, *, out: str) -> None:
    """Turn codes back into rows, in the units of the data.

    bundle: what made the codes
    codes: a .npy, .npz, .parquet or .csv file of codes
    out: a .npy file for arrays and pictures; a .csv or .parquet file for tables
    """
    from .learn.files import decode_file
    from .learn.saved import coder_in

    done = decode_file(coder_in(bundle), codes, out)
    _tell_written(done, out)


def reconstruct(bundle: str, data: str, *, out: str, errors: str | None = None) -> None:
    """Clean rows or pictures, and tell each one's error.

    Every row is coded and rebuilt, and compared with what came in. A denoising code takes noise away; a row with a
    large error is unlike those that were learned from. A code without a decoder is rebuilt by a linear map (ridge).

    bundle: what learn or study saved
    data: a file, folder or name of the kind the bundle was learned on
    out: a .npy file for arrays and pictures; a .csv or .parquet file for tables; a folder for pictures as .png files
    errors: a .csv or .parquet file of key and error, the mean squared difference per encoded number; by default
        beside the output, NAME-errors.csv
    """
    from .learn.reconstruct import reconstruct_file
    from .learn.saved import bundle_in, coder_in, set_aside

    aside = set_aside(bundle_in(bundle))
    with _progress("reconstruct") as progress:
        done = reconstruct_file(coder_in(bundle), data, out, errors, progress.update, aside)
    _tell_written(done.written, out)
    print(f"errors: {done.errors}; half are below {done.median:.4g}, the largest is {done.largest:.4g} ({done.worst})")


def predict(bundle: str, data: str, *, out: str) -> None:
    """Predict labels with their probabilities, or numbers.

    bundle: what study --label saved: a code with its head, or a forest; a study's folder gives the forest if it won
    data: a file, folder or name of the kind the bundle was learned on
    out: a .csv or .parquet file: key, label and one column per class; or key and number
    """
    from .learn.files import predict_file
    from .learn.heads import Headed
    from .learn.saved import load, predictor_in, set_aside

    place = predictor_in(bundle)
    model = load(place)
    if not isinstance(model, Headed):
        raise DataError(f"{bundle} has no head, so that it cannot predict", "codelayer study --label makes one")
    with _progress("predict") as progress:
        done = predict_file(model, data, out, progress.update, set_aside(place))
    _tell_written(done, out)


def measure(
    codes: tuple[str, ...] = (),
    *,
    labels: str | None = None,
    x: str | None = None,
    bundle: str | None = None,
    factors: tuple[str, ...] = (),
    nuisance: tuple[str, ...] = (),
    coarse: str | None = None,
    groups: str | None = None,
    layers: str | None = None,
    seeds: tuple[str, ...] = (),
    seen: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    task: str | None = None,
    out: str | None = None,
    seed: int = 0,
    list_: bool = False,
) -> None:
    """Measure codes from anywhere, beside chance and rivals.

    The rivals are the raw features and a PCA of equal width. It writes card.json and card.html. Of more than 10,000
    rows, 10,000 drawn at random are measured. Several codes of the same rows are compared, row by row.

    codes: files of codes (.npy, .npz, .parquet, .csv), one row per sample, or folders of cards
    labels: a file of labels, row for row; or a column (in an .npz an array) of --x
    x: the data the codes were made from, for everything that compares with raw features
    bundle: what makes the codes of --x, for all that moves samples or looks into the net
    factors: a file of ground truth, one column per factor; or columns of --x
    nuisance: what the code should not tell, such as the speaker: a file, or a column of --x
    coarse: a coarser level of the labels: a file, or a column of --x
    groups: rows of one group never stand on both sides of a split: a file, or a column of --x
    layers: an .npz with one array per stage of a net, in order
    seeds: files of codes of the same rows, learned with other seeds
    seen: classes that the code was trained with; how well it tells others is then measured
    columns: columns of the file of codes that are the code
    only: metrics or properties to measure, default all
    task: "class" or "number"; by default the labels decide
    out: folder for the card, or for several cards and their comparison
    seed: of label draws and anchors
    list_: print what every metric needs, its range, chance, cost and when not to trust it, and stop
    """
    from .learn.saved import bundle_in
    from .study.cardfiles import Beside, metric_lines
    from .study.cardprint import measure_codes

    if list_:
        print("\n".join(metric_lines(only)))
        return
    sources = (codes,) if isinstance(codes, str) else tuple(codes)
    if out is None or not (sources or bundle):
        absent = "--out FOLDER" if sources or bundle else "a file of codes"
        raise DataError(f"measure needs {absent}", "for example: codelayer measure codes.npy --out card")
    beside = Beside(labels, coarse, groups, nuisance, factors, layers, seeds, seen)
    made = None if bundle is None else bundle_in(bundle)
    with _progress("measure", "metrics") as progress:
        told = measure_codes(sources, x, task, out, seed, beside, made, columns, only, progress.update)
    print("\n".join(told))


def info(bundle: str) -> None:
    """Tell what is inside a bundle.

    bundle: what learn or study saved, a folder or a .zip
    """
    from .learn.facts import bundle_facts
    from .learn.saved import bundle_in

    facts = bundle_facts(bundle_in(bundle))
    wide = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{wide}}  {value}")


# --- parts of commands ----------------------------------------------------------------------------------------------


def _check_run(out: str, seed: int, checkpoint_seconds: float) -> None:
    if seed < 0:
        raise DataError(f"seed={seed} is not possible", "it is a whole number, at least 0")
    if Path(out).suffix.lower() == ".zip":
        raise RunError(f"{out} would be a file, and a run is a folder", "choose another --out")
    if not checkpoint_seconds > 0:
        raise DataError(f"checkpoint_seconds={checkpoint_seconds:g} is not possible", "give a number above 0")


def _is_done(run: Path) -> bool:
    from .bundle import ABOUT
    from .learn.run import STATE

    return (run / ABOUT).exists() and not (run / STATE).exists()


def _is_begun(run: Path) -> bool:
    from .learn.run import STATE

    return any((run / STATE).glob("training*"))


def _number(typed: Any, kind: type) -> Any:
    """A number that was typed as text; what is none is left to the estimator to refuse."""
    try:
        return kind(typed)
    except ValueError:
        return typed


def _progress(task: str, unit: str = "rows") -> Any:
    from .report import Progress

    return Progress(task, unit=unit)


def _tell_written(done: Any, out: str, what: str = "") -> None:
    print(f"{done.rows:,} {'row' if done.rows == 1 else 'rows'}{what} in {out}")
    _say_all(done.notes)
    if done.listed is not None:
        key, reason = done.skipped[0]
        count = "1 row" if len(done.skipped) == 1 else f"{len(done.skipped):,} rows"
        _say_all([f"{count} without a result, first {key} ({reason}): see {done.listed}"])


def _say_all(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}")


COMMANDS = (study, learn, encode, decode, reconstruct, predict, measure, info)

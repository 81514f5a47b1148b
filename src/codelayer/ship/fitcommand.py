"""`codelayer ship fit`, as a plain function: its signature and docstring are read by `codelayer.cli`.

Reads  names, paths and numbers, as they are typed.
Gives  a folder, and lines of text on stdout.
Skips  parsing.
"""

from __future__ import annotations

from collections.abc import Sequence


def fit(
    data: str,
    *,
    label: str | None = None,
    max_latency_ms: float | None = None,
    max_size_mb: float | None = None,
    max_memory_mb: float | None = None,
    target: str = "server",
    out: str | None = None,
    task: str | None = None,
    group: str | None = None,
    time: str | None = None,
    drop: Sequence[str] = (),
    test: str | None = None,
    candidates: Sequence[str] = (),
    quick: bool = False,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Choose the smallest good model within a budget.

    Many are fitted, compiled and measured; the choice is the smallest that is as good as the best within the budget.
    Linear models on raw features, forests, LightGBM where it is installed, small and large codes: all are compared as
    they would be shipped, compiled for ONNX Runtime on the same threads. The forest wins when it wins.
    Given again with the same --out it continues a run that was stopped.

    data: what study reads
    label: the column (in an .npz the array) to predict, or a file of labels, row for row
    max_latency_ms: what one row may take, from the raw row to the answer, the median
    max_size_mb: how large model.onnx may be
    max_memory_mb: what a process that answers may hold, interpreter and ONNX Runtime included
    target: "server" (all cores) or "edge" (one thread, at most 256 MB resident)
    out: folder for the results; by default ./ship-NAME
    task: "class" or "number"; by default the labels decide
    group: column whose equal values stay on one side of every split
    time: column that orders the rows: the newest are reported on
    drop: a column to leave out; may be given several times
    test: a file whose rows are reported on, in place of a fifth of the data
    candidates: names or families to keep: raw, forest, lightgbm, undercomplete, denoising (for pictures invariant),
        labelled; by default all
    quick: at most 10,000 rows, fewer candidates, a quarter of the training passes
    seed: makes the run repeatable, but for what is timed
    workers: processes at once; by default one per core
    """
    from ..study.ending import heard_as_interrupt
    from .choosetext import choice_text
    from .fitting import Fit

    asked = Fit(
        data,
        label=label,
        task=task,
        group=group,
        time=time,
        drop=tuple(drop),
        test=test,
        out=out,
        target=target,
        max_latency_ms=max_latency_ms,
        max_size_mb=max_size_mb,
        max_memory_mb=max_memory_mb,
        candidates=tuple(name.strip() for some in candidates for name in some.split(",") if name.strip()),
        quick=quick,
        seed=seed,
        workers=workers,
    )
    try:
        with heard_as_interrupt():
            done = asked.run()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was fitted is kept; give the same command again to continue") from None
    print(choice_text(done))

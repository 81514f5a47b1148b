"""The commands `codelayer ship ...`, as plain functions: `codelayer ship verify b` is `commands.verify("b")`.

Reads  names and paths, as they are typed.
Gives  files, and lines of text on stdout.
Skips  parsing and exit codes (cli). Help, options and defaults are read off these signatures and docstrings: one
       line "name: text" per parameter, lines that go on are indented.

Everything heavy is imported inside the functions, so that help is instant.
"""

from __future__ import annotations


def verify(bundle: str) -> None:
    """Check a bundle: hashes, golden rows coded anew, and that its ONNX form agrees.

    bundle: what learn or study saved, a folder or a .zip
    """
    from ..learn.saved import bundle_in
    from .verify import verified

    done = verified(bundle_in(bundle))
    wide = max(len(name) for name in (*done.sizes, "golden rows"))
    for name, size in done.sizes.items():
        print(f"{name:<{wide}}  {size:,} bytes{'' if name == 'zip' else ', hash agrees'}")
    print(f"{'golden rows':<{wide}}  {done.rows}, coded as when saved ({done.golden:.2g} of the code's scale off)")
    if done.onnx is not None:
        print(f"{'ONNX form':<{wide}}  agrees with it ({done.onnx:.2g} of the code's scale off)")


def attach(bundle: str, model: str) -> None:
    """Put an ONNX form into its bundle, so that codelayer-runtime can use it.

    It is run on the bundle's golden rows first, and refused where it differs.

    bundle: what learn or study saved, a folder or a .zip
    model: the .onnx file that `codelayer ship export` wrote of it
    """
    from ..learn.saved import bundle_in
    from .verify import attach as put

    off = put(bundle_in(bundle), model)
    print(f"{bundle} holds {model} ({off:.2g} of the code's scale off on its golden rows)")


COMMANDS = (verify, attach)

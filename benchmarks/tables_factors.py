"""Sections of docs/figures.md: cost and steadiness of the disentanglement scores, and trained codes on dSprites."""

from __future__ import annotations

from rendering import about, load, ratio, shown, table

# beside them as published: InfoGAN-CR, table 1 (Lin et al. 2020), dSprites; each with its own net, steps, estimator
PUBLISHED = {
    "beta-VAE": {"mig_dlib20": ".21", "dci_disentanglement": ".41 ± .11", "factor_vae_score": ".63 ± .10"},
    "beta-TCVAE": {"mig_dlib20": ".45", "dci_disentanglement": ".29 ± .10", "factor_vae_score": ".62 ± .07"},
}
SCORES = {
    "mig": "MIG, equal mass, null taken off",
    "mig_dlib20": "MIG, 20 bins of equal width",
    "dci_disentanglement": "DCI D, forest, held-out permutation",
    "dci_completeness": "DCI C",
    "dci_informativeness": "DCI I",
    "sap": "SAP, R2",
    "factor_vae_score": "FactorVAE score",
}


def speed() -> str:
    """Mutual information and DCI."""
    result = load("disentanglement_speed")
    if result is None:
        return ""
    by = {row["work"]: row for row in result["rows"]}
    against = by["matrix against loop"]
    lines = [[name, f"{ratio(row['ms'], 1)} ms"] for name, row in by.items() if "ms" in row]
    lines.append(
        [
            "DCI, 5 factors of 3, 6, 40, 32, 32 values, 10 codes, 2,000 rows",
            f"{ratio(by['dci, 2,000 rows']['seconds'], 1)} s",
        ]
    )
    steady = [row for row in result["rows"] if row["work"] == "steady"]
    moved = max(row["forest"]["median"] for row in steady) - min(row["forest"]["median"] for row in steady)
    rows = [
        [f"{row['n']:,}", ratio(row["forest"]), f"{row['boosted']:.2f}" if row["boosted"] else ""] for row in steady
    ]
    return "\n\n".join(
        [
            "## Cost of disentanglement scores",
            f"CPU time, one thread, {result['rounds']} rounds in turns; 10 codes x 5 factors, 10,000 rows, 20 bins. "
            f"The matrix is {ratio(against['faster_by'], 0)} times as fast as the loop and differs by "
            f"{against['largest_difference']:.0e} at most.",
            table(["work", "CPU time"], lines),
            "DCI disentanglement of a perfect code with .3 of noise, by the rows to fit on; median and range of "
            f"{result['seeds_of_codes']} codes. The forest's moves by {moved:.2f}.",
            table(["rows", "forest, held-out permutation", "boosted trees, impurity (one code)"], rows),
            about(result),
        ]
    )


def dsprites() -> str:
    """Trained codes beside the published ranges."""
    result = load("dsprites")
    if result is None:
        return ""
    rows = [
        [
            f"{row['model']}, `{row['objective']}`",
            *(shown(row[score], 2) for score in SCORES),
            shown(row["explained"], 2),
        ]
        for row in result["rows"]
    ]
    rows += [[f"{name}, published", *(one.get(score, "") for score in SCORES), ""] for name, one in PUBLISHED.items()]
    side = result.get("side", 64)
    known = [one for row in result["rows"] for one in row["seconds_per_fit"] if one is not None]
    minutes = f"{sum(known) / len(known) / 60:.0f} CPU minutes a fit" if known else "fitted in parts"
    return "\n\n".join(
        [
            "## dSprites: MIG and DCI of trained codes",
            f"Trained on {result['train']:,} random pictures of the 737,280 (drawn by `data.generate`, "
            f"{side} x {side}), measured on {result['scored']:,} others with the means of the code; five factors; DCI "
            f"on 3,000 of them. `{result['net']}`, code of {result['code_size']}, {result['steps']:,} steps of "
            f"{result['batch']} ({result['epochs']} passes), {result['seeds']} seeds, {minutes}. "
            f"{result.get('told', '')} Mean over seeds with 95 % intervals (Student).".replace("  ", " "),
            table(["model", *SCORES.values(), "share of variance explained"], rows),
            "Published: InfoGAN-CR (Lin et al. 2020), table 1, on all pictures with convolutional nets and far more "
            "steps, with the estimators of disentanglement_lib: a MIG or DCI compares only with its own estimator, "
            "bins, rows and steps. Locatello et al. 2019 show about .05 to .35 for MIG, .1 to .55 for DCI.",
            "![Five units of a trained code, each turned from low to high](pictures/dsprites_units.svg)",
            about(result),
        ]
    )


def sections() -> list[str]:
    """All of them."""
    return [speed(), dsprites()]

"""The input of lme4.R: 50 made-up genes of 8 donors at 3 sites, 24 samples, with precision weights.

python tests/reference/lme4/make.py writes samples.tsv, response.tsv and weight.tsv beside itself.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
N_GENES, N_DONORS, N_EACH = 50, 8, 3


def main() -> None:
    """Draw the genes: donors and sites have from none to ten times a sample's variance."""
    rng = np.random.default_rng(10)
    donor = np.repeat(np.arange(N_DONORS), N_EACH)
    site = np.tile(np.arange(N_EACH), N_DONORS)
    batch = np.arange(len(donor)) % 4
    # The first sample of each second donor, and the last of every donor, are treated.
    treated = ((site == N_EACH - 1) | ((site == 0) & (donor % 2 == 0))).astype(int)
    dose = rng.normal(size=len(donor)) + 0.5 * (donor % 3)
    weight = np.round(np.exp(0.6 * rng.standard_normal((N_GENES, len(donor)))), 6)
    sd_donor, sd_site = (np.sqrt(rng.choice([0, 0.3, 1, 10], N_GENES)) for _ in range(2))
    response = 6 + 2 * rng.standard_normal((N_GENES, 1)) + rng.standard_normal((N_GENES, 1)) * treated
    response += sd_donor[:, None] * rng.standard_normal((N_GENES, N_DONORS))[:, donor]
    response += sd_site[:, None] * rng.standard_normal((N_GENES, N_EACH))[:, site]
    response += rng.standard_normal(response.shape) / np.sqrt(weight)
    sheet = ["sample\tdonor\tsite\tbatch\ttreated\tdose"]
    for i in range(len(donor)):
        sheet.append(f"s{i + 1}\td{donor[i] + 1}\tp{site[i] + 1}\tb{batch[i] + 1}\t{treated[i]}\t{dose[i]:.6f}")
    (HERE / "samples.tsv").write_text("\n".join(sheet) + "\n")
    for name, values in (("response", np.round(response, 8)), ("weight", weight)):
        rows = ["\t".join([f"g{g + 1}", *(repr(float(each)) for each in row)]) for g, row in enumerate(values)]
        head = "\t".join(["gene", *(f"s{i + 1}" for i in range(len(donor)))])
        (HERE / f"{name}.tsv").write_text("\n".join([head, *rows]) + "\n")


if __name__ == "__main__":
    main()

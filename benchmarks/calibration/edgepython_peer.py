"""edgeR 5's quasi-likelihood test as edgePython has it; the design's last column is tested.

PYTHON edgepython_peer.py FOLDER ...

Each folder holds counts.csv and design.csv, and gets results.csv, as peers.R reads and writes them. edgePython is under
the GPL and lives in an environment of its own, whose interpreter runs this file: it imports nothing of ebgenes.
"""

import sys
from pathlib import Path

import edgepython
import pandas as pd

for folder in map(Path, sys.argv[1:]):
    count = pd.read_csv(folder / "counts.csv", index_col=0)
    design = pd.read_csv(folder / "design.csv", index_col=0)
    data = edgepython.calc_norm_factors(edgepython.make_dgelist(count.to_numpy()))
    # Without dispersions given it estimates one for all genes, as edgeR 5 does.
    fit = edgepython.glm_ql_fit(data, design.to_numpy(dtype=float))
    top = edgepython.top_tags(edgepython.glm_ql_ftest(fit), n=len(count), sort_by="none")["table"]
    result = {"adjusted": top["FDR"], "order": top["PValue"], "estimate": top["logFC"], "p_value": top["PValue"]}
    method = f"edgePython {edgepython.__version__} QL, BH"
    pd.DataFrame({"method": method, **result}).to_csv(folder / "results.csv", index=False)

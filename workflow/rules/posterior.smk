# The prior, the table it implies and the pictures of that table share one job: after the effects each
# takes less time than loading the libraries would.
rule posterior:
    input:
        effects=f"{CONTRAST}/effects.h5",
        counts=f"{DATASET}/counts.h5ad",
        genes=annotation,
    output:
        prior=f"{CONTRAST}/prior.json",
        tables=[f"{CONTRAST}/genes.{suffix}" for suffix in SETTINGS.report.tables],
        figures=[reported(CONTRAST, name) for name in CONTRAST_FIGURES],
        draws=[f"{CONTRAST}/draws.nc"] if SETTINGS.prior.fit == "gibbs" else [],
    log:
        f"{LOGS}/{{contrast}}.posterior.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    params:
        version=EBGENES_VERSION,
        prior=settings_json("prior"),
        gibbs=settings_json("gibbs"),
        report=settings_json("report"),
        # What captions tell.
        level=SETTINGS.report.level,
        genes=lambda wildcards, input: flag_of("genes", input.genes),
        draws=lambda wildcards, output: flag_of("draws", output.draws),
    shell:
        "ebgenes prior {input.effects:q} --prior {params.prior:q} --gibbs {params.gibbs:q} {params.draws} {params.genes} --counts {input.counts:q} --report {params.report:q} "
        "--threads {threads} --out {output.prior:q} --table {output.tables:q} --figures {output.figures:q} 2>&1 | tee {log:q}"

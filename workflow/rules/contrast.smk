# Effects, the prior, the table it implies and the pictures of that table share one job: each takes less time than
# loading the libraries would.
rule contrast:
    input:
        counts=f"{DATASET}/counts.h5ad",
        controls=source("controls"),
        genes=annotation,
        stored=stored_prior,
    output:
        effects=f"{CONTRAST}/effects.h5",
        prior=f"{CONTRAST}/prior.json",
        tables=[f"{CONTRAST}/genes.{suffix}" for suffix in SETTINGS.report.tables],
        figures=[reported(CONTRAST, name) for name in CONTRAST_FIGURES],
        draws=[f"{CONTRAST}/draws.nc"] if SETTINGS.prior.fit == "gibbs" else [],
    log:
        f"{LOGS}/{{contrast}}.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=8),
        runtime=minutes(30, each=1),
    params:
        version=EBGENES_VERSION,
        design=lambda wildcards: dataset(wildcards).design,
        reference=lambda wildcards: json.dumps(dataset(wildcards).reference),
        contrast=lambda wildcards: json.dumps(
            dataset(wildcards).contrasts[wildcards.contrast]
        ),
        effects=settings_json("effects"),
        controls=lambda wildcards, input: flag_of("controls", input.controls),
        prior=settings_json("prior"),
        gibbs=settings_json("gibbs"),
        draws=lambda wildcards, output: flag_of("draws", output.draws),
        report=settings_json("report"),
        # What captions tell.
        level=SETTINGS.report.level,
        genes=lambda wildcards, input: flag_of("genes", input.genes),
    shell:
        "ebgenes contrast {input.counts:q} {params.controls} --design={params.design:q} --reference {params.reference:q} "
        "--contrast {params.contrast:q} --name {wildcards.contrast:q} --effects {params.effects:q} "
        "--effects-out {output.effects:q} --prior {params.prior:q} --gibbs {params.gibbs:q} {params.draws} {params.genes} --report {params.report:q} "
        "--threads {threads} --out {output.prior:q} --table {output.tables:q} --figures {output.figures:q} 2>&1 | tee {log:q}"

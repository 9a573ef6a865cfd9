rule effects:
    input:
        counts=f"{DATASET}/counts.h5ad",
        controls=source("controls"),
    output:
        f"{CONTRAST}/effects.h5",
    log:
        f"{LOGS}/{{contrast}}.effects.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    params:
        version=EBGENES_VERSION,
        design=lambda wildcards: dataset(wildcards).design,
        reference=lambda wildcards: json.dumps(dataset(wildcards).reference),
        contrast=lambda wildcards: json.dumps(
            dataset(wildcards).contrasts[wildcards.contrast]
        ),
        effects=settings_json("effects"),
        controls=lambda wildcards, input: flag_of("controls", input.controls),
    shell:
        "ebgenes effects {input.counts:q} {params.controls} --design={params.design:q} --reference {params.reference:q} "
        "--contrast {params.contrast:q} --name {wildcards.contrast:q} --effects {params.effects:q} "
        "--threads {threads} --out {output:q} 2>&1 | tee {log:q}"

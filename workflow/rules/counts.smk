rule counts:
    input:
        counts=source("counts"),
        samples=source("samples"),
        genes=source("genes"),
        offsets=source("offsets"),
        tx2gene=source("tx2gene"),
    output:
        f"{DATASET}/counts.h5ad",
    log:
        f"{LOGS}/counts.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(2000),
        runtime=10,
    params:
        version=EBGENES_VERSION,
        design=lambda wildcards: dataset(wildcards).design,
        keep=lambda wildcards: json.dumps(asdict(dataset(wildcards).keep)),
        reference=lambda wildcards: json.dumps(dataset(wildcards).reference),
        normalization=SETTINGS.effects.normalization,
        genes=lambda wildcards, input: flag_of("genes", input.genes),
        offsets=lambda wildcards, input: flag_of("offsets", input.offsets),
        layer=lambda wildcards: flag_of("layer", dataset(wildcards).layer),
        tx2gene=lambda wildcards, input: flag_of("tx2gene", input.tx2gene),
        format=lambda wildcards: dataset(wildcards).format,
        strandedness=lambda wildcards: dataset(wildcards).strandedness,
    shell:
        "ebgenes counts {input.counts:q} --samples {input.samples:q} {params.genes} {params.offsets} {params.layer} "
        "--format {params.format:q} --strandedness {params.strandedness:q} {params.tx2gene} "
        "--design={params.design:q} --keep {params.keep:q} --reference {params.reference:q} "
        "--normalization {params.normalization:q} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"

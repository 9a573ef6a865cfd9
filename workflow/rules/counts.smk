rule counts:
    input:
        counts=source("counts"),
        samples=source("samples"),
        genes=source("genes"),
        offsets=source("offsets"),
        size_factors=size_factors,
        tx2gene=source("tx2gene"),
        gene_lengths=gene_lengths,
    output:
        f"{DATASET}/counts.h5ad",
    log:
        f"{LOGS}/counts.log",
    wildcard_constraints:
        dataset=any_of(PLAIN),
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=30),
        runtime=minutes(10, each=0.1),
    params:
        version=EBGENES_VERSION,
        contents=contents_of(
            source("counts"),
            source("samples"),
            source("genes"),
            source("offsets"),
            size_factors,
            source("tx2gene"),
            gene_lengths,
        ),
        limits=LIMITS,
        design=lambda wildcards: dataset(wildcards).design,
        keep=lambda wildcards: json.dumps(asdict(dataset(wildcards).keep)),
        reference=lambda wildcards: json.dumps(dataset(wildcards).reference),
        normalization=SETTINGS.effects.normalization,
        genes=lambda wildcards, input: flag_of("genes", input.genes),
        offsets=lambda wildcards, input: flag_of("offsets", input.offsets),
        size_factors=lambda wildcards: size_factors_flag(wildcards),
        layer=lambda wildcards: flag_of("layer", dataset(wildcards).layer),
        tx2gene=lambda wildcards, input: flag_of("tx2gene", input.tx2gene),
        format=lambda wildcards: dataset(wildcards).format,
        strandedness=lambda wildcards: dataset(wildcards).strandedness,
        samples=lambda wildcards, input: flag_of("samples", input.samples),
        gene_lengths=lambda wildcards, input: flag_of(
            "gene-lengths", input.gene_lengths
        ),
        intake=lambda wildcards: intake_part(dataset(wildcards)),
    shell:
        "ebgenes counts {input.counts:q} {params.samples} --intake {params.intake:q} {params.gene_lengths} {params.genes} {params.offsets} {params.size_factors} {params.layer} "
        "--format {params.format:q} --strandedness {params.strandedness:q} {params.tx2gene} "
        "--design={params.design:q} --keep {params.keep:q} --reference {params.reference:q} "
        "{params.limits} --normalization {params.normalization:q} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


# Sums are made once; what is asked of them may change without reading the cells again.
rule pseudobulk:
    input:
        counts=source("counts"),
        samples=source("samples"),
        cells=lambda wildcards: local(dataset(wildcards).pseudobulk.cells or []),
    output:
        os.path.join(OUTDIR, "{cells}", "pseudobulk.h5ad"),
    log:
        os.path.join(OUTDIR, "logs", "{cells}", "pseudobulk.log"),
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(4000),
        runtime=minutes(30, each=0.02),
    params:
        version=EBGENES_VERSION,
        contents=contents_of(
            source("counts"),
            source("samples"),
            lambda wildcards: dataset(wildcards).pseudobulk.cells or [],
        ),
        limits=LIMITS,
        pseudobulk=lambda wildcards: sums_part(dataset(wildcards)),
        layer=lambda wildcards: flag_of("layer", dataset(wildcards).layer),
    shell:
        "ebgenes pseudobulk {input.counts:q} --samples {input.samples:q} --pseudobulk {params.pseudobulk:q} "
        "{params.limits} {params.layer} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


checkpoint plan:
    input:
        sums=os.path.join(OUTDIR, "{cells}", "pseudobulk.h5ad"),
        samples=source("samples"),
        genes=source("genes"),
        offsets=source("offsets"),
        size_factors=size_factors,
    output:
        os.path.join(OUTDIR, "{cells}", "cell_types.json"),
    log:
        os.path.join(OUTDIR, "logs", "{cells}", "plan.log"),
    localrule: True
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=30),
        runtime=minutes(10, each=0.1),
    params:
        version=EBGENES_VERSION,
        contents=contents_of(
            source("samples"), source("genes"), source("offsets"), size_factors
        ),
        limits=LIMITS,
        config=lambda wildcards: plan_part(SETTINGS, name_of(wildcards)),
    shell:
        "ebgenes plan {input.sums:q} {params.config:q} --dataset {wildcards.cells:q} "
        "{params.limits} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


rule cell_type_counts:
    input:
        counts=os.path.join(OUTDIR, "{cells}", "pseudobulk.h5ad"),
        samples=source("samples"),
        genes=source("genes"),
        offsets=source("offsets"),
        size_factors=size_factors,
    output:
        os.path.join(OUTDIR, "{cells}", "{cell_type}", "counts.h5ad"),
    log:
        os.path.join(OUTDIR, "logs", "{cells}", "{cell_type}", "counts.log"),
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=30),
        runtime=minutes(10, each=0.1),
    params:
        version=EBGENES_VERSION,
        contents=contents_of(
            source("samples"), source("genes"), source("offsets"), size_factors
        ),
        limits=LIMITS,
        design=lambda wildcards: dataset(wildcards).design,
        keep=lambda wildcards: json.dumps(asdict(dataset(wildcards).keep)),
        reference=lambda wildcards: json.dumps(dataset(wildcards).reference),
        normalization=SETTINGS.effects.normalization,
        pseudobulk=lambda wildcards: json.dumps(asdict(dataset(wildcards).pseudobulk)),
        genes=lambda wildcards, input: flag_of("genes", input.genes),
        offsets=lambda wildcards, input: flag_of("offsets", input.offsets),
        size_factors=lambda wildcards: size_factors_flag(wildcards),
        intake=lambda wildcards: intake_part(dataset(wildcards)),
    shell:
        "ebgenes counts {input.counts:q} --samples {input.samples:q} --intake {params.intake:q} {params.genes} {params.offsets} {params.size_factors} "
        "--pseudobulk {params.pseudobulk:q} --folder {wildcards.cell_type:q} "
        "--design={params.design:q} --keep {params.keep:q} --reference {params.reference:q} "
        "{params.limits} --normalization {params.normalization:q} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"

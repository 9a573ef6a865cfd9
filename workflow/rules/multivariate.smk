# Contrasts of one dataset, or its cell types, taken together.
rule multivariate:
    input:
        counts=group_inputs(lambda asked: ["counts.h5ad"] if asked else []),
        effects=group_inputs(lambda asked: [f"{each}/effects.h5" for each in asked]),
        plan=group_plan,
    output:
        tables=[f"{GROUP}/{file}" for file in GROUP_TABLES],
        figures=[reported(GROUP, name) for name in GROUP_FIGURES],
    log:
        os.path.join(OUTDIR, "logs", "{joined}", "multivariate", "{group}.log"),
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=8),
        runtime=minutes(10, each=0.1),
    params:
        version=EBGENES_VERSION,
        level=SETTINGS.report.level,
        config=lambda wildcards: conditions_part(
            SETTINGS, wildcards.joined, wildcards.group
        ),
        folder=lambda wildcards: os.path.join(OUTDIR, wildcards.joined),
    shell:
        "ebgenes multivariate {params.config:q} --dataset {wildcards.joined:q} --name {wildcards.group:q} "
        "--folder {params.folder:q} --threads {threads} 2>&1 | tee {log:q}"

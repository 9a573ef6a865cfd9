rule report:
    input:
        counts=f"{DATASET}/counts.h5ad",
        effects=lambda wildcards: contrast_files(wildcards.dataset, ["effects.h5"]),
        tables=lambda wildcards: contrast_files(wildcards.dataset, ["genes.tsv"]),
        priors=lambda wildcards: contrast_files(wildcards.dataset, ["prior.json"]),
        figures=lambda wildcards: contrast_files(
            wildcards.dataset, shown_on_page(CONTRAST_FILES.figures)
        ),
        rows=lambda wildcards: row_files(wildcards.dataset, shown_on_page(ROW_FIGURES)),
        analyses=lambda wildcards: analysis_files(name_of(wildcards), shown_on_page),
    output:
        results=f"{DATASET}/results.h5ad",
        page=report(
            f"{DATASET}/report.html",
            caption="../report/page.rst",
            category="{dataset}",
            labels={
                "figure": "page",
                "shows": "everything of the dataset, to explore",
            },
        ),
        figures=[reported(DATASET, name) for name in dataset_figures(SETTINGS)],
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=8),
        runtime=minutes(10, each=0.1),
    params:
        version=EBGENES_VERSION,
        # What captions tell.
        level=SETTINGS.report.level,
        config=lambda wildcards: dataset_part(SETTINGS, name_of(wildcards)),
        name=lambda wildcards: name_of(wildcards),
        part=lambda wildcards: flag_of("part", part_of(wildcards)),
        folder=lambda wildcards, output: os.path.dirname(output.page),
    shell:
        "ebgenes report {params.config:q} --dataset {params.name:q} {params.part} --folder {params.folder:q} "
        "--threads {threads} 2>&1 | tee {log:q}"

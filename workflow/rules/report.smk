rule report:
    input:
        counts=f"{OUT}/{{dataset}}/counts.h5ad",
        tables=contrast_files("genes.tsv"),
        priors=contrast_files("prior.json"),
        figures=contrast_files([f"{name}.png" for name in FIGURES]),
    output:
        results=f"{OUT}/{{dataset}}/results.h5ad",
        page=f"{OUT}/{{dataset}}/report.html",
    params:
        version=EBGENES_VERSION,
        config=lambda wildcards: only_dataset(wildcards.dataset),
        folder=lambda wildcards, output: os.path.dirname(output.page),
    log:
        f"{OUT}/logs/{{dataset}}.report.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(2000),
        runtime=10,
    shell:
        "ebgenes report {params.config:q} --dataset {wildcards.dataset} --folder {params.folder:q} "
        "--threads {threads} 2>&1 | tee {log:q}"

rule figures:
    input:
        table=f"{OUT}/{{dataset}}/{{contrast}}/genes.tsv",
        prior=f"{OUT}/{{dataset}}/{{contrast}}/prior.json",
    output:
        figure_files(),
    params:
        version=EBGENES_VERSION,
        report=settings_json("report"),
    log:
        f"{OUT}/logs/{{dataset}}.{{contrast}}.figures.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1500),
        runtime=10,
    shell:
        "ebgenes plot {input.table:q} --prior {input.prior:q} --report {params.report:q} "
        "--threads {threads} --out {output:q} 2>&1 | tee {log:q}"

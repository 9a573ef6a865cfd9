# The prior, the table it implies and the pictures of that table share one job: after the effects each
# takes less time than loading the libraries would.
rule posterior:
    input:
        effects=f"{OUT}/{{dataset}}/{{contrast}}/effects.h5",
        counts=f"{OUT}/{{dataset}}/counts.h5ad",
    output:
        prior=f"{OUT}/{{dataset}}/{{contrast}}/prior.json",
        tables=[f"{OUT}/{{dataset}}/{{contrast}}/genes.{suffix}" for suffix in SETTINGS.report.tables],
        figures=contrast_figures(),
    params:
        version=EBGENES_VERSION,
        prior=settings_json("prior"),
        report=settings_json("report"),
    log:
        f"{OUT}/logs/{{dataset}}.{{contrast}}.posterior.log",
    conda:
        "../envs/ebgenes.yaml"
    threads: 2
    resources:
        mem_mb=mem_mb(2000),
        runtime=30,
    shell:
        "ebgenes prior {input.effects:q} --prior {params.prior:q} --counts {input.counts:q} --report {params.report:q} "
        "--threads {threads} --out {output.prior:q} --table {output.tables:q} --figures {output.figures:q} 2>&1 | tee {log:q}"

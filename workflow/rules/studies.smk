# Several studies of one question, from the effects of their datasets or from tables.
rule studies:
    input:
        study_files,
        stored=stored_prior,
        genes=lambda wildcards: local(studies(wildcards).genes or []),
    output:
        effects=f"{STUDIES}/effects.h5",
        prior=f"{STUDIES}/prior.json",
        tables=[f"{STUDIES}/genes.{suffix}" for suffix in SETTINGS.report.tables],
        own=f"{STUDIES}/studies.tsv",
        figures=[reported(STUDIES, name, "{studies}") for name in STUDIES_FIGURES],
        page=report(
            f"{STUDIES}/report.html",
            caption="../report/page.rst",
            category="{studies}",
            labels={
                "figure": "page",
                "shows": "everything of the studies, to explore",
            },
        ),
    log:
        os.path.join(OUTDIR, "logs", "{studies}", "report.log"),
    wildcard_constraints:
        studies=any_of(SETTINGS.studies),
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1500, each=10),
        runtime=minutes(30, each=1),
    params:
        version=EBGENES_VERSION,
        contents=contents_of(study_tables, stored_prior),
        config=lambda wildcards: studies_part(SETTINGS, wildcards.studies),
        outdir=lambda wildcards, output: os.path.dirname(os.path.dirname(output.prior))
        or ".",
        # What captions tell.
        level=SETTINGS.report.level,
    shell:
        "ebgenes studies {params.config:q} --name {wildcards.studies:q} --outdir {params.outdir:q} "
        "--threads {threads} 2>&1 | tee {log:q}"

# Analyses of a dataset's contrasts: a rule for each that is asked for, made of its record.
for ANALYSIS in ASKED:

    rule:
        name:
            ANALYSIS.name
        input:
            contrasts=analysis_inputs(ANALYSIS),
            plan=cell_type_plan,
        output:
            outputs_of(ANALYSIS),
        log:
            os.path.join(OUTDIR, "logs", "{analyzed}", ANALYSIS.name, "{entry}.log"),
        wildcard_constraints:
            entry=any_of(entries_of(ANALYSIS)),
        conda:
            "../envs/ebgenes.yaml"
        resources:
            mem_mb=mem_mb(1200, each=8),
            runtime=minutes(10, each=0.1),
        params:
            version=EBGENES_VERSION,
            # What captions tell.
            level=SETTINGS.report.level,
            verb=ANALYSIS.name,
            config=analysis_config(ANALYSIS),
            folder=lambda wildcards: os.path.join(OUTDIR, wildcards.analyzed),
        shell:
            "ebgenes {params.verb} {params.config:q} --dataset {wildcards.analyzed:q} --name {wildcards.entry:q} "
            "--folder {params.folder:q} --threads {threads} 2>&1 | tee {log:q}"

# Where effects.chunks asks for it, genes are shared out to several jobs; what all of them tell together is learned once.
rule common:
    input:
        counts=f"{DATASET}/counts.h5ad",
        controls=source("controls"),
    output:
        temp(f"{CONTRAST}/chunks/common.h5"),
    log:
        f"{LOGS}/{{contrast}}.common.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=8),
        runtime=minutes(30, each=1),
    params:
        version=EBGENES_VERSION,
        contents=contents_of(source("controls")),
        asked=asked,
        controls=lambda wildcards, input: flag_of("controls", input.controls),
    shell:
        "ebgenes common {input.counts:q} {params.asked} {params.controls} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


rule chunk:
    input:
        f"{CONTRAST}/chunks/common.h5",
    output:
        temp(f"{CONTRAST}/chunks/{{chunk}}.h5"),
    log:
        f"{LOGS}/{{contrast}}.{{chunk}}.log",
    conda:
        "../envs/ebgenes.yaml"
    resources:
        mem_mb=mem_mb(1200, each=8),
        runtime=minutes(30, each=1),
    params:
        version=EBGENES_VERSION,
        chunk=lambda wildcards: f"{wildcards.chunk}/{CHUNKS}",
    shell:
        "ebgenes chunk {input:q} --chunk {params.chunk} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


# What a contrast leaves, whoever makes it; files that the data decide on cannot be promised.
ANSWER = {
    **asdict(CONTRAST_FILES.within(CONTRAST)),
    "figures": [
        reported(CONTRAST, name, subcategory="{contrast}")
        for name in CONTRAST_FILES.figures
    ],
}
del ANSWER["perhaps"]


if SETTINGS.effects.batch > 1:

    # Several contrasts in one process, which loads its libraries once; each is then put where it belongs.
    rule batch:
        input:
            counts=f"{DATASET}/counts.h5ad",
            controls=source("controls"),
            genes=annotation,
            stored=stored_prior,
        output:
            temp(directory(f"{DATASET}/.batches/{{batch}}")),
        log:
            f"{LOGS}/batch.{{batch}}.log",
        conda:
            "../envs/ebgenes.yaml"
        resources:
            mem_mb=mem_mb(1200, each=8),
            runtime=minutes(30 * SETTINGS.effects.batch, each=SETTINGS.effects.batch),
        params:
            version=EBGENES_VERSION,
            contents=contents_of(source("controls"), annotation, stored_prior),
            name=lambda wildcards: name_of(wildcards),
            config=lambda wildcards: dataset_part(
                SETTINGS,
                name_of(wildcards),
                batch_of(wildcards.dataset, int(wildcards.batch)),
            ),
        shell:
            "ebgenes contrasts {input.counts:q} {params.config:q} --dataset {params.name:q} "
            "--threads {threads} --out {output:q} 2>&1 | tee {log:q}"

    rule contrast:
        input:
            batch=own_batch,
            counts=f"{DATASET}/counts.h5ad",
            controls=source("controls"),
            genes=annotation,
            stored=stored_prior,
        output:
            **ANSWER,
        log:
            f"{LOGS}/{{contrast}}.log",
        localrule: True
        conda:
            "../envs/ebgenes.yaml"
        params:
            version=EBGENES_VERSION,
            contents=contents_of(source("controls"), annotation, stored_prior),
            asked=asked,
            prior=section_part(SETTINGS, "prior"),
            gibbs=section_part(SETTINGS, "gibbs"),
            report=section_part(SETTINGS, "report"),
            # What captions tell.
            level=SETTINGS.report.level,
            folder=lambda wildcards, output: os.path.dirname(output.prior),
            perhaps=perhaps,
        shell:
            "{{ rm -f {params.perhaps:q} && cp {input.batch:q}/{wildcards.contrast}/* {params.folder:q}; }} 2>&1 | tee {log:q}"

else:

    # Effects, the prior, the table it implies and the pictures of that table share one job: each takes less time than
    # loading the libraries would.
    rule contrast:
        input:
            counts=f"{DATASET}/counts.h5ad",
            controls=source("controls"),
            genes=annotation,
            stored=stored_prior,
            chunks=chunks_of,
        output:
            **ANSWER,
        log:
            f"{LOGS}/{{contrast}}.log",
        conda:
            "../envs/ebgenes.yaml"
        resources:
            mem_mb=mem_mb(1200, each=8),
            runtime=minutes(30, each=1),
        params:
            version=EBGENES_VERSION,
            contents=contents_of(source("controls"), annotation, stored_prior),
            asked=asked,
            controls=lambda wildcards, input: flag_of("controls", input.controls),
            chunks=lambda wildcards, input: "--chunks" if input.chunks else "",
            prior=section_part(SETTINGS, "prior"),
            gibbs=section_part(SETTINGS, "gibbs"),
            draws=lambda wildcards, output: flag_of("draws", output.draws),
            beside=lambda wildcards, output: flag_of("beside", output.fixed_random),
            perhaps=perhaps,
            report=section_part(SETTINGS, "report"),
            # What captions tell.
            level=SETTINGS.report.level,
            genes=lambda wildcards, input: flag_of("genes", input.genes),
        shell:
            "ebgenes contrast {input.counts:q} {params.asked} {params.controls} {params.chunks} {input.chunks:q} --effects-out {output.effects:q} --prior {params.prior:q} --gibbs {params.gibbs:q} {params.draws} {params.beside} {params.genes} --report {params.report:q} "
            "--threads {threads} --out {output.prior:q} --table {output.tables:q} --figures {output.figures:q} --perhaps {params.perhaps:q} 2>&1 | tee {log:q}"


if ROW_FIGURES:

    # Only contrasts of several rows are asked for these figures.
    rule rows:
        input:
            effects=f"{CONTRAST}/effects.h5",
            prior=f"{CONTRAST}/prior.json",
            table=f"{CONTRAST}/genes.tsv",
        output:
            [reported(CONTRAST, name, subcategory="{contrast}") for name in ROW_FIGURES],
        log:
            f"{LOGS}/{{contrast}}.rows.log",
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
            report=section_part(SETTINGS, "report"),
        shell:
            "ebgenes plot {input.table:q} --prior {input.prior:q} --effects {input.effects:q} --report {params.report:q} "
            "--threads {threads} --out {output:q} 2>&1 | tee {log:q}"

# `snakemake --cores 2` here runs config/config.yaml; the workflow itself is workflow/Snakefile.
include: "workflow/Snakefile"


# An included workflow brings rules, not a target: name one.
rule default:
    default_target: True
    input:
        rules.all.input,

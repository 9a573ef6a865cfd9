# docker build -t ebgenes . && docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/data" -w /data ebgenes ebgenes run mine.yaml
# or, in place of the last words: ebgenes snakemake --cores 4 --snakefile /opt/ebgenes/workflow/Snakefile --configfile mine.yaml
FROM python:3.12-slim

COPY . /opt/ebgenes
RUN pip install --no-cache-dir "/opt/ebgenes[workflow,parquet,xlsx]"

# Any user may run the image, without a home: compiled code, fonts and Snakemake's own cache are kept where all can write.
ENV NUMBA_CACHE_DIR=/opt/cache/numba MPLCONFIGDIR=/opt/cache/matplotlib XDG_CACHE_HOME=/opt/cache HOME=/tmp
RUN mkdir -p /opt/cache \
    && cd /opt/ebgenes && ebgenes run config/pasilla.yaml --outdir /tmp/warm \
    && rm -rf /tmp/warm && chmod -R a+rwX /opt/cache

ENTRYPOINT []
CMD ["ebgenes", "--help"]

// Packed arrays -> columns. The twin of payload.py.

const MISSING = 0xffffffff;
const PLUS_INFINITY = 0xfffffffe;
const MINUS_INFINITY = 0xfffffffd;

/** Bytes of an element that holds base64 of gzip. */
async function unzip(id) {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unzipLines(id) {
  return new TextDecoder().decode(await unzip(id)).split("\n");
}

/** Columns of n numbers each: multiples of their steps and their signs, the four bytes of a number n apart. */
function unpackColumns(bytes, n, steps) {
  return steps.map((step, column) => {
    const start = 4 * n * column;
    const values = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const at = start + i;
      const code = (bytes[at] | (bytes[at + n] << 8) | (bytes[at + 2 * n] << 16) | (bytes[at + 3 * n] << 24)) >>> 0;
      if (code === MISSING) values[i] = NaN;
      else if (code === PLUS_INFINITY) values[i] = Infinity;
      else if (code === MINUS_INFINITY) values[i] = -Infinity;
      else {
        const multiple = code >>> 1;
        // Numbers were cut towards 0: the middle of what was cut off errs least, and stays on its side of any multiple.
        values[i] = multiple === 0 ? 0 : (code & 1 ? 0.5 - multiple : multiple - 0.5) * step;
      }
    }
    return values;
  });
}

/** Mean of the rates of each gene and all with a smaller one; from `most` on no less than the gene's own. */
function listRate(rate, most) {
  const order = ascending(rate);
  const mean = new Float64Array(rate.length).fill(NaN);
  let sum = 0;
  let start = 0;
  order.forEach((gene, rank) => {
    sum += rate[gene];
    if (rank + 1 < order.length && rate[order[rank + 1]] === rate[gene]) return;
    // Ties share one value.
    const level = rate[gene] < most ? sum / (rank + 1) : Math.max(sum / (rank + 1), rate[gene]);
    for (; start <= rank; start++) mean[order[start]] = level;
  });
  return mean;
}

/** Benjamini and Hochberg's adjustment. */
function adjusted(pValue) {
  const order = ascending(pValue);
  const result = new Float64Array(pValue.length).fill(NaN);
  let least = 1;
  for (let rank = order.length; rank > 0; rank--) {
    const gene = order[rank - 1];
    least = Math.min(least, (pValue[gene] * order.length) / rank);
    result[gene] = least;
  }
  return result;
}

/** Positions of the known values, smallest first. */
function ascending(values) {
  const known = [];
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) known.push(i);
  return Uint32Array.from(known).sort((a, b) => values[a] - values[b] || a - b);
}

/** Everything about one contrast: its packed columns and what follows from them. */
async function loadContrast(meta, nGenes, coinToss) {
  const names = Object.keys(meta.steps);
  const unpacked = unpackColumns(await unzip(meta.block), nGenes, Object.values(meta.steps));
  const column = Object.fromEntries(names.map((name, i) => [name, unpacked[i]]));
  const { prior } = meta;
  const bend = 5;
  const last = prior.density.length - 1;
  prior.effect = prior.density.map((_, i) => prior.mode + (prior.reach * Math.sinh(bend * ((2 * i) / last - 1))) / Math.sinh(bend));
  const power = (name) => column[name].map((value) => 10 ** -value);
  const lfdr = power("log_lfdr");
  const lfsr = power("log_lfsr");
  const p_value = power("log_p_value");
  return {
    ...column,
    likelihoods: await loadLikelihoods(meta.likelihoods),
    rows: await loadRows(meta.rows),
    studies: await loadStudies(meta.studies, nGenes),
    lfdr,
    lfsr,
    p_value,
    q_value: listRate(lfdr, coinToss),
    s_value: listRate(lfsr, coinToss),
    adj_p_value: adjusted(p_value),
  };
}

/** Log likelihoods of the genes that have their own, by gene: {grid, loglik}. */
async function loadLikelihoods(meta) {
  if (!meta) return new Map();
  const steps = [1, ...Array(meta.nodes).fill(meta.effect_step), ...Array(meta.nodes).fill(meta.step)];
  const [gene, ...columns] = unpackColumns(await unzip(meta.block), meta.genes, steps);
  const of = (first, i) => columns.slice(first, first + meta.nodes).map((column) => column[i]);
  return new Map(Array.from(gene, (place, i) => [Math.round(place - 0.5 * Math.sign(place)), { grid: of(0, i), loglik: of(meta.nodes, i) }]));
}

/** Each study's own effects: a function from gene to what a forest plot draws; null where there are no studies. */
async function loadStudies(meta, nGenes) {
  if (!meta) return null;
  const steps = [meta.share_step, meta.share_step, ...meta.names.flatMap(() => meta.steps)];
  const [i2, differ, ...columns] = unpackColumns(await unzip(meta.block), nGenes, steps);
  return (gene) => ({
    i2: i2[gene], differ: differ[gene],
    lines: meta.names.map((name, s) => {
      const [estimate, se, mean, sd] = columns.slice(4 * s, 4 * s + 4).map((column) => column[gene]);
      return { name, estimate, se, mean, sd };
    }),
  });
}

/** Normalized counts of the genes that have them: a function from gene to an array over samples, or null. */
async function loadCounts(meta) {
  const nSamples = meta.samples.name.length;
  const rows = meta.counts.genes;
  const columns = unpackColumns(await unzip("block-counts"), rows, Array(nSamples + 1).fill(1));
  const [middle, ...samples] = columns;
  const exact = (value) => value - 0.5 * Math.sign(value);
  const position = meta.counts.some ? unpackColumns(await unzip("block-counted"), rows, [1])[0].map(exact) : null;
  const rowOf = position && new Map(Array.from(position, (gene, row) => [gene, row]));
  return (gene) => {
    const row = rowOf ? rowOf.get(gene) : gene;
    if (row === undefined) return null;
    return samples.map((sample) => 2 ** ((exact(middle[row]) + exact(sample[row])) / meta.counts.scale) - 1);
  };
}

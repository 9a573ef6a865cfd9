// Several effects of one gene after pooling: a curve along time or dose with its band, or a point for each row.

/** Means and roots of covariances of the genes that have them, by gene, as fold changes. */
async function loadRows(meta) {
  if (!meta) return null;
  const n = meta.row.length;
  const steps = [1, ...Array(n + (n * (n + 1)) / 2).fill(meta.step)];
  const [gene, ...columns] = unpackColumns(await unzip(meta.block), meta.genes, steps);
  const place = new Map(Array.from(gene, (value, i) => [Math.round(value - 0.5 * Math.sign(value)), i]));
  return (g) => {
    const i = place.get(g);
    if (i === undefined) return null;
    const values = columns.map((column) => column[i]);
    const root = meta.row.map((_, r) => values.slice(n + (r * (r + 1)) / 2, n + ((r + 1) * (r + 2)) / 2));
    return { mean: values.slice(0, n), root };
  };
}

/** Value and standard deviation of a weighted sum of rows. */
function weightedRows({ mean, root }, weight) {
  const value = weight.reduce((sum, share, r) => sum + share * mean[r], 0);
  // |w'L|, L the lower triangular root.
  const along = mean.map((_, c) => weight.reduce((sum, share, r) => sum + (c <= r ? share * root[r][c] : 0), 0));
  return [value, Math.hypot(...along)];
}

/** Series of points {x, value, half, words} of a gene. */
function rowSeries(gene, rows, reach) {
  const point = (weight, x, words) => {
    const [value, sd] = weightedRows(gene, weight);
    return { x, value, half: reach * sd, words };
  };
  if (!rows.curve) {
    const points = rows.row.map((name, r) => point(rows.row.map((_, i) => (i === r ? 1 / rows.unit[r] : 0)), r, name));
    return [{ words: "", points }];
  }
  const { x, series, weight } = rows.curve;
  return [...new Set(series)].map((words) => ({
    words, points: x.flatMap((value, j) => (series[j] === words ? [point(weight[j], value, "")] : [])),
  }));
}

function drawRows(pen, width, height, colours, gene, rows, interval) {
  const shown = rowSeries(gene, rows, zScore(-Math.log10(1 - interval)));
  const all = shown.flatMap(({ points }) => points);
  const ends = padded(Math.min(0, ...all.map(({ value, half }) => value - half)), Math.max(0, ...all.map(({ value, half }) => value + half)) + 1e-6, 0.08);
  const { curve } = rows;
  const places = all.map(({ x }) => x);
  const room = Math.max(4, Math.floor(width / rows.row.length / 8));
  const framed = frame(pen, width, height, colours, {
    x: curve
      ? { ends: padded(Math.min(...places), Math.max(...places), 0.04), words: isolated(short(curve.column, 40)) }
      : { ends: [-0.5, rows.row.length - 0.5], words: "row of the contrast", ticks: rows.row.map((name, r) => [r, isolated(short(name, room))]) },
    y: { ends, words: curve ? "change from the first, log2" : "effect, log2" },
  });
  const { across, up, box } = framed;
  pen.line(box.left, up(0), box.right, up(0), colours.rule);
  shown.forEach(({ points }, i) => {
    const colour = GROUP_COLOURS[i % 6];
    const at = (side) => points.map(({ x, value, half }) => [across(x), up(value + side * half)]);
    if (curve?.dense) {
      pen.path([...at(1), ...at(-1).reverse()], { fill: `${colour}33` });
    } else {
      for (const { x, value, half } of points) pen.line(across(x), up(value - half), across(x), up(value + half), colour, 1.5);
      pen.points(points.map(({ x }) => across(x)), points.map(({ value }) => up(value)), { shape: GROUP_SHAPES[i % 6], size: 4, colour });
    }
    if (curve) pen.path(at(0), { colour, width: 2 });
  });
  if (shown.length > 1 || shown[0].words)
    drawKey(pen, box, colours, shown.map(({ words }, i) => ({ words: isolated(short(words, 24)), colour: GROUP_COLOURS[i % 6] })));
}

// Figures of a whole contrast beside the clouds: pooling, prior, error rates and whether the null fits.

function histogram(values, low, high, bins) {
  const heights = new Float64Array(bins);
  for (const value of values) {
    if (Number.isNaN(value) || value < low || value > high) continue;
    heights[Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins))] += 1;
  }
  return heights;
}

function drawBars(pen, framed, colours, heights, low, high) {
  const step = (high - low) / heights.length;
  heights.forEach((height, i) => {
    const left = framed.across(low + i * step);
    const right = framed.across(low + (i + 1) * step);
    pen.rect(left + 0.5, framed.up(height), Math.max(right - left - 1, 0.5), framed.up(0) - framed.up(height), colours.fill);
  });
}

/** Lines of words with their marks, below the top edge. */
function drawKey(pen, box, colours, entries, side = "right") {
  entries.forEach(({ words, colour, shape, dash, fill }, i) => {
    const y = box.top + 8 + 16 * i;
    const x = side === "right" ? box.right - 14 : box.left + 14;
    const align = side === "right" ? "right" : "left";
    const gap = side === "right" ? -14 : 14;
    if (fill) pen.rect(x - 6, y - 5, 12, 10, fill);
    else if (shape) pen.points([x], [y], { shape, size: 4, colour });
    else pen.line(x - 9, y, x + 9, y, colour, 2, dash);
    pen.text(x + gap, y, words, { size: 11, align, base: "middle", colour: colours.ink });
  });
}

/** Histograms, the prior and z scores; `now()` gives the contrast shown, {data, meta}. Returns the figure that follows the list. */
function makeFigures(host, now, name) {
  const small = (width) => Math.max(240, Math.min(0.72 * width, 340));
  const count = (values) => genes(values.filter((value) => !Number.isNaN(value)).length);

  const pooling = makeChart(host, {
    title: "Own estimates and posterior means", name: () => name("shrinkage"), shape: small,
    draw(pen, width, height, colours) {
      const { data, listed } = now();
      const ends = sides(data.log2_fc);
      const framed = frame(pen, width, height, colours, {
        x: { ends, words: "log2 fold change, no pooling" }, y: { ends: sides(data.post_mean), words: "posterior mean" },
      });
      const { across, up, box } = framed;
      pen.clip(box.left, box.top, box.right - box.left, box.bottom - box.top);
      pen.line(across(ends[0]), up(ends[0]), across(ends[1]), up(ends[1]), colours.soft, 1, [4, 3]);
      pen.line(box.left, up(0), box.right, up(0), colours.rule);
      ["rest", "down", "up"].forEach((group, code) => {
        const members = listed[group];
        const look = { shape: ["circle", "down", "up"][code], size: code ? 2.2 : 1.4, colour: colours[group], alpha: 0.45 };
        pen.points(members.map((gene) => across(data.log2_fc[gene])), members.map((gene) => up(data.post_mean[gene])), look);
      });
      pen.unclip();
      pen.text(box.left + 8, box.top + 8, "dashed: no pooling", { size: 11, base: "middle", colour: colours.ink });
    },
  });

  makeChart(host, {
    title: "Estimates and fitted prior", name: () => name("prior"), shape: small,
    draw(pen, width, height, colours) {
      const { data, meta } = now();
      const sizes = Float64Array.from(data.log2_fc.filter(Number.isFinite), Math.abs).sort();
      const end = sizes.length ? Math.max(Math.min(sizes.at(-1), 1.5 * sizes[Math.floor(0.995 * (sizes.length - 1))]), 1e-3) : 1;
      const bars = histogram(data.log2_fc, -end, end, 81);
      const weight = 81 / (2 * end * Math.max(sizes.length, 1));
      const heights = bars.map((each) => each * weight);
      const slab = interpolated(meta.prior.effect, meta.prior.density);
      const x = Array.from({ length: 601 }, (_, i) => -end + (end * i) / 300);
      const line = x.map(slab);
      const tallest = Math.max(...heights) || Math.max(...line) || 1;
      const top = 1.3 * Math.max(tallest, Math.min(Math.max(...line), 2 * tallest));
      const framed = frame(pen, width, height, colours, {
        x: { ends: [-end, end], words: "log2 fold change" }, y: { ends: [0, top], words: "density" },
      });
      drawBars(pen, framed, colours, heights, -end, end);
      pen.clip(framed.box.left, framed.box.top, framed.box.right - framed.box.left, framed.box.bottom - framed.box.top);
      pen.path(x.map((value, i) => [framed.across(value), framed.up(line[i])]), { colour: colours.up, width: 2 });
      const spike = framed.across(meta.prior.mode);
      pen.line(spike, framed.up(0), spike, framed.up((meta.prior.pi0 * top) / 1.3), colours.down, 4);
      pen.unclip();
      drawKey(pen, framed.box, colours, [
        { words: "own estimates, error included", fill: colours.fill },
        { words: `real effects, ${percentText(1 - meta.prior.pi0)} of genes`, colour: colours.up },
        { words: `unchanged, ${percentText(meta.prior.pi0)} (bar)`, colour: colours.down },
      ]);
    },
  });

  const rates = (title, key, words, flat) =>
    makeChart(host, {
      title, name: () => name(key), shape: small,
      draw(pen, width, height, colours) {
        const { data } = now();
        const bars = histogram(data[key], 0, 1, 40);
        const framed = frame(pen, width, height, colours, {
          x: { ends: [0, 1], words }, y: { ends: [0, Math.max(...bars, 1) * 1.05], words: "genes" },
        });
        drawBars(pen, framed, colours, bars, 0, 1);
        if (!flat) return;
        const level = (2 * data[key].filter((value) => value > 0.5).length) / 40;
        pen.line(framed.box.left, framed.up(level), framed.box.right, framed.up(level), colours.up, 1.5, [4, 3]);
        drawKey(pen, framed.box, colours, [{ words: "level of p-values above 0.5", colour: colours.up, dash: [4, 3] }]);
      },
      describe: () => `${title} of ${count(now().data[key])}`,
    });
  rates("p-values, before any pooling", "p_value", "p-value", true);
  rates("Probability that a gene is unchanged", "lfdr", "local false discovery rate", false);

  makeChart(host, {
    title: "z scores against their null", name: () => name("qq"), shape: small,
    draw(pen, width, height, colours) {
      const { data } = now();
      const z = [];
      data.log_p_value.forEach((value, gene) => !Number.isNaN(value) && z.push(Math.sign(data.log2_fc[gene]) * zScore(value)));
      z.sort((a, b) => a - b);
      const expected = z.map((_, i) => {
        const share = (i + 0.5) / z.length;
        return share < 0.5 ? -zScore(-Math.log10(2 * share)) : zScore(-Math.log10(2 * (1 - share)));
      });
      const reach = Math.max(3, 1.05 * (expected.at(-1) ?? 0));
      const [low, high] = sides(z);
      const framed = frame(pen, width, height, colours, {
        x: { ends: [-reach, reach], words: "expected if every gene were unchanged" },
        y: { ends: [Math.min(low, -reach), Math.max(high, reach)], words: "z of the p-value" },
      });
      const { across, up, box } = framed;
      pen.clip(box.left - 4, box.top - 4, box.right - box.left + 8, box.bottom - box.top + 8);
      pen.line(across(-reach), up(-reach), across(reach), up(reach), colours.soft, 1, [4, 3]);
      pen.points(expected.map(across), z.map(up), { size: 1.8, colour: colours.down, alpha: 0.99 });
      pen.unclip();
      pen.text(box.left + 8, box.top + 8, "dashed: every gene unchanged", { size: 11, base: "middle", colour: colours.ink });
    },
  });
  return pooling;
}

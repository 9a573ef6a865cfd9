// One gene in every study: its own estimates, what pooling made of them, and the common effect.

function makeForest(host, { now, gene, name }) {
  const words = element("p", { class: "soft" });
  const chart = makeChart(host, {
    title: "In every study", name, shape: () => 64 + 34 * (now().meta.studies.names.length + 1),
    draw(pen, width, height, colours) {
      if (gene() < 0) return;
      const { data, meta } = now();
      const { lines } = data.studies(gene());
      const known = lines.filter((line) => Number.isFinite(line.estimate));
      const common = { mean: data.post_mean[gene()], low: data.ci_low[gene()], high: data.ci_high[gene()] };
      const ends = padded(
        Math.min(0, common.low, ...known.map((line) => line.estimate - 2.1 * line.se)),
        Math.max(0, common.high, ...known.map((line) => line.estimate + 2.1 * line.se)), 0.05);
      const rows = lines.length + 1;
      const framed = frame(pen, width, height, colours, {
        x: { ends, words: "effect, log2" },
        y: { ends: [0, rows], words: "", ticks: [...lines.map((line, i) => [rows - i - 0.5, isolated(short(line.name, 14))]), [0.5, "all"]] },
        left: 110,
      });
      const { across, up, box } = framed;
      const bar = (low, high, y, colour, wide) => pen.line(across(Math.max(low, ends[0])), y, across(Math.min(high, ends[1])), y, colour, wide);
      pen.line(across(0), box.top, across(0), box.bottom, colours.rule);
      lines.forEach((line, i) => {
        const y = up(rows - i - 0.5);
        if (!Number.isFinite(line.estimate)) {
          pen.text(across(0) + 6, y, "not in this study", { size: 11, base: "middle", colour: colours.soft });
          return;
        }
        bar(line.estimate - 1.96 * line.se, line.estimate + 1.96 * line.se, y - 4, colours.soft, 1.5);
        pen.points([across(line.estimate)], [y - 4], { shape: "square", size: 4, colour: colours.soft, alpha: 1 });
        bar(line.mean - 1.96 * line.sd, line.mean + 1.96 * line.sd, y + 5, colours.up, 2.5);
        pen.points([across(line.mean)], [y + 5], { shape: "circle", size: 4, colour: colours.up, alpha: 1 });
      });
      if (Number.isFinite(common.mean)) {
        const y = up(0.5);
        bar(common.low, common.high, y, colours.down, 3);
        pen.points([across(common.mean)], [y], { shape: "diamond", size: 6, colour: colours.down, alpha: 1 });
      }
    },
  });
  host.append(words);
  return {
    redraw() {
      chart.redraw();
      if (gene() < 0) return;
      const { i2, differ } = now().data.studies(gene());
      words.textContent = "Squares: each study's own estimate with its 95% interval; circles: the posterior of its own effect; " +
        "diamond: the posterior of the common effect. " +
        (Number.isFinite(i2) ? `I² ${percentText(i2)}; if the gene is changed, its studies differ in sign with a probability of ${percentText(differ)}.` : "One study alone has this gene.");
    },
  };
}

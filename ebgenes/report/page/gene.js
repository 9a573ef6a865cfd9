// One gene: its counts, and why its estimate was shrunk as it was.

/**
 * Sheet columns that pair samples: no level twice in a group, some level in several. Those of the design come first.
 */
function pairColumns(sheet, values, formula) {
  const pairs = (labels) => {
    const groups = new Map();
    for (const [i, label] of labels.entries()) {
      const held = groups.get(label) ?? new Set();
      if (held.has(values[i])) return false;
      groups.set(label, held.add(values[i]));
    }
    return [...groups.values()].filter((held) => held.size > 1).length > 1;
  };
  const named = (column) => (formula.split(/[^\w.]+/).includes(column) ? 0 : 1);
  return Object.keys(sheet).filter((column) => pairs(sheet[column])).sort((a, b) => named(a) - named(b));
}

function makeGenePanel(host, { meta, countsOf, now, name, groups, pin, close }) {
  const title = element("h2", { id: "gene-title" }, "One gene");
  const shut = element("button", { type: "button", class: "shut", "aria-label": "Close the gene's panel", onclick: close }, "×");
  const facts = element("p", { class: "small" }, "");
  const places = element("p", { class: "small places" });
  const counted = element("div", {});
  const curved = element("div", {});
  const rowed = element("div", {});
  const list = element("details", {}, element("summary", {}, "Counts as numbers"));
  const pinned = element("button", { type: "button", class: "quiet", "aria-pressed": false, onclick: () => pin(gene) }, "Name it in the figures");
  const parts = element("div", { hidden: true }, counted, curved, rowed);
  // Behind them stays the choice of groups, which is the samples' too.
  host.prepend(element("div", { class: "panel-head" }, title, shut), facts, places, parts);
  host.append(list);
  list.hidden = true;
  let gene = -1;
  const { samples } = meta;
  const why = element("p", { class: "soft small" });
  const low = () => (innerHeight < 800 ? 170 : innerWidth < 500 ? 172 : 205);

  const pairing = element("select", { "aria-label": "Join samples of the same" });
  function offerPairs() {
    const { values, column } = groups();
    const offered = pairColumns(samples.sheet, values, now().meta.formula).filter((each) => short(each, 40) !== column);
    if ([...pairing.options].slice(1).map(({ value }) => value).join("\n") === offered.join("\n") && pairing.options.length) return;
    pairing.replaceChildren(element("option", { value: "" }, "nothing"), ...offered.map((each) => element("option", { value: each }, short(each, 30))));
    const inDesign = offered.length && now().meta.formula.split(/[^\w.]+/).includes(offered[0]);
    pairing.value = inDesign ? offered[0] : "";
    pairing.parentElement.hidden = !offered.length;
  }

  const countChart = samples && makeChart(counted, {
    title: "Normalized counts", name: () => name(`counts_${meta.label(gene)}`), shape: low,
    draw(pen, width, height, colours) {
      const counts = gene < 0 ? null : countsOf(gene);
      if (!counts) {
        pen.text(12, 30, "The page holds no counts of this gene; counts.h5ad does.", { colour: colours.soft });
        return;
      }
      const { values, levels } = groups();
      const known = counts.filter(Number.isFinite);
      const low = Math.min(...known);
      // Up to 10 counts zeros matter, beyond that ratios do.
      const scale = (value) => Math.log10(value + 1);
      const ends = padded(low < 5 ? 0 : scale(low), Math.max(scale(Math.max(...known)), scale(low) + 0.3), 0.08);
      const marks = [[0, "0"], ...logTicks(Math.max(ends[0], 0), ends[1] + 0.1).filter(([, mark]) => mark >= 1).map(([, mark]) => [scale(mark), tickText(mark)])];
      const place = (group, i, of) => group + 0.5 + (of > 1 ? (0.5 * (i + 0.5)) / of - 0.25 : 0);
      const framed = frame(pen, width, height, colours, {
        x: { ends: [0, levels.length], words: groups().column, ticks: levels.map((level, i) => [i + 0.5, isolated(short(level, Math.max(4, Math.floor(width / levels.length / 8))))]) },
        y: { ends, words: "normalized count, log", ticks: marks.filter(([at]) => at >= ends[0] && at <= ends[1]) },
      });
      const spots = [];
      levels.forEach((level, i) => values.flatMap((value, sample) => (value === level ? [sample] : [])).forEach((sample, j, members) => {
        spots[sample] = [framed.across(place(i, j, members.length)), framed.up(scale(counts[sample])), i];
      }));
      const pairs = pairing.value ? samples.sheet[pairing.value] : null;
      if (pairs)
        for (const label of new Set(pairs)) {
          const members = spots.filter((_, sample) => pairs[sample] === label).sort((a, b) => a[2] - b[2]);
          if (members.length > 1) pen.path(members.map(([x, y]) => [x, y]), { colour: colours.rest, width: 1 });
        }
      levels.forEach((level, i) => {
        const members = values.flatMap((value, sample) => (value === level ? [sample] : []));
        const logs = members.map((sample) => scale(counts[sample]));
        const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
        pen.line(framed.across(i + 0.22), framed.up(mean), framed.across(i + 0.78), framed.up(mean), colours.soft, 1.5);
        pen.points(members.map((sample) => spots[sample][0]), members.map((sample) => spots[sample][1]), {
          shape: GROUP_SHAPES[i % 6], size: 4.5, colour: GROUP_COLOURS[i % 6], alpha: 0.9,
        });
      });
    },
  });

  if (countChart) {
    const chosen = element("p", { class: "controls small" }, element("label", {}, "Join samples of the same ", pairing));
    counted.append(chosen);
    pairing.addEventListener("change", () => countChart.redraw());
  }

  const forest = samples || !now().data.studies ? null : makeForest(counted, { now, gene: () => gene, name: () => name(`studies_${meta.label(gene)}`) });

  const curveChart = makeChart(curved, {
    title: "Why it was shrunk", name: () => name(`posterior_${meta.label(gene)}`), shape: low,
    draw(pen, width, height, colours) {
      if (gene < 0) return;
      const { data, meta: contrast } = now();
      const about = aGene(data, gene);
      if (![about.estimate, about.se, about.lfdr].every(Number.isFinite) || !(about.se > 0)) {
        pen.text(12, 30, "This gene has no result to draw.", { colour: colours.soft });
        return;
      }
      const drawn = curves(about, contrast.prior);
      const top = 1.42 * Math.max(...drawn.likelihood, ...drawn.posterior);
      const framed = frame(pen, width, height, colours, {
        x: { ends: [drawn.x[0], drawn.x.at(-1)], words: "effect, log2" }, y: { ends: [0, top], words: "density" }, right: 44,
      });
      const { across, up, box } = framed;
      const curve = (heights, look) => pen.path(drawn.x.map((effect, i) => [across(effect), up(Math.min(heights[i], top))]), look);
      curve(drawn.likelihood, { colour: colours.soft, width: 2, dash: [5, 3] });
      curve(drawn.prior, { colour: colours.extra, width: 2, dash: [2, 2] });
      curve(drawn.posterior, { colour: colours.up, width: 2.5 });
      const at = across(contrast.prior.mode);
      const share = (part) => box.bottom - part * (box.bottom - box.top) * 0.7;
      pen.line(at - 3, box.bottom, at - 3, share(drawn.before), colours.extra, 4);
      pen.line(at + 3, box.bottom, at + 3, share(drawn.after), colours.up, 4);
      for (const part of [0, 0.5, 1]) {
        pen.line(box.right, share(part), box.right + 4, share(part), colours.soft);
        pen.text(box.right + 7, share(part), String(part), { size: 11, base: "middle", colour: colours.soft });
      }
      pen.text(width - 6, (share(0) + share(1)) / 2, "P(unchanged), bars", { size: 11, align: "center", colour: colours.soft, turn: -90 });
      drawKey(pen, box, colours, [
        { words: "likelihood: this gene alone", colour: colours.soft, dash: [5, 3] },
        { words: "prior: all genes", colour: colours.extra, dash: [2, 2] },
        { words: "posterior: both", colour: colours.up },
      ], contrast.prior.mode > (drawn.x[0] + drawn.x.at(-1)) / 2 ? "left" : "right");
    },
  });
  curved.append(why);

  const rowChart = !meta.rows ? null : makeChart(rowed, {
    title: "All rows of the contrast", name: () => name(`rows_${meta.label(gene)}`), shape: low,
    draw(pen, width, height, colours) {
      const { data, meta: contrast } = now();
      if (gene < 0 || !data.rows) return;
      const known = data.rows(gene);
      if (known) drawRows(pen, width, height, colours, known, contrast.rows, contrast.interval);
      else pen.text(12, 30, "The page holds the rows of the most certain genes; genes.tsv has all.", { colour: colours.soft });
    },
    describe: () => `Effects of all rows of the contrast with their intervals, of ${gene < 0 ? "no gene" : meta.label(gene)}.`,
  });
  if (rowChart) rowed.append(element("p", { class: "soft" }, "After pooling over all genes, with intervals. What is drawn is the fit; the counts beside it are the data."));

  const aGene = (data, g) => ({
    estimate: data.log2_fc[g], se: data.se[g], df: data.df[g], postMean: data.post_mean[g], lfdr: data.lfdr[g],
    nullShare: data.null_share?.[g], own: data.likelihoods.get(g),
  });

  // The sample that lies farthest from the others of its group, which are two or more.
  const strayOf = (counts) => {
    const { values } = groups();
    const far = counts.map((count, sample) => {
      const others = counts.filter((_, other) => other !== sample && values[other] === values[sample]).map((other) => Math.log(other + 1)).sort((a, b) => a - b);
      if (others.length < 2) return 0;
      const middle = (others[Math.floor((others.length - 1) / 2)] + others[Math.ceil((others.length - 1) / 2)]) / 2;
      return Math.abs(Math.log(count + 1) - middle);
    });
    const sample = far.indexOf(Math.max(...far));
    return far[sample] > 0 ? sample : -1;
  };

  return {
    show(next) {
      gene = next;
      host.classList.toggle("empty", gene < 0);
      parts.hidden = gene < 0;
      if (gene < 0) {
        title.textContent = "One gene";
        facts.textContent = "Choose a gene in a figure or in the table: its counts, and why its estimate was shrunk, stand here.";
        places.replaceChildren();
        list.hidden = true;
        return;
      }
      if (countChart) offerPairs();
      const { data, meta: contrast, group, rate, rateWords } = now();
      // One curve cannot tell why several effects were shrunk together.
      curved.hidden = Boolean(contrast.rows);
      rowed.hidden = !contrast.rows;
      const label = meta.label(gene);
      title.replaceChildren(element("bdi", {}, short(label, 60)), label === meta.id(gene) ? "" : element("span", { class: "soft" }, " ", element("bdi", {}, short(meta.id(gene), 60))));
      const about = aGene(data, gene);
      const listed = { up: contrast.up_label, down: contrast.down_label }[group(gene)];
      if (Number.isNaN(about.postMean)) facts.textContent = "This gene has no result in this contrast.";
      else
        facts.replaceChildren(
          termButton("post_mean", "Posterior mean"), ` ${effectText(about.postMean)} (${percentText(contrast.interval)} interval ${effectText(data.ci_low[gene])} to ${effectText(data.ci_high[gene])}` +
          `${Number.isNaN(data.ci_low_changed[gene]) ? "" : `; if it is changed, ${effectText(data.ci_low_changed[gene])} to ${effectText(data.ci_high_changed[gene])}`}), `,
          termButton("lfdr", "lfdr"), ` ${rateText(about.lfdr)}, `, termButton("lfsr", "lfsr"), ` ${rateText(data.lfsr[gene])}, `,
          termButton(rate, rateWords), ` ${rateText(data[rate][gene])}: ${listed ? `in the list, ${listed}` : "not in the list"}.`);
      const links = placesOf(meta.id(gene));
      pinned.setAttribute("aria-pressed", now().pinned(gene));
      places.replaceChildren(...links.flatMap((each) => [each, " "]), pinned);
      const before = about.nullShare ?? contrast.prior.pi0;
      const kept = about.estimate === 0 ? 0 : (about.postMean - contrast.prior.mode) / (about.estimate - contrast.prior.mode);
      why.textContent = Number.isNaN(about.postMean) ? "" :
        `The estimate from this gene alone is ${effectText(about.estimate)}, with a standard error of ${sizeText(about.se)}` +
        `${contrast.prior.null_sd > 0 ? ` and a further ${sizeText(contrast.prior.null_sd)} by which unchanged genes vary too` : ""}. ` +
        `The probability that the gene is unchanged was ${percentText(before)} before its counts were seen and is ${percentText(about.lfdr)} now. ` +
        (kept > 1.005
          ? "Its likelihood reaches further beyond the estimate than before it, so the posterior mean is the larger of the two."
          : `The posterior mean is ${percentText(Math.max(kept, 0))} of the estimate.`);
      countChart?.redraw();
      forest?.redraw();
      curveChart.redraw();
      rowChart?.redraw();
      const counts = samples && countsOf(gene);
      const stray = counts && contrast.status(gene) === "outlier" ? strayOf(counts) : -1;
      if (stray >= 0) {
        facts.append(" Sample ", element("bdi", {}, samples.name[stray]), ` (normalized count ${amountText(counts[stray])}) lies farthest from the others of its group: one of the gene's counts is far from what its replicates allow, so look whether its result hangs on it.`);
      }
      list.hidden = !counts;
      if (counts) {
        const rows = samples.name.map((sample, i) => element("tr", {}, element("th", { scope: "row", class: "text" }, element("bdi", {}, sample)), element("td", {}, amountText(counts[i]))));
        const table = element("table", { "aria-label": `Normalized counts of ${label}` }, element("thead", {}, element("tr", {}, element("th", { scope: "col", class: "text" }, "sample"), element("th", { scope: "col" }, "normalized count"))), element("tbody", {}, ...rows));
        list.replaceChildren(list.querySelector("summary"), table);
      }
    },
    redraw() {
      if (countChart && gene >= 0) offerPairs();
      countChart?.redraw();
      forest?.redraw();
      curveChart.redraw();
      rowChart?.redraw();
    },
  };
}

// The samples: how they lie to each other, and how deeply each was sequenced.

/** A way to colour samples: chosen among the sheet's columns. */
function makeGrouping(samples, select, changed) {
  for (const column of Object.keys(samples.sheet)) select.append(element("option", { value: column }, short(column, 40)));
  select.value = samples.column;
  select.addEventListener("change", changed);
  return () => {
    const values = samples.sheet[select.value];
    return { column: short(select.value, 40), values, levels: [...new Set(values)] };
  };
}

function makeSamples(host, samples, grouping, name) {
  const key = (pen, box, colours) => {
    const { levels } = grouping();
    drawKey(pen, box, colours, levels.slice(0, 6).map((level, i) => ({
      words: isolated(short(level, 20)) + (i === 5 && levels.length > 6 ? " and others" : ""), colour: GROUP_COLOURS[i], shape: GROUP_SHAPES[i],
    })));
  };
  const kind = (sample) => {
    const { values, levels } = grouping();
    return Math.min(levels.indexOf(values[sample]), 5);
  };
  const of = samples.name.map((_, i) => i);
  if (samples.share.length)
    makeChart(host, {
      title: "Principal components of the samples", name: () => name("pca"), shape: () => 340,
      draw(pen, width, height, colours) {
        const [x, y] = [samples.score.map((row) => row[0]), samples.score.map((row) => row[1] ?? 0)];
        const room = (values) => padded(Math.min(...values), Math.max(...values) || 1, 0.18);
        const share = (i) => (samples.share[i] === undefined ? "" : `component ${i + 1} (${percentText(samples.share[i])} of variance)`);
        const framed = frame(pen, width, height, colours, { x: { ends: room(x), words: share(0) }, y: { ends: room(y), words: share(1) } });
        for (let group = 0; group < 6; group++) {
          const members = of.filter((sample) => kind(sample) === group);
          pen.points(members.map((i) => framed.across(x[i])), members.map((i) => framed.up(y[i])), { shape: GROUP_SHAPES[group], size: 5, colour: GROUP_COLOURS[group], alpha: 0.9 });
        }
        if (of.length <= 24)
          drawLabels(pen, of.map((i) => ({ gene: i, text: samples.name[i] })), (i) => framed.across(x[i]), (i) => framed.up(y[i]), framed.box, colours, 9);
        key(pen, framed.box, colours);
      },
    });
  makeChart(host, {
    title: "Reads counted in each sample", name: () => name("library_sizes"), shape: () => Math.max(200, Math.min(18 * of.length + 60, 900)),
    draw(pen, width, height, colours) {
      const millions = samples.library.map((value) => value / 1e6);
      const left = Math.min(8 * Math.max(...samples.name.map((each) => Math.min([...each].length, 18))) + 12, width / 3);
      const framed = frame(pen, width, height, colours, {
        x: { ends: [0, 1.05 * Math.max(...millions, 1e-6)], words: "millions of reads in the tested genes" }, y: { ends: [of.length, 0], words: "", ticks: [] }, left,
      });
      of.forEach((i) => {
        const y = framed.up(i + 0.5);
        const end = framed.across(millions[i]);
        pen.line(framed.box.left, y, end, y, GROUP_COLOURS[kind(i)], 3);
        pen.points([end], [y], { shape: GROUP_SHAPES[kind(i)], size: 4.5, colour: GROUP_COLOURS[kind(i)] });
        pen.text(framed.box.left - 6, y, isolated(short(samples.name[i], 18)), { size: 11, align: "right", base: "middle", colour: colours.ink });
      });
    },
  });
}

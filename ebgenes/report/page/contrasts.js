// Several contrasts side by side: which lists share genes, and effects against effects.

/** Sets of contrasts whose lists share genes, and those genes, largest first. */
function intersections(lists) {
  const found = new Map();
  const nGenes = lists[0].length;
  for (let gene = 0; gene < nGenes; gene++) {
    const key = lists.map((list) => (list[gene] ? "1" : "0")).join("");
    if (!key.includes("1")) continue;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(gene);
  }
  return [...found].map(([key, members]) => ({ key, members })).sort((a, b) => b.members.length - a.members.length);
}

const MOST_SETS = 20;

function makeContrasts(host, { contrasts, all, listedIn, choose, name, scatter }) {
  const direction = element("select", { id: "overlap-direction" },
    element("option", { value: "either" }, "either direction"), element("option", { value: "up" }, "up"), element("option", { value: "down" }, "down"));
  const left = element("div", { class: "half" });
  const right = element("div", { class: "half" });
  host.append(element("div", { class: "pair" }, left, right));
  left.append(element("p", { class: "controls" }, element("label", {}, "Genes listed ", direction)));
  let sets = [];
  const told = element("p", { class: "soft" });
  const overlap = makeChart(left, {
    title: "Overlap of the lists", name: () => name("overlap"),
    shape: () => 150 + 20 * Math.min(Math.max(sets.length, 1), MOST_SETS) + 18,
    draw(pen, width, height, colours) {
      const shown = sets.slice(0, MOST_SETS);
      const column = Math.min(22, (0.55 * width) / contrasts.length);
      const top = 130;
      const from = 12 + column * contrasts.length + 16;
      const most = Math.max(1, ...shown.map((each) => each.members.length));
      contrasts.forEach((contrast, j) => {
        pen.text(12 + column * (j + 0.5) + 3, top - 10, isolated(short(contrast.name, 18)), { size: 11, turn: -60, colour: colours.ink });
      });
      if (!shown.length) pen.text(from, top + 14, "No list holds a gene.", { colour: colours.soft });
      shown.forEach(({ key, members }, i) => {
        const y = top + 20 * i + 10;
        if (i % 2 === 0) pen.rect(8, y - 10, from - 16, 20, colours.band);
        const held = [...key].flatMap((each, j) => (each === "1" ? [j] : []));
        const x = (j) => 12 + column * (j + 0.5);
        const others = contrasts.map((_, j) => j).filter((j) => !held.includes(j));
        pen.points(others.map(x), others.map(() => y), { size: Math.min(3, column / 4), colour: colours.rule });
        pen.line(x(held[0]), y, x(held.at(-1)), y, colours.ink, 1.5);
        pen.points(held.map(x), held.map(() => y), { size: Math.min(5, column / 2.6), colour: colours.ink });
        const long = Math.max(1, (members.length / most) * (width - from - 70));
        pen.rect(from, y - 7, long, 14, colours.down);
        pen.text(from + long + 6, y, whole(members.length), { size: 11, base: "middle", colour: colours.ink });
      });
    },
    describe: () => `Overlap of the lists: ${sets.slice(0, 5).map(({ key, members }) => `${genes(members.length)} in ${[...key].flatMap((each, j) => (each === "1" ? [contrasts[j].name] : [])).join(" and ")}`).join("; ")}`,
  });
  left.append(told);
  overlap.canvas.style.cursor = "pointer";
  const inWords = (key) => {
    const names = [...key].flatMap((each, j) => (each === "1" ? [contrasts[j].name] : []));
    return `in ${names.join(" and ")}${names.length < contrasts.length ? ", and in no other list" : ""}`;
  };
  overlap.canvas.addEventListener("click", (event) => {
    const i = Math.floor((event.clientY - overlap.canvas.getBoundingClientRect().top - 130) / 20);
    if (i >= 0 && i < Math.min(sets.length, MOST_SETS)) choose(new Set(sets[i].members), inWords(sets[i].key));
  });
  const buttons = element("details", {}, element("summary", {}, "Overlaps as a list"));
  left.append(buttons);

  const option = (contrast, i) => element("option", { value: i }, short(contrast.name, 40));
  const across = element("select", { id: "across" }, ...contrasts.map(option));
  const up = element("select", { id: "upwards" }, ...contrasts.map(option));
  up.value = 1;
  right.append(element("p", { class: "controls" }, element("label", {}, "Effects of ", across), element("label", {}, " against ", up)));
  const effects = scatter(right, () => [+across.value, +up.value]);
  for (const select of [across, up]) select.addEventListener("change", () => effects.redraw());
  direction.addEventListener("change", () => refresh());

  function refresh() {
    sets = intersections(contrasts.map((_, i) => listedIn(i, direction.value)));
    const rest = sets.length - MOST_SETS;
    told.textContent = `A row is a set of lists that share genes found in no other list; a click shows them in the table.${rest > 0 ? ` ${whole(rest)} smaller sets are not drawn.` : ""}`;
    const items = sets.slice(0, 100).map(({ key, members }) =>
      element("li", {}, element("button", { type: "button", class: "quiet", onclick: () => choose(new Set(members), inWords(key)) }, `${genes(members.length)} ${inWords(key)}`)));
    buttons.replaceChildren(buttons.querySelector("summary"), element("ul", {}, ...items));
    overlap.redraw();
    effects.redraw();
  }
  return { refresh };
}

// Genes listed in neither contrast, in the first alone, in the second alone, in both.
const PAIR_LOOKS = [
  { shape: "circle", size: 1.5, colour: "rest", alpha: 0.4 },
  { shape: "right", size: 2.8, colour: "down", alpha: 0.7 },
  { shape: "up", size: 2.8, colour: "up", alpha: 0.7 },
  { shape: "diamond", size: 2.8, colour: "extra", alpha: 0.85 },
];

/** Posterior means of two contrasts against each other; `pair()` gives {name, effect, codes} of both. */
function makeEffects(host, common, pair) {
  return makeScatter(host, {
    ...common, key: "effects",
    points() {
      const [first, second] = pair();
      const kinds = [[], [], [], []];
      for (let gene = 0; gene < first.codes.length; gene++) kinds[(first.codes[gene] ? 1 : 0) + (second.codes[gene] ? 2 : 0)].push(gene);
      const alone = (mark, { name }, kind) => `${mark} in ${name} alone: ${whole(kinds[kind].length)}`;
      return {
        x: first.effect, y: second.effect, xEnds: sides(first.effect), yEnds: sides(second.effect),
        layers: PAIR_LOOKS.map((look, kind) => ({ ...look, genes: kinds[kind] })),
        lines: [{ along: "x", at: 0 }, { along: "y", at: 0 }, { along: "both", dash: [4, 3] }],
        labels: () => [], xWords: `posterior mean, ${short(first.name, 40)}`, yWords: `posterior mean, ${short(second.name, 40)}`,
        caption: [`Listed ${alone("▶", first, 1)}; ${alone("▲", second, 2)}; ◆ in both: ${whole(kinds[3].length)}. Dashed: equal effects.`],
      };
    },
    describe: () => `Posterior means of ${pair().map(({ name }) => name).join(" against ")}`,
  });
}

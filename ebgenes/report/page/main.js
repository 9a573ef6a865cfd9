// The page's state and who follows it.

const LEVELS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

const byId = (id) => document.getElementById(id);

async function start() {
  const meta = JSON.parse(byId("meta").textContent);
  const { contrasts } = meta;
  const nGenes = meta.n_genes;
  const [ids, names] = await Promise.all([unzipLines("block-ids"), unzipLines("block-names")]);
  const [baseMean] = unpackColumns(await unzip("block-mean"), nGenes, [meta.mean_step]).map((logs) => logs.map((value) => 2 ** value - 1));
  const label = (gene) => names[gene] || ids[gene] || "(unnamed)";
  const statuses = meta.statuses;
  const datas = contrasts.map(() => null);
  const load = async (i) => (datas[i] ??= await loadContrast(contrasts[i], nGenes, meta.coin_toss));
  let countsOf = () => null;

  const state = {
    contrast: 0, rate: null, level: contrasts[0].level, effect: 0, sort: { key: contrasts[0].error, down: false },
    text: "", only: "all", chosen: null, chosenWords: "", box: null, pasted: null, pinned: new Set(), names: "certain", gene: -1, tab: "volcano",
  };
  const opened = { level: state.level, sort: { ...state.sort } };
  // The gene that is shown before the reader has chosen one is no part of a link.
  let exemplary = false;
  await load(0);
  const data = () => datas[state.contrast];
  const contrast = () => contrasts[state.contrast];

  // ---- which genes are listed

  // A contrast's own rate makes its list until the reader chooses one.
  const rateOf = (i) => state.rate ?? contrasts[i].rate;
  const rateHere = () => rateOf(state.contrast);
  /** Probability that a gene is wrongly in the list. */
  const errorHere = () => data()[rateHere() === "s_value" ? "lfsr" : "lfdr"];
  function groupsOf(i) {
    const { post_mean: effect, [rateOf(i)]: rate } = datas[i];
    const codes = new Uint8Array(nGenes);
    for (let gene = 0; gene < nGenes; gene++)
      if (rate[gene] < state.level && Math.abs(effect[gene]) >= state.effect) codes[gene] = effect[gene] > 0 ? 2 : effect[gene] < 0 ? 1 : 0;
    return codes;
  }
  let codes = groupsOf(0);
  let listed = { rest: [], down: [], up: [] };
  const word = (gene) => ["", "down", "up"][codes[gene]];
  function regroup() {
    codes = groupsOf(state.contrast);
    listed = { rest: [], down: [], up: [] };
    const known = data().post_mean;
    for (let gene = 0; gene < nGenes; gene++) if (!Number.isNaN(known[gene])) listed[["rest", "down", "up"][codes[gene]]].push(gene);
  }

  // ---- figures of the cloud

  const layers = () => [
    { genes: listed.rest, shape: "circle", size: 1.5, colour: "rest", alpha: 0.45 },
    { genes: listed.down, shape: "down", size: 2.8, colour: "down", alpha: 0.75 },
    { genes: listed.up, shape: "up", size: 2.8, colour: "up", alpha: 0.75 },
  ];
  const surest = (members) => {
    const { [contrast().error]: error, post_mean: effect } = data();
    return members.sort((a, b) => error[a] - error[b] || Math.abs(effect[b]) - Math.abs(effect[a]) || a - b);
  };
  /** Names in the clouds: those that were asked for in any case, the most certain where there is room. */
  const namesShown = () => {
    const asked = surest([...(state.pasted ?? [])].filter((gene) => !Number.isNaN(data().post_mean[gene]))).slice(0, MOST_NAMES);
    const must = new Set([...asked, ...state.pinned, ...(state.gene >= 0 && !exemplary ? [state.gene] : [])]);
    const certain = state.names === "certain" && !state.pasted ? surest([...listed.up, ...listed.down]).slice(0, LABELS) : [];
    return [...new Set([...must, ...certain])].map((gene) => ({ gene, text: label(gene), must: must.has(gene) }));
  };
  const counted = () => `${whole(listed.up.length)} ${contrast().up_label}, ${whole(listed.down.length)} ${contrast().down_label}`;
  const tip = (gene) => [
    isolated(short(label(gene), 40)), isolated(short(ids[gene], 40)),
    `posterior mean ${effectText(data().post_mean[gene])}, ${RATES[rateHere()]} ${rateText(data()[rateHere()][gene])}`,
  ];
  const fileStem = (kind) => `${meta.dataset}_${contrast().name}_${kind}`;
  const common = {
    tip, pick, selected: () => state.gene, marked: () => state.pasted, viewed: () => remember(),
    box: chooseBox, boxShown: (figure) => (state.box?.figure === figure ? state.box : null),
  };
  const arrows = (words) => `${words}   (← ${short(contrast().down_label, 24)} | ${short(contrast().up_label, 24)} →)`;

  const volcano = makeScatter(byId("volcano"), {
    ...common, title: "Volcano", key: "volcano", name: () => fileStem("volcano"),
    points() {
      const y = data().log_lfdr;
      const lines = [{ along: "x", at: 0 }];
      if (state.effect > 0) lines.push({ along: "x", at: state.effect, dash: [3, 3] }, { along: "x", at: -state.effect, dash: [3, 3] });
      let end = Infinity;
      for (const gene of [...listed.up, ...listed.down]) end = Math.min(end, y[gene]);
      // Only a list by lfdr ends at a height of this axis.
      if (rateHere() === "q_value" && Number.isFinite(end)) lines.push({ along: "y", at: end, dash: [5, 4] });
      return {
        x: data().post_mean, y, lines, layers: layers(), labels: namesShown,
        xEnds: sides(data().post_mean), yEnds: padded(0, 1.06 * Math.max(cap(y), 1), 0.02),
        xWords: arrows("posterior mean, log2"), yWords: "−log10 local false discovery rate",
      };
    },
    describe: () => `Volcano plot of ${contrast().name}: ${counted()}, of ${genes(listed.rest.length + listed.up.length + listed.down.length)}.`,
  });
  const logMean = baseMean.map((value) => Math.log10(Math.max(value, 1e-3)));
  const maPlot = makeScatter(byId("ma"), {
    ...common, title: "MA plot", key: "ma", name: () => fileStem("ma"),
    points() {
      const known = logMean.filter((value, gene) => !Number.isNaN(value) && !Number.isNaN(data().post_mean[gene]));
      const ends = known.length ? padded(known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b)) + 1e-6) : [0, 1];
      return {
        x: logMean, y: data().post_mean, layers: layers(), labels: namesShown, lines: [{ along: "y", at: 0 }],
        xEnds: ends, yEnds: sides(data().post_mean), xTicks: (shown) => logTicks(...shown).map(([at, value]) => [at, tickText(value)]),
        xWords: "mean of normalized counts", yWords: "posterior mean, log2",
      };
    },
    describe: () => `MA plot of ${contrast().name}: posterior mean against mean count.`,
  });
  const clouds = { volcano, ma: maPlot };
  for (const plot of Object.values(clouds))
    plot.overlay.addEventListener("keydown", (event) => {
      const key = { ArrowRight: "ArrowDown", ArrowLeft: "ArrowUp" }[event.key] ?? event.key;
      if (table.step(key)) event.preventDefault();
    });

  // ---- the table

  const valueOf = (key, gene) => {
    if (key === "id") return ids[gene];
    if (key === "name") return label(gene);
    if (key === "base_mean") return baseMean[gene];
    if (key === "status") return statuses[Math.round(data().status[gene] - 0.5)] ?? "ok";
    return data()[key][gene];
  };
  const table = makeTable(byId("table"), {
    value: valueOf, meanings: meta.columns, sorted: () => state.sort, pick, selected: () => (exemplary ? -1 : state.gene), listed: word,
    sort(key) {
      // Effects are looked for at their largest, rates at their smallest.
      const down = state.sort.key === key ? !state.sort.down : ["base_mean", "log2_fc", "post_mean"].includes(key);
      state.sort = { key, down };
      refilter();
      remember();
    },
  });
  const collator = new Intl.Collator("en", { numeric: true });
  function ordered(rows) {
    const { key, down } = state.sort;
    const sign = down ? -1 : 1;
    const { [contrast().error]: error, post_mean: effect } = data();
    const tie = (a, b) => error[a] - error[b] || Math.abs(effect[b]) - Math.abs(effect[a]) || a - b;
    if (["id", "name", "status"].includes(key)) return rows.sort((a, b) => sign * collator.compare(valueOf(key, a), valueOf(key, b)) || tie(a, b));
    const values = key === "base_mean" ? baseMean : data()[key];
    return rows.sort((a, b) => {
      // What is unknown comes last, whichever way.
      const unknown = Number.isNaN(values[a]) - Number.isNaN(values[b]);
      return unknown || sign * (values[a] - values[b]) || tie(a, b);
    });
  }
  const index = makeIndex(ids, names);
  function refilter() {
    const text = state.text.trim().toLowerCase();
    const known = data().post_mean;
    const rows = [];
    for (let gene = 0; gene < nGenes; gene++) {
      if (Number.isNaN(known[gene])) continue;
      if (text && !index.holds(gene, text)) continue;
      if (state.only === "listed" && !codes[gene]) continue;
      if ((state.only === "up" || state.only === "down") && word(gene) !== state.only) continue;
      if (state.chosen && !state.chosen.has(gene)) continue;
      if (state.pasted && !state.pasted.has(gene)) continue;
      rows.push(gene);
    }
    table.show(ordered(rows));
    byId("shown").textContent = `${genes(rows.length)} shown, of ${whole(listed.rest.length + listed.up.length + listed.down.length)} tested`;
    byId("chip").hidden = !state.chosen;
    byId("chip-words").textContent = state.chosen ? `${genes(state.chosen.size)} ${short(state.chosenWords, 120)}` : "";
    tellMissing(text, rows.length);
  }

  // ---- genes that were asked for and have no row

  let untested = null;
  async function tellMissing(text, nRows) {
    const told = byId("missing");
    told.textContent = "";
    if (!text || nRows || state.chosen || state.pasted || state.only !== "all") return;
    untested ??= loadUntested(meta.reasons);
    const reason = (await untested).get(text);
    if (state.text.trim().toLowerCase() !== text) return;
    told.textContent = reason ? `${short(state.text, 60)} was not tested: ${reason}.` : "No gene of that name or id in the input.";
  }

  // ---- one gene

  const grouping = meta.samples ? makeGrouping(meta.samples, byId("group-by"), () => {
    panel.redraw();
    redrawAll();
  }) : () => null;
  const panel = makeGenePanel(byId("gene"), {
    meta: { samples: meta.samples, rows: contrasts.some(({ rows }) => rows), label, id: (gene) => ids[gene] }, countsOf: (gene) => countsOf(gene), name: fileStem, groups: grouping,
    now: () => ({
      data: data(), meta: { ...contrast(), status: (gene) => valueOf("status", gene) }, group: word, rate: rateHere(), rateWords: RATES[rateHere()],
      pinned: (gene) => state.pinned.has(gene),
    }),
    pin(gene) {
      if (!state.pinned.delete(gene)) state.pinned.add(gene);
      panel.show(gene);
      redrawClouds();
      remember();
    },
    close: () => pick(-1),
  });
  const redrawClouds = () => [volcano, maPlot, effectPlot].forEach((plot) => plot?.redraw());
  const isSheet = () => getComputedStyle(byId("gene")).position === "fixed";
  /** Show a gene; `point` is where it was clicked in a figure. */
  function pick(gene, point = null) {
    state.gene = gene;
    exemplary = false;
    panel.show(gene);
    document.documentElement.classList.toggle("sheet", gene >= 0);
    table.reveal(gene);
    redrawClouds();
    remember();
    if (point && isSheet()) {
      // The sheet must not hide the point it tells of.
      const room = innerHeight - byId("gene").offsetHeight;
      const y = point.canvas.getBoundingClientRect().top + point.y;
      if (y > room - 30 || y < 30) scrollBy({ top: y - room / 2, behavior: gentle() });
    }
  }
  const gentle = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth");
  function choose(members, words, box = null) {
    Object.assign(state, { chosen: members, chosenWords: words, box });
    refilter();
    for (const plot of Object.values(clouds)) plot.over();
    if (members) followTable();
    remember();
  }
  function chooseBox(ends, figure) {
    const plot = clouds[figure] ?? effectPlot;
    const words = { volcano: "in the box drawn in the volcano plot", ma: "in the box drawn in the MA plot" }[figure] ?? "in the box drawn in the effects of two contrasts";
    byId("zoom-box").hidden = !clouds[figure];
    choose(plot.within(ends), words, clouds[figure] ? { figure, ...ends } : null);
  }
  /** The table comes into view beside what was drawn, where it is not there already. */
  function followTable() {
    if (isSheet() && state.gene >= 0) pick(-1);
    byId("list").scrollIntoView({ block: "nearest", behavior: gentle() });
  }
  function showTab(tab) {
    state.tab = tab;
    for (const each of Object.keys(clouds)) {
      byId(each).hidden = each !== tab;
      const button = byId(`tab-${each}`);
      button.setAttribute("aria-selected", each === tab);
      button.tabIndex = each === tab ? 0 : -1;
    }
    clouds[tab].redraw();
    remember();
  }
  for (const tab of Object.keys(clouds)) {
    byId(`tab-${tab}`).addEventListener("click", () => showTab(tab));
    byId(`tab-${tab}`).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = tab === "volcano" ? "ma" : "volcano";
      showTab(other);
      byId(`tab-${other}`).focus();
    });
  }
  byId("names").addEventListener("change", (event) => {
    state.names = event.target.value;
    redrawClouds();
    remember();
  });

  // ---- controls

  const levelRange = byId("level-range");
  const levels = [...new Set([...LEVELS, contrasts[0].level])].sort((a, b) => a - b);
  levelRange.max = levels.length - 1;
  const showLevel = () => {
    byId("level").value = state.level;
    levelRange.value = levels.reduce((best, level, i) => (Math.abs(Math.log(level / state.level)) < Math.abs(Math.log(levels[best] / state.level)) ? i : best), 0);
    levelRange.setAttribute("aria-valuetext", String(state.level));
  };
  function recount(anew = false) {
    regroup();
    const members = [...listed.up, ...listed.down];
    const found = members.length;
    const error = errorHere();
    const expected = members.reduce((sum, gene) => sum + error[gene], 0);
    const wrong = rateHere() === "s_value" ? "unchanged or of the other sign" : "unchanged";
    byId("count-up").textContent = whole(listed.up.length);
    byId("count-down").textContent = whole(listed.down.length);
    byId("words-up").textContent = contrast().up_label;
    byId("words-down").textContent = contrast().down_label;
    byId("count-false").textContent = found ? `about ${expected < 10 ? expected.toFixed(1) : whole(expected)} (${percentText(expected / found)}) of them ${wrong}, by the model` : "no gene in the list";
    tellFound(found, expected);
    // What shows the list follows; all else only another contrast.
    if (anew) redrawAll();
    else for (const chart of [volcano, maPlot, pooling]) chart?.redraw();
    remember();
    if (anew || state.only !== "all") refilter();
    else table.repaint();
    if (state.gene >= 0) panel.show(state.gene);
    // All contrasts' lists are compared once a slider rests.
    clearTimeout(comparing);
    comparing = setTimeout(() => comparison?.refresh(), 150);
  }
  /** The headline of the contrast that is shown, and how sure it is. */
  function tellFound(found, expected) {
    const section = document.querySelector(`section[data-contrast="${state.contrast}"]`);
    const rates = data()[rateHere()];
    const judged = [...listed.rest, ...listed.up, ...listed.down];
    const least = found || !judged.length ? -1 : judged.reduce((best, gene) => (rates[gene] < rates[best] ? gene : best));
    const adjusted = judged.filter((gene) => data().adj_p_value[gene] < state.level).length;
    const numbers = {
      tested: judged.length, up: listed.up.length, down: listed.down.length, expected, adjusted,
      smallest: least < 0 ? "" : `${rateText(rates[least])} (${label(least)})`,
    };
    section.querySelector(".found-words").textContent = headline(numbers, { rate: rateHere(), level: state.level, effect: state.effect }, contrast());
    // What draws tell is of the list that the analysis was asked for.
    const asked = rateHere() === contrast().rate && state.level === contrast().level && state.effect === 0;
    section.querySelector(".as-asked").hidden = !asked;
    section.querySelector(".otherwise").hidden = asked;
    section.querySelector(".share-wrong").textContent = found ? percentText(expected / found) : "none";
  }
  let comparing = 0;
  // Many events a second come from a slider that is drawn: one recount a frame will do.
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      recount();
    });
  };
  levelRange.addEventListener("input", () => {
    state.level = levels[levelRange.value];
    showLevel();
    soon();
  });
  byId("level").addEventListener("change", (event) => {
    const value = Number(event.target.value);
    if (value > 0 && value <= 1) state.level = value;
    showLevel();
    soon();
  });
  byId("rate").addEventListener("change", (event) => {
    state.rate = event.target.value;
    soon();
  });
  const showEffect = () => {
    byId("effect").value = state.effect;
    byId("effect-range").value = state.effect;
  };
  for (const id of ["effect", "effect-range"])
    byId(id).addEventListener(id === "effect" ? "change" : "input", (event) => {
      const value = Number(event.target.value);
      if (value >= 0 && Number.isFinite(value)) state.effect = value;
      showEffect();
      soon();
    });
  let typing = 0;
  byId("search").addEventListener("input", (event) => {
    state.text = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(() => {
      refilter();
      remember();
      const text = state.text.trim().toLowerCase();
      const exact = table.rows.find((gene) => index.is(gene, text));
      if (text && exact !== undefined) pick(exact);
    }, 120);
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && table.rows.length) pick(table.rows[0]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") table.step(event.key) && event.preventDefault();
  });
  byId("only").addEventListener("change", (event) => {
    state.only = event.target.value;
    refilter();
    remember();
  });
  byId("unchoose").addEventListener("click", () => choose(null, ""));
  byId("zoom-box").addEventListener("click", () => {
    const { figure, x, y } = state.box;
    const whole = clouds[figure].view.ends();
    const within = (ends, known) => ends.map((end, i) => (Number.isFinite(end) ? end : known[i]));
    if (state.tab !== figure) showTab(figure);
    clouds[figure].view.go({ x: within(x, whole.x), y: within(y, whole.y) });
  });
  function paste(text) {
    const pasted = index.pasted(text);
    state.pasted = pasted.asked ? pasted.genes : null;
    byId("paste-told").textContent = pastedWords(pasted);
    redrawClouds();
    refilter();
    if (state.pasted) followTable();
    remember();
  }
  byId("paste").addEventListener("input", (event) => paste(event.target.value));
  for (const button of document.querySelectorAll("[data-level]"))
    button.addEventListener("click", () => {
      Object.assign(state, { rate: null, level: Number(button.dataset.level), effect: Number(button.dataset.effect) });
      byId("rate").value = rateHere();
      showLevel();
      showEffect();
      recount();
    });
  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", () => copyFrom(button, byId(button.dataset.copy).textContent.trim()));
  byId("copy-link").addEventListener("click", (event) => copyFrom(event.currentTarget, location.href));
  byId("download").addEventListener("click", () => {
    const keys = COLUMNS.map((column) => column.key);
    const digits = (value) => (typeof value === "string" || !Number.isFinite(value) ? value : +value.toPrecision(5));
    const header = keys.map((key) => ({ name: "gene_name", id: "gene_id" })[key] ?? key);
    save(`${fileName(fileStem("genes"))}.tsv`, tsv(header, table.rows.map((gene) => keys.map((key) => digits(valueOf(key, gene))))), "text/tab-separated-values");
  });
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    redrawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typed = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "/" && !typed) {
      byId("search").focus();
      event.preventDefault();
    } else if (event.key === "Escape" && !document.querySelector("[popover]:popover-open, dialog[open]")) {
      byId("search").value = state.text = "";
      choose(null, "");
      if (isSheet()) pick(-1);
    }
  });

  // ---- contrasts

  const sections = document.querySelectorAll("[data-contrast]");
  async function turnTo(i) {
    await load(i);
    state.contrast = i;
    Object.assign(state, { chosen: null, box: null });
    for (const plot of Object.values(clouds)) plot.view.set(null);
    sections.forEach((section) => (section.hidden = Number(section.dataset.contrast) !== i));
    for (const [name, words] of Object.entries(RATES)) byId("rate").querySelector(`[value=${name}]`).textContent = words;
    byId("rate").value = rateHere();
    recount(true);
  }
  byId("contrast")?.addEventListener("change", (event) => turnTo(Number(event.target.value)));
  for (const link of document.querySelectorAll("[data-turn]"))
    link.addEventListener("click", (event) => {
      event.preventDefault();
      byId("contrast").value = link.dataset.turn;
      turnTo(Number(link.dataset.turn));
      scrollTo({ top: 0 });
    });

  // ---- what is seen, in the address

  let remembering = 0;
  let restoring = true;
  function remember() {
    if (restoring) return;
    clearTimeout(remembering);
    // Browsers refuse many changes a second.
    remembering = setTimeout(writeAddress, 150);
  }
  function writeAddress() {
    const { sort } = state;
    const moved = sort.key !== opened.sort.key || sort.down !== opened.sort.down;
    const parts = {
      contrast: state.contrast ? contrast().name : null,
      gene: state.gene >= 0 && !exemplary ? ids[state.gene] : null,
      rate: state.rate, level: state.level === opened.level ? null : state.level, effect: state.effect || null,
      tab: state.tab === "volcano" ? null : state.tab,
      zoom: { volcano: volcano.view.value, ma: maPlot.view.value },
      names: state.names === "certain" ? null : state.names, pinned: [...state.pinned].map((gene) => ids[gene]),
      pasted: state.pasted ? byId("paste").value.trim().replace(/\s+/g, " ") : null, text: state.text,
      only: state.only === "all" ? null : state.only, sort: moved ? `${sort.key}${sort.down ? ",down" : ""}` : null, box: state.box,
    };
    const hash = linkHash(parts);
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    byId("link-told").textContent = (parts.pasted ?? "").length > MOST_LINKED ? "The pasted list is too long for a link, which leaves it out." : "";
  }
  /** What a link says, or as much of it as this page has. */
  async function restore() {
    restoring = true;
    const given = readLink(location.hash);
    const anchor = /^#contrast-(\d+)$/.exec(location.hash);
    const named = given.contrast === null ? (anchor ? Number(anchor[1]) - 1 : 0) : contrasts.findIndex(({ name }) => name === given.contrast);
    const rowOf = new Map(ids.map((id, gene) => [id, gene]));
    const lost = [given.gene, ...given.pinned].filter((id) => id !== null && !rowOf.has(id));
    if (named < 0) lost.unshift(given.contrast);
    byId("link-told").textContent = lost.length ? `The link names what this page does not hold: ${lost.map((each) => short(each, 40)).join(", ")}.` : "";
    const sort = (given.sort ?? "").split(",");
    Object.assign(state, {
      rate: given.rate, level: given.level ?? opened.level, effect: given.effect ?? 0, names: given.names ?? "certain",
      text: given.text ?? "", only: given.only ?? "all",
      pinned: new Set(given.pinned.filter((id) => rowOf.has(id)).map((id) => rowOf.get(id))),
      sort: COLUMNS.some(({ key }) => key === sort[0]) ? { key: sort[0], down: sort[1] === "down" } : { ...opened.sort },
      gene: rowOf.get(given.gene) ?? -1,
    });
    byId("search").value = state.text;
    byId("only").value = state.only;
    byId("names").value = state.names;
    byId("paste").value = given.pasted ?? "";
    byId("paste").closest("details").open = Boolean(given.pasted);
    const pasted = index.pasted(byId("paste").value);
    state.pasted = pasted.asked ? pasted.genes : null;
    byId("paste-told").textContent = pastedWords(pasted);
    showLevel();
    showEffect();
    if (byId("contrast")) byId("contrast").value = Math.max(named, 0);
    await turnTo(Math.max(named, 0));
    for (const [figure, plot] of Object.entries(clouds)) plot.view.set(given.zoom[figure]);
    showTab(given.tab ?? "volcano");
    if (given.box) chooseBox(given.box, given.box.figure);
    // On a wide screen the panel shows the surest gene until the reader chooses.
    exemplary = state.gene < 0 && !isSheet();
    if (exemplary) state.gene = surest([...listed.up, ...listed.down])[0] ?? -1;
    panel.show(state.gene);
    document.documentElement.classList.toggle("sheet", state.gene >= 0);
    table.reveal(state.gene);
    volcano.redraw();
    restoring = false;
  }
  addEventListener("hashchange", restore);

  // Small screens have room for the notes once the reader asks for them.
  if (isSheet()) for (const notes of document.querySelectorAll("details.notice")) notes.open = false;
  document.documentElement.classList.add("ready");
  let comparison = null;
  let pooling = null;
  let effectPlot = null;
  await restore();
  document.documentElement.dataset.drawn = String(Math.round(performance.now()));

  // ---- what can wait until the first picture is there

  await new Promise((resolve) => setTimeout(resolve, 30));
  if (meta.samples) {
    countsOf = await loadCounts(meta);
    if (state.gene >= 0) panel.show(state.gene);
    makeSamples(byId("samples"), meta.samples, grouping, fileStem);
  }
  pooling = makeFigures(byId("figures"), () => ({ data: data(), meta: contrast(), listed }), fileStem);
  if (contrasts.length > 1) {
    for (let i = 0; i < contrasts.length; i++) {
      await load(i);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const both = (host, which) => {
      const titles = { ...common, title: "Effects of two contrasts", name: () => `${meta.dataset}_effects` };
      effectPlot = makeEffects(host, titles, () => which().map((i) => ({ name: contrasts[i].name, effect: datas[i].post_mean, codes: groupsOf(i) })));
      return effectPlot;
    };
    comparison = makeContrasts(byId("contrasts"), {
      contrasts, choose, name: (kind) => `${meta.dataset}_${kind}`, scatter: both,
      listedIn: (i, direction) => groupsOf(i).map((code) => (direction === "either" ? code > 0 : code === { up: 2, down: 1 }[direction])),
    });
    comparison.refresh();
  }
  document.documentElement.dataset.complete = String(Math.round(performance.now()));
}

document.documentElement.classList.add("js");
start().catch((error) => {
  document.documentElement.classList.remove("js");
  console.error(error);
  const told = byId("failed");
  told.hidden = false;
  told.textContent = `The interactive part of this page could not be drawn (${error.message}). It needs a browser of 2023 or later.`;
});

// A cloud of genes: hover names them, a click picks one, a drawn box picks many.

const LABELS = 14;

/**
 * `points()` gives {x, y, xEnds, yEnds, xWords, yWords, xTicks, layers, lines, labels}: coordinates of every gene,
 * and layers [{genes, shape, size, colour, alpha}] in the order they are drawn.
 */
function makeScatter(host, { title, name, points, tip, describe, pick, box: boxed, selected, marked }) {
  let cloud = null;
  let place = null;
  const draw = (pen, width, height, colours) => {
    cloud = points();
    const { xEnds, yEnds } = cloud;
    const framed = frame(pen, width, height, colours, {
      x: { ends: xEnds, words: cloud.xWords, ticks: cloud.xTicks },
      y: { ends: yEnds, words: cloud.yWords },
    });
    const { across, up, box } = framed;
    const px = (gene) => across(Math.min(Math.max(cloud.x[gene], xEnds[0]), xEnds[1]));
    const py = (gene) => up(Math.min(Math.max(cloud.y[gene], yEnds[0]), yEnds[1]));
    pen.clip(box.left - 5, box.top - 5, box.right - box.left + 10, box.bottom - box.top + 10);
    for (const { along, at, dash } of cloud.lines) {
      if (along === "x") pen.line(across(at), box.top, across(at), box.bottom, colours.rule, 1, dash);
      else if (along === "y") pen.line(box.left, up(at), box.right, up(at), colours.rule, 1, dash);
      else pen.line(across(Math.max(xEnds[0], yEnds[0])), up(Math.max(xEnds[0], yEnds[0])),
        across(Math.min(xEnds[1], yEnds[1])), up(Math.min(xEnds[1], yEnds[1])), colours.rule, 1, dash);
    }
    for (const layer of cloud.layers) {
      const inside = [];
      const beyond = [];
      for (const gene of layer.genes) {
        if (Number.isNaN(cloud.x[gene] + cloud.y[gene]) && !(Math.abs(cloud.y[gene]) === Infinity)) continue;
        const out = cloud.x[gene] < xEnds[0] || cloud.x[gene] > xEnds[1] || cloud.y[gene] < yEnds[0] || cloud.y[gene] > yEnds[1];
        (out ? (cloud.zoomed ? [] : beyond) : inside).push(gene);
      }
      const look = { ...layer, colour: colours[layer.colour] ?? layer.colour };
      pen.points(inside.map(px), inside.map(py), look);
      pen.points(beyond.map(px), beyond.map(py), { ...look, size: look.size + 1, hollow: true, alpha: 1 });
    }
    const ringed = marked();
    if (ringed) {
      const genes = [...ringed].filter((gene) => !Number.isNaN(cloud.x[gene] + cloud.y[gene]));
      pen.points(genes.map(px), genes.map(py), { size: 5.5, colour: colours.ink, hollow: true });
    }
    pen.unclip();
    drawLabels(pen, cloud.labels(), px, py, box, colours);
    place = { px, py, box, framed };
  };
  const chart = makeChart(host, { title, name, draw, describe, shape: (width) => Math.max(280, Math.min(0.92 * width, 520)) });

  const overlay = element("canvas", { class: "over", tabindex: 0, role: "application",
    "aria-label": `${title}. Arrow keys go from gene to gene in the table's order.` });
  const bubble = element("div", { class: "tip", hidden: true });
  chart.stack.append(overlay, bubble);
  let hovered = -1;
  let start = null;
  let now = null;

  function over() {
    const [width, height] = chart.size;
    const density = Math.max(devicePixelRatio || 1, 1);
    overlay.width = width * density;
    overlay.height = height * density;
    const context = overlay.getContext("2d");
    context.scale(density, density);
    const pen = new CanvasPen(context);
    const colours = isDark() ? DARK : LIGHT;
    const picked = selected();
    if (picked >= 0 && !Number.isNaN(cloud.x[picked] + cloud.y[picked])) {
      const [x, y] = [place.px(picked), place.py(picked)];
      pen.points([x], [y], { size: 8, colour: colours.ink, hollow: true });
      pen.points([x], [y], { size: 6.5, colour: colours.paper, hollow: true });
    }
    if (hovered >= 0) pen.points([place.px(hovered)], [place.py(hovered)], { size: 6, colour: colours.ink, hollow: true });
    if (start && now) {
      const [x, y] = [Math.min(start[0], now[0]), Math.min(start[1], now[1])];
      const [w, h] = [Math.abs(start[0] - now[0]), Math.abs(start[1] - now[1])];
      context.globalAlpha = 0.15;
      pen.rect(x, y, w, h, colours.down);
      context.globalAlpha = 1;
      pen.path([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]], { colour: colours.ink, width: 1, dash: [4, 3] });
    }
  }
  chart.drawn = () => {
    caption.replaceChildren(...(cloud.caption ?? []));
    over();
  };
  chart.over = over;
  const caption = element("figcaption", { class: "small" });
  chart.figure.append(caption);

  const at = (event) => {
    const edge = overlay.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  function nearest([x, y], reach = 14) {
    let best = -1;
    let least = reach * reach;
    for (const layer of cloud.layers)
      for (const gene of layer.genes) {
        const distance = (place.px(gene) - x) ** 2 + (place.py(gene) - y) ** 2;
        // Of points that lie together the one drawn last is on top.
        if (distance <= least) [best, least] = [gene, distance];
      }
    return best;
  }
  function show(gene) {
    hovered = gene;
    bubble.hidden = gene < 0;
    if (gene >= 0) {
      bubble.replaceChildren(...tip(gene).map((line, i) => element(i ? "div" : "strong", {}, line)));
      const [width] = chart.size;
      const [x, y] = [place.px(gene), place.py(gene)];
      bubble.style.left = `${Math.min(Math.max(x + 10, 0), width - bubble.offsetWidth)}px`;
      bubble.style.top = y > bubble.offsetHeight + 14 ? `${y - bubble.offsetHeight - 10}px` : `${y + 14}px`;
    }
    over();
  }
  overlay.addEventListener("pointermove", (event) => {
    if (start) {
      now = at(event);
      over();
    } else show(nearest(at(event)));
  });
  overlay.addEventListener("pointerleave", () => !start && show(-1));
  overlay.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    start = at(event);
    now = null;
    overlay.setPointerCapture(event.pointerId);
  });
  overlay.addEventListener("pointercancel", () => {
    start = now = null;
    over();
  });
  overlay.addEventListener("pointerup", (event) => {
    if (!start) return;
    const [from, to] = [start, at(event)];
    start = now = null;
    if (Math.hypot(from[0] - to[0], from[1] - to[1]) < 6) {
      const gene = nearest(to);
      if (gene >= 0) pick(gene);
      over();
      return;
    }
    const [low, high] = [[Math.min(from[0], to[0]), Math.min(from[1], to[1])], [Math.max(from[0], to[0]), Math.max(from[1], to[1])]];
    const inside = new Set();
    for (const layer of cloud.layers)
      for (const gene of layer.genes) {
        const [x, y] = [place.px(gene), place.py(gene)];
        if (x >= low[0] && x <= high[0] && y >= low[1] && y <= high[1]) inside.add(gene);
      }
    boxed(inside, name());
  });
  chart.overlay = overlay;
  /** Where a row of the numbers is drawn, for tests and for whoever scripts the page. */
  chart.figure.positionOf = (gene) => [place.px(gene), place.py(gene)];
  return chart;
}

/** Names of genes where there is room: above, below, right or left of their points, else not at all. */
function drawLabels(pen, labels, px, py, box, colours, gap = 6) {
  const taken = labels.map(({ gene }) => [px(gene) - 4, py(gene) - 4, px(gene) + 4, py(gene) + 4]);
  for (const [i, { gene, text }] of labels.entries()) {
    const words = short(text, 18);
    const width = 6.3 * [...words].length + 2;
    const [x, y] = [px(gene), py(gene)];
    const [right, left] = [x + gap, x - width - gap];
    const [above, below] = [y - 12 - gap, y + gap];
    const corners = [[right, y - 6], [left, y - 6], [x - width / 2, above], [x - width / 2, below], [right, above + 2], [left, above + 2],
      [right, below - 2], [left, below - 2]];
    const free = corners.find(([left, top]) => {
      const spot = [left, top, left + width, top + 12];
      if (spot[0] < box.left || spot[2] > box.right + 8 || spot[1] < box.top - 4 || spot[3] > box.bottom) return false;
      return taken.every((other, j) => j === i || spot[0] > other[2] || spot[2] < other[0] || spot[1] > other[3] || spot[3] < other[1]);
    });
    if (!free) continue;
    taken.push([free[0], free[1], free[0] + width, free[1] + 12]);
    pen.text(free[0] + width / 2, free[1] + 6, isolated(words), { size: 11, align: "center", base: "middle", colour: colours.ink, halo: colours.paper });
  }
}

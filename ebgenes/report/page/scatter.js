// A cloud of genes: hover names them, a click picks one, a drawn box picks many; it can be zoomed and moved.

const LABELS = 14;

/**
 * `points()` gives {x, y, xEnds, yEnds, xWords, yWords, xTicks, layers, lines, labels}: coordinates of every gene,
 * and layers [{genes, shape, size, colour, alpha}] in the order they are drawn. `box` takes {x, y}, ends of both.
 */
function makeScatter(host, { title, name, points, tip, describe, pick, box: boxed, selected, marked, viewed = () => {}, boxShown = () => null, key = title }) {
  let cloud = null;
  let place = null;
  const whole = () => {
    const { x, y, xEnds, yEnds } = cloud;
    const reach = (values, ends) => {
      let [low, high] = ends;
      for (const value of values) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
      return padded(low, high, high > ends[1] || low < ends[0] ? 0.03 : 0);
    };
    return { x: xEnds, y: yEnds, reach: { x: reach(x, xEnds), y: reach(y, yEnds) } };
  };
  const view = makeView(whole, () => {
    chart.redraw();
    viewed();
  });
  const draw = (pen, width, height, colours) => {
    cloud = points();
    const { x: xEnds, y: yEnds } = view.value ?? { x: cloud.xEnds, y: cloud.yEnds };
    const framed = frame(pen, width, height, colours, {
      x: { ends: xEnds, words: cloud.xWords, ticks: cloud.xTicks?.(xEnds) },
      y: { ends: yEnds, words: cloud.yWords },
    });
    const { across, up, box } = framed;
    const px = (gene) => across(Math.min(Math.max(cloud.x[gene], xEnds[0]), xEnds[1]));
    const py = (gene) => up(Math.min(Math.max(cloud.y[gene], yEnds[0]), yEnds[1]));
    const known = (gene) => !Number.isNaN(cloud.x[gene]) && !Number.isNaN(cloud.y[gene]);
    const out = (gene) => cloud.x[gene] < xEnds[0] || cloud.x[gene] > xEnds[1] || cloud.y[gene] < yEnds[0] || cloud.y[gene] > yEnds[1];
    // Where the whole is seen, what lies beyond stands at the border.
    const seen = (gene) => known(gene) && !(view.value && out(gene));
    pen.clip(box.left - 5, box.top - 5, box.right - box.left + 10, box.bottom - box.top + 10);
    for (const { along, at, dash } of cloud.lines) {
      if (along === "x" && at >= xEnds[0] && at <= xEnds[1]) pen.line(across(at), box.top, across(at), box.bottom, colours.rule, 1, dash);
      else if (along === "y" && at >= yEnds[0] && at <= yEnds[1]) pen.line(box.left, up(at), box.right, up(at), colours.rule, 1, dash);
      else if (along === "both") {
        const [low, high] = [Math.max(xEnds[0], yEnds[0]), Math.min(xEnds[1], yEnds[1])];
        if (low < high) pen.line(across(low), up(low), across(high), up(high), colours.rule, 1, dash);
      }
    }
    const drawn = [];
    for (const layer of cloud.layers) {
      const inside = [];
      const beyond = [];
      for (const gene of layer.genes) {
        if (!seen(gene)) continue;
        (out(gene) ? beyond : inside).push(gene);
        drawn.push(gene);
      }
      // Few points may be larger.
      const size = layer.size * (view.value ? 1.35 : 1);
      const look = { ...layer, size, colour: colours[layer.colour] ?? layer.colour };
      pen.points(inside.map(px), inside.map(py), look);
      pen.points(beyond.map(px), beyond.map(py), { ...look, size: size + 1, hollow: true, alpha: 1 });
    }
    const ringed = marked();
    if (ringed) {
      const genes = [...ringed].filter(seen);
      pen.points(genes.map(px), genes.map(py), { size: 5.5, colour: colours.ink, hollow: true });
    }
    pen.unclip();
    drawLabels(pen, cloud.labels().filter(({ gene }) => seen(gene)), px, py, box, colours);
    return { px, py, box, framed, xEnds, yEnds, seen, drawn, xs: Float64Array.from(drawn, px), ys: Float64Array.from(drawn, py) };
  };
  const chart = makeChart(host, { title, name, draw, describe, shape: (width) => Math.max(280, Math.min(0.84 * width, 500)) });
  chart.view = view;

  const overlay = element("canvas", { class: "over", tabindex: 0, role: "application",
    "aria-label": `${title}. Arrow keys go from gene to gene in the table's order; plus and minus zoom, 0 shows the whole, Shift with arrows moves.` });
  const bubble = element("div", { class: "tip", hidden: true });
  chart.stack.append(overlay, bubble);
  let moving = false;
  const mode = smallButton("Move", `Drag to move instead of drawing a box: ${title}`, () => {
    moving = !moving;
    mode.setAttribute("aria-pressed", moving);
    overlay.classList.toggle("moving", moving);
  });
  mode.setAttribute("aria-pressed", false);
  const reset = smallButton("Whole", `Show the whole: ${title}`, () => view.whole());
  chart.bar.append(element("span", { class: "buttons" }, smallButton("+", `Zoom in: ${title}`, () => view.zoom(0.6)),
    smallButton("−", `Zoom out: ${title}`, () => view.zoom(1 / 0.6)), reset, mode));
  let hovered = -1;
  let start = null;
  let now = null;

  function over() {
    const [width, height] = chart.size;
    if (!width) return;
    const density = Math.max(devicePixelRatio || 1, 1);
    overlay.width = width * density;
    overlay.height = height * density;
    const context = overlay.getContext("2d");
    context.scale(density, density);
    const pen = new CanvasPen(context);
    const colours = isDark() ? DARK : LIGHT;
    const picked = selected();
    if (picked >= 0 && place.seen(picked)) {
      const [x, y] = [place.px(picked), place.py(picked)];
      pen.points([x], [y], { size: 8, colour: colours.ink, hollow: true });
      pen.points([x], [y], { size: 6.5, colour: colours.paper, hollow: true });
    }
    const held = boxShown(key);
    if (held) {
      const { box, framed: { across, up } } = place;
      const [left, right] = held.x.map((value) => Math.min(Math.max(across(value), box.left), box.right));
      const [bottom, top] = held.y.map((value) => Math.min(Math.max(up(value), box.top), box.bottom));
      pen.path([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], { colour: colours.soft, width: 1, dash: [4, 3] });
    }
    if (hovered >= 0) pen.points([place.px(hovered)], [place.py(hovered)], { size: 6, colour: colours.ink, hollow: true });
    if (start && now && !moving) {
      const [x, y] = [Math.min(start[0], now[0]), Math.min(start[1], now[1])];
      const [w, h] = [Math.abs(start[0] - now[0]), Math.abs(start[1] - now[1])];
      context.globalAlpha = 0.15;
      pen.rect(x, y, w, h, colours.down);
      context.globalAlpha = 1;
      pen.path([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]], { colour: colours.ink, width: 1, dash: [4, 3] });
    }
  }
  chart.drawn = (known) => {
    place = known;
    reset.disabled = !view.value;
    caption.replaceChildren(...(cloud.caption ?? []));
    show(hovered >= 0 && place.seen(hovered) ? hovered : -1);
  };
  chart.over = over;
  const caption = element("figcaption", { class: "small" });
  chart.figure.append(caption);

  const at = (event) => {
    const edge = overlay.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  /** The numbers that a place stands for. */
  const valueAt = ([x, y]) => {
    const { box, xEnds, yEnds } = place;
    return [xEnds[0] + ((x - box.left) / (box.right - box.left)) * (xEnds[1] - xEnds[0]), yEnds[0] + ((box.bottom - y) / (box.bottom - box.top)) * (yEnds[1] - yEnds[0])];
  };
  const share = ([fromX, fromY], [toX, toY]) => {
    const { box } = place;
    return [(fromX - toX) / (box.right - box.left), (toY - fromY) / (box.bottom - box.top)];
  };
  function nearest([x, y], reach = 14) {
    let best = -1;
    let least = reach * reach;
    for (let i = 0; i < place.drawn.length; i++) {
      const distance = (place.xs[i] - x) ** 2 + (place.ys[i] - y) ** 2;
      // Of points that lie together the one drawn last is on top.
      if (distance <= least) [best, least] = [place.drawn[i], distance];
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
  /** Ends of a drawn box as numbers; where it reaches the border it has no end, as hollow marks lie beyond. */
  function boxEnds(from, to) {
    const { box } = place;
    const [low, high] = [[Math.min(from[0], to[0]), Math.min(from[1], to[1])], [Math.max(from[0], to[0]), Math.max(from[1], to[1])]];
    const [left, top] = valueAt(low);
    const [right, bottom] = valueAt(high);
    const open = (outside, value, end) => (outside && !view.value ? end : value);
    return {
      x: [open(low[0] <= box.left, left, -Infinity), open(high[0] >= box.right, right, Infinity)],
      y: [open(high[1] >= box.bottom, bottom, -Infinity), open(low[1] <= box.top, top, Infinity)],
    };
  }
  const fingers = makeFingers();
  overlay.addEventListener("pointermove", (event) => {
    const here = at(event);
    const pinch = fingers.moved(event, here);
    if (pinch) {
      start = now = null;
      const held = valueAt(pinch.from);
      view.zoom(pinch.scale, held);
      view.move(...share(pinch.from, pinch.to));
    } else if (start && moving) {
      view.move(...share(start, here));
      start = here;
      now = here;
    } else if (start) {
      now = here;
      over();
    } else if (!fingers.count) show(nearest(here));
  });
  overlay.addEventListener("pointerleave", () => !start && show(-1));
  overlay.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    fingers.down(event, at(event));
    start = fingers.count === 1 ? at(event) : null;
    now = null;
    overlay.setPointerCapture(event.pointerId);
  });
  overlay.addEventListener("pointercancel", (event) => {
    fingers.up(event);
    start = now = null;
    over();
  });
  overlay.addEventListener("pointerup", (event) => {
    fingers.up(event);
    if (!start) return;
    const [from, to, dragged] = [start, at(event), now];
    start = now = null;
    if (Math.hypot(from[0] - to[0], from[1] - to[1]) < 6 && !(moving && dragged)) {
      const gene = nearest(to);
      if (gene >= 0) {
        show(gene);
        pick(gene, { x: place.px(gene), y: place.py(gene), canvas: overlay });
      }
      over();
    } else if (moving) over();
    else boxed(boxEnds(from, to), key);
  });
  overlay.addEventListener("wheel", (event) => {
    // A wheel alone scrolls the page; a pinch on a touchpad comes as a wheel with Ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    view.zoom(Math.exp(Math.min(Math.max(event.deltaY, -60), 60) * 0.01), valueAt(at(event)));
  }, { passive: false });
  overlay.addEventListener("dblclick", (event) => view.zoom(event.shiftKey ? 2 : 0.5, valueAt(at(event))));
  overlay.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (event.key === "+" || event.key === "=") view.zoom(0.6);
    else if (event.key === "-") view.zoom(1 / 0.6);
    else if (event.key === "0") view.whole();
    else if (event.shiftKey && steps[event.key]) view.move(...steps[event.key]);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });
  chart.overlay = overlay;
  /** Genes within the ends of a box. */
  chart.within = ({ x: [left, right], y: [bottom, top] }) => {
    const { x, y, layers } = points();
    return new Set(layers.flatMap(({ genes }) => genes.filter((gene) => x[gene] >= left && x[gene] <= right && y[gene] >= bottom && y[gene] <= top)));
  };
  /** Where a row of the numbers is drawn, for tests and for whoever scripts the page. */
  chart.figure.positionOf = (gene) => [place.px(gene), place.py(gene)];
  return chart;
}

// A figure on the page: a canvas that follows its width and the theme, with its downloads.

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

const charts = new Set();
const redrawAll = () => charts.forEach((chart) => chart.redraw());

const smallButton = (text, words, run) => element("button", { type: "button", class: "quiet", title: words, "aria-label": words, onclick: run }, text);

/** A word of the field that explains itself when it is pressed. */
const termButton = (key, words) => element("button", { type: "button", class: "term", popovertarget: `term-${key}` }, words);

/**
 * A figure with a canvas. `draw(pen, width, height, colours)` draws it whole, on any medium, and returns what the
 * screen must know of it; `shape(width)` gives the height. Files are made in the size, font and colours of `printLook`.
 */
function makeChart(host, { title, name, draw, shape = (width) => Math.min(0.85 * width, 460), describe = () => title }) {
  const canvas = element("canvas", { role: "img", "aria-label": title });
  const stack = element("div", { class: "stack" }, canvas);
  const saves = Object.keys(FILE_KINDS).map((kind) => smallButton(kind, `Download as ${kind}: ${title}`, () => chart.save(kind)));
  const heading = element("h3", {}, title);
  const bar = element("div", { class: "bar" }, heading,
    element("span", { class: "buttons" }, ...saves, smallButton("Size…", `Size, font and colors of the files: ${title}`, () => openPrintLook(chart))));
  const figure = element("figure", { class: "chart" }, bar, stack);
  host.append(figure);

  let size = [0, 0];
  const chart = {
    figure, bar, stack, canvas, title,
    get size() { return size; },
    redraw() {
      const width = Math.floor(stack.clientWidth);
      if (!width) return;
      const height = Math.round(shape(width));
      const density = Math.max(devicePixelRatio || 1, 1);
      size = [width, height];
      stack.style.height = `${height}px`;
      canvas.width = width * density;
      canvas.height = height * density;
      const context = canvas.getContext("2d");
      context.scale(density, density);
      const known = draw(new CanvasPen(context), width, height, isDark() ? DARK : LIGHT);
      canvas.setAttribute("aria-label", describe());
      chart.drawn?.(known);
    },
    file: (kind) => FILE_KINDS[kind](draw, shape),
    async save(kind) {
      save(`${fileName(name())}.${kind.toLowerCase()}`, await chart.file(kind));
    },
  };
  charts.add(chart);
  new ResizeObserver(() => Math.floor(stack.clientWidth) !== size[0] && chart.redraw()).observe(stack);
  return chart;
}

/** A frame with axes; returns functions from values to pixels. */
function frame(pen, width, height, colours, { x, y, left = 0, right = 12, top = 8, bottom = 44 }) {
  const box = { left, top, right: width - right, bottom: height - bottom };
  const marks = (axis, most) => axis.ticks ?? ticks(...axis.ends, most).map((value) => [value, tickText(value)]);
  const upMarks = marks(y, Math.max(3, (box.bottom - top) / 50));
  box.left = left || Math.max(50, 30 + 6.6 * Math.max(0, ...upMarks.map(([, words]) => words.length)));
  const across = (value) => box.left + ((value - x.ends[0]) / (x.ends[1] - x.ends[0])) * (box.right - box.left);
  const up = (value) => box.bottom - ((value - y.ends[0]) / (y.ends[1] - y.ends[0])) * (box.bottom - box.top);
  for (const [value, words] of marks(x, Math.max(3, (box.right - box.left) / 70))) {
    const at = across(value);
    pen.line(at, box.bottom, at, box.bottom + 4, colours.soft);
    pen.text(at, box.bottom + 16, words, { size: 11, align: "center", colour: colours.soft });
  }
  for (const [value, words] of upMarks) {
    const at = up(value);
    pen.line(box.left - 4, at, box.left, at, colours.soft);
    pen.text(box.left - 7, at, words, { size: 11, align: "right", base: "middle", colour: colours.soft });
  }
  pen.line(box.left, box.bottom, box.right, box.bottom, colours.soft);
  pen.line(box.left, box.top, box.left, box.bottom, colours.soft);
  const middle = (box.left + box.right) / 2;
  pen.text(middle, height - 10, x.words, { size: 12, align: "center", colour: colours.ink });
  pen.text(14, (box.top + box.bottom) / 2, y.words, { size: 12, align: "center", colour: colours.ink, turn: -90 });
  return { across, up, box };
}

// One drawing, several media: a pen draws on a canvas or writes SVG (and PDF, in pdf.js).

const FONT = 'system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif';

/** How wide text is, in a font that all media share. */
const textWidth = (() => {
  const context = document.createElement("canvas").getContext("2d");
  return (text, size, font = FONT) => {
    context.font = `${size}px ${font}`;
    return context.measureText(text).width;
  };
})();

const SHAPES = {
  up: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
  down: [[0, 1.2], [1.1, -0.8], [-1.1, -0.8]],
  square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
  right: [[1.2, 0], [-0.8, 1.1], [-0.8, -1.1]],
  left: [[-1.2, 0], [0.8, 1.1], [0.8, -1.1]],
  cross: [[-1.2, -0.4], [-0.4, -0.4], [-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4],
    [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4]],
};

// Okabe and Ito's colours differ for every kind of colour vision; shapes repeat what they say.
const GROUP_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const GROUP_SHAPES = ["circle", "up", "square", "down", "diamond", "cross"];

const LIGHT = {
  paper: "#ffffff", ink: "#1c1f23", soft: "#565d66", rule: "#d5d9de", band: "#e6eaee",
  up: "#D55E00", down: "#0072B2", rest: "#8c8c8c", extra: "#009E73", fill: "#c9d6df",
};
const DARK = {
  paper: "#16191d", ink: "#e8eaed", soft: "#a9b1ba", rule: "#3a4048", band: "#262c33",
  up: "#f08a3c", down: "#56B4E9", rest: "#7d858d", extra: "#2cc79b", fill: "#3d4d5a",
};

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

/** Text as one short line whose direction cannot reach its neighbours. */
function short(text, most = 24) {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("").trimEnd()}…`;
}
const isolated = (text) => `\u2068${text}\u2069`;

class CanvasPen {
  constructor(context, font = FONT) {
    this.context = context;
    this.font = font;
  }

  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    this.path([[x1, y1], [x2, y2]], { colour, width, dash });
  }

  path(points, { colour = null, width = 1.5, dash = [], fill = null } = {}) {
    const { context } = this;
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    if (colour) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.stroke();
      context.setLineDash([]);
    }
  }

  rect(x, y, width, height, fill) {
    this.context.fillStyle = fill;
    this.context.fillRect(x, y, width, height);
  }

  points(xs, ys, { shape = "circle", size = 3, colour, alpha = 1, hollow = false }) {
    const { context } = this;
    context.globalAlpha = alpha;
    context.fillStyle = context.strokeStyle = colour;
    context.lineWidth = 1.2;
    const corners = SHAPES[shape];
    if (!corners && !hollow && size < 2) {
      // Discs this small look like squares, which are drawn many times faster.
      const side = 1.8 * size;
      for (let i = 0; i < xs.length; i++) context.fillRect(xs[i] - side / 2, ys[i] - side / 2, side, side);
      context.globalAlpha = 1;
      return;
    }
    context.beginPath();
    for (let i = 0; i < xs.length; i++) {
      const x = xs[i];
      const y = ys[i];
      if (corners) {
        corners.forEach(([dx, dy], j) => context[j ? "lineTo" : "moveTo"](x + dx * size, y + dy * size));
        context.closePath();
      } else {
        context.moveTo(x + size, y);
        context.arc(x, y, size, 0, 2 * Math.PI);
      }
      // Each point for itself: overlapping ones grow darker, which one path for all would not show.
      if (alpha < 1 || i % 500 === 499) {
        context[hollow ? "stroke" : "fill"]();
        context.beginPath();
      }
    }
    context[hollow ? "stroke" : "fill"]();
    context.globalAlpha = 1;
  }

  text(x, y, text, { size = 12, align = "left", base = "alphabetic", colour, weight = 400, turn = 0, halo = null }) {
    const { context } = this;
    context.save();
    context.translate(x, y);
    context.rotate((turn * Math.PI) / 180);
    context.font = `${weight} ${size}px ${this.font}`;
    context.textAlign = align;
    context.textBaseline = base;
    context.direction = "ltr";
    if (halo) {
      context.lineWidth = 3;
      context.lineJoin = "round";
      context.strokeStyle = halo;
      context.strokeText(text, 0, 0);
    }
    context.fillStyle = colour;
    context.fillText(text, 0, 0);
    context.restore();
  }

  clip(x, y, width, height) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(x, y, width, height);
    this.context.clip();
  }

  unclip() {
    this.context.restore();
  }
}

const escaped = (text) =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
const round = (value) => +value.toFixed(2);

class SvgPen {
  /** Of a drawing in pixels that is printed so many millimeters wide and high. */
  constructor(width, height, millimeters, font = FONT) {
    this.size = [width, height];
    this.printed = millimeters;
    this.font = font;
    this.parts = [];
    this.clips = 0;
  }

  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    this.path([[x1, y1], [x2, y2]], { colour, width, dash });
  }

  path(points, { colour = null, width = 1.5, dash = [], fill = null } = {}) {
    if (!points.length) return;
    const way = points.map(([x, y], i) => `${i ? "L" : "M"}${round(x)} ${round(y)}`).join("");
    const stroke = colour ? ` stroke="${colour}" stroke-width="${width}"` : "";
    const dashes = dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : "";
    this.parts.push(`<path d="${way}" fill="${fill ?? "none"}"${stroke}${dashes}/>`);
  }

  rect(x, y, width, height, fill) {
    const [a, b, c, d] = [x, y, width, height].map(round);
    this.parts.push(`<rect x="${a}" y="${b}" width="${c}" height="${d}" fill="${fill}"/>`);
  }

  points(xs, ys, { shape = "circle", size = 3, colour, alpha = 1, hollow = false }) {
    if (!xs.length) return;
    const corners = SHAPES[shape];
    const ways = [];
    for (let i = 0; i < xs.length; i++) {
      const x = xs[i];
      const y = ys[i];
      if (corners) {
        const way = corners.map(([dx, dy]) => `${round(x + dx * size)} ${round(y + dy * size)}`);
        ways.push(`M${way.join("L")}Z`);
      } else if (hollow) {
        const r = round(size);
        ways.push(`M${round(x - size)} ${round(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`);
      } else ways.push(`M${round(x)} ${round(y)}h0`);
    }
    const round_points = !corners && !hollow;
    const look = round_points
      ? `stroke="${colour}" stroke-width="${round(2 * size)}" stroke-linecap="round" stroke-opacity="${alpha}" fill="none"`
      : hollow
        ? `stroke="${colour}" stroke-width="1.2" fill="none"`
        : `fill="${colour}" fill-opacity="${alpha}"`;
    this.parts.push(`<path ${look} d="${ways.join("")}"/>`);
  }

  text(x, y, text, { size = 12, align = "left", base = "alphabetic", colour, weight = 400, turn = 0, halo = null }) {
    const anchor = { left: "start", center: "middle", right: "end" }[align];
    const lowered = { middle: 0.35, top: 0.8, alphabetic: 0, bottom: -0.2 }[base] * size;
    const turned = turn ? ` transform="rotate(${turn} ${round(x)} ${round(y)})"` : "";
    const behind = halo ? ` stroke="${halo}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"` : "";
    this.parts.push(
      `<text x="${round(x)}" y="${round(y + lowered)}" font-size="${size}" font-weight="${weight}" ` +
        `text-anchor="${anchor}" fill="${colour}"${behind}${turned}>${escaped(text)}</text>`,
    );
  }

  clip(x, y, width, height) {
    this.clips += 1;
    const [a, b, c, d] = [x, y, width, height].map(round);
    const shape = `<rect x="${a}" y="${b}" width="${c}" height="${d}"/>`;
    this.parts.push(`<clipPath id="c${this.clips}">${shape}</clipPath><g clip-path="url(#c${this.clips})">`);
  }

  unclip() {
    this.parts.push("</g>");
  }

  get svg() {
    const [width, height] = this.size;
    const [wide, high] = this.printed.map(round);
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}mm" height="${high}mm" viewBox="0 0 ${width} ${height}" ` +
      `font-family="${escaped(this.font)}"><rect width="100%" height="100%" fill="#ffffff"/>${this.parts.join("\n")}</svg>\n`
    );
  }
}

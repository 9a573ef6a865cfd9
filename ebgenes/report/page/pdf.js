// A drawing as PDF: vector graphics, text that can be edited, in one of the fonts that every reader has.

// Characters that the standard fonts have in Symbol alone, by their codes there.
const SYMBOLS = { "←": 0xac, "→": 0xae, "−": 0x2d, "α": 0x61, "κ": 0x6b, "≥": 0xb3, "≤": 0xa3, "▲": 0x44, "◆": 0xa8 };
const WINDOWS = { "…": 0x85, "–": 0x96, "—": 0x97, "‘": 0x91, "’": 0x92, "“": 0x93, "”": 0x94, "•": 0x95, "€": 0x80, "™": 0x99 };

class PdfPen {
  /** Of a drawing in pixels, each of them so many points. */
  constructor(width, height, points, font = "Arial") {
    this.size = [width, height];
    this.points_a_pixel = points;
    this.face = font;
    this.font = PRINT_FONTS[font];
    this.parts = [];
    this.alphas = new Set([1]);
  }

  colour(value, stroke) {
    const parts = [1, 3, 5].map((i) => round(parseInt(value.slice(i, i + 2), 16) / 255));
    return `${parts.join(" ")} ${stroke ? "RG" : "rg"}`;
  }

  /** The graphics state of a transparency; a color's last two digits are one too. */
  alpha(value) {
    const kept = Math.round(100 * value) / 100;
    this.alphas.add(kept);
    return `/A${Math.round(100 * kept)} gs`;
  }

  at(x, y) {
    return `${round(x)} ${round(this.size[1] - y)}`;
  }

  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    this.path([[x1, y1], [x2, y2]], { colour, width, dash });
  }

  path(points, { colour = null, width = 1.5, dash = [], fill = null } = {}) {
    if (!points.length) return;
    const way = points.map(([x, y], i) => `${this.at(x, y)} ${i ? "l" : "m"}`).join(" ");
    if (fill) this.parts.push(`${this.alpha(fill.length > 7 ? parseInt(fill.slice(7), 16) / 255 : 1)} ${this.colour(fill)} ${way} f ${this.alpha(1)}`);
    if (colour) this.parts.push(`${this.colour(colour, true)} ${round(width)} w [${dash.join(" ")}] 0 d ${way} S`);
  }

  rect(x, y, width, height, fill) {
    this.parts.push(`${this.colour(fill)} ${this.at(x, y + height)} ${round(width)} ${round(height)} re f`);
  }

  points(xs, ys, { shape = "circle", size = 3, colour, alpha = 1, hollow = false }) {
    if (!xs.length) return;
    const corners = SHAPES[shape];
    const paint = hollow ? "S" : "f";
    const ways = [];
    for (let i = 0; i < xs.length; i++) {
      const [x, y] = [xs[i], ys[i]];
      if (corners) ways.push(`${corners.map(([dx, dy], j) => `${this.at(x + dx * size, y + dy * size)} ${j ? "l" : "m"}`).join(" ")} h ${paint}`);
      else if (hollow) {
        // A circle of four curves.
        const k = 0.5523 * size;
        const arc = (...pairs) => `${pairs.map(([dx, dy]) => this.at(x + dx, y + dy)).join(" ")} c`;
        ways.push(`${this.at(x + size, y)} m ${arc([size, k], [k, size], [0, size])} ${arc([-k, size], [-size, k], [-size, 0])} ` +
          `${arc([-size, -k], [-k, -size], [0, -size])} ${arc([k, -size], [size, -k], [size, 0])} h S`);
      } else ways.push(`${this.at(x, y)} m ${this.at(x, y)} l S`);
    }
    const disc = !corners && !hollow;
    const look = disc ? `1 J ${round(2 * size)} w [] 0 d ${this.colour(colour, true)}` : hollow ? `1.2 w [] 0 d ${this.colour(colour, true)}` : this.colour(colour);
    this.parts.push(`q ${this.alpha(alpha)} ${look} ${ways.join("\n")} Q`);
  }

  text(x, y, text, { size = 12, align = "left", base = "alphabetic", colour, turn = 0, halo = null }) {
    const words = text.replace(/[\u2068\u2069]/g, "");
    const lowered = { middle: 0.35, top: 0.8, alphabetic: 0, bottom: -0.2 }[base] * size;
    const shift = { left: 0, center: -0.5, right: -1 }[align] * textWidth(words, size, this.font);
    const angle = (-turn * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const place = [cos, sin, -sin, cos, x + shift * cos + lowered * sin, this.size[1] - y + shift * sin - lowered * cos];
    const runs = pdfRuns(words).map(({ font, codes }) => `/${font} ${round(size)} Tf (${codes.map((code) => `\\${code.toString(8).padStart(3, "0")}`).join("")}) Tj`).join(" ");
    const drawn = (mode) => `BT ${mode} Tr ${place.map((value) => +value.toFixed(4)).join(" ")} Tm ${runs} ET`;
    if (halo) this.parts.push(`q 1 j 3 w [] 0 d ${this.colour(halo, true)} ${drawn(1)} Q`);
    this.parts.push(`${this.colour(colour)} ${drawn(0)}`);
  }

  clip(x, y, width, height) {
    this.parts.push(`q ${this.at(x, y + height)} ${round(width)} ${round(height)} re W n`);
  }

  unclip() {
    this.parts.push("Q");
  }

  get pdf() {
    const scale = this.points_a_pixel;
    const [width, height] = this.size.map((value) => round(value * scale));
    const content = `${+scale.toFixed(5)} 0 0 ${+scale.toFixed(5)} 0 0 cm\n${this.parts.join("\n")}\n`;
    const states = [...this.alphas].map((value) => `/A${Math.round(100 * value)} <</ca ${value} /CA ${value}>>`).join(" ");
    const font = { Arial: "Helvetica", Times: "Times-Roman" }[this.face];
    const objects = [
      "<</Type /Catalog /Pages 2 0 R>>",
      "<</Type /Pages /Kids [3 0 R] /Count 1>>",
      `<</Type /Page /Parent 2 0 R /MediaBox [0 0 ${width} ${height}] /Contents 4 0 R /Resources <</Font <</F 5 0 R /S 6 0 R>> /ExtGState <<${states}>>>>>>`,
      `<</Length ${content.length}>>\nstream\n${content}endstream`,
      `<</Type /Font /Subtype /Type1 /BaseFont /${font} /Encoding /WinAnsiEncoding>>`,
      "<</Type /Font /Subtype /Type1 /BaseFont /Symbol>>",
    ];
    let file = "%PDF-1.4\n";
    const places = objects.map((object, i) => {
      const start = file.length;
      file += `${i + 1} 0 obj\n${object}\nendobj\n`;
      return start;
    });
    const table = places.map((start) => `${String(start).padStart(10, "0")} 00000 n \n`).join("");
    return `${file}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<</Size ${objects.length + 1} /Root 1 0 R>>\nstartxref\n${file.length}\n%%EOF\n`;
  }
}

/** Text in pieces of one font each. What neither font has becomes a question mark: SVG has every character. */
function pdfRuns(text) {
  const runs = [];
  for (const character of text) {
    const code = character.codePointAt(0);
    const own = code < 0x80 || (code > 0x9f && code < 0x100) ? code : WINDOWS[character];
    const font = own === undefined && SYMBOLS[character] !== undefined ? "S" : "F";
    if (runs.at(-1)?.font !== font) runs.push({ font, codes: [] });
    runs.at(-1).codes.push(own ?? SYMBOLS[character] ?? 0x3f);
  }
  return runs;
}

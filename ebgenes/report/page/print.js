// Figures as files: their size, font and colors on paper, whatever the screen.

const MILLIMETERS_A_POINT = 25.4 / 72;
const TEXT_PIXELS = 12;

const PRINT_DEFAULTS = { width: 120, ratio: 0, size: 8, dpi: 300, font: "Arial", up: LIGHT.up, down: LIGHT.down };
const printLook = { ...PRINT_DEFAULTS };
const PRINT_FONTS = { Arial: 'Arial, Helvetica, "Liberation Sans", sans-serif', Times: '"Times New Roman", Times, "Liberation Serif", serif' };

/** The drawing that has the asked size once its text of 12 pixels is printed in the asked points. */
function printed(shape) {
  const millimeters = (printLook.size * MILLIMETERS_A_POINT) / TEXT_PIXELS;
  const width = Math.round(printLook.width / millimeters);
  const height = Math.round(printLook.ratio ? width / printLook.ratio : shape(width));
  const colours = { ...LIGHT, up: printLook.up, down: printLook.down };
  return { width, height, colours, millimeters, paper: [width * millimeters, height * millimeters], font: PRINT_FONTS[printLook.font] };
}

const FILE_KINDS = {
  /** Files have a white ground, whatever the theme. */
  SVG(draw, shape) {
    const { width, height, colours, paper, font } = printed(shape);
    const pen = new SvgPen(width, height, paper, font);
    draw(pen, width, height, colours);
    return new Blob([pen.svg], { type: "image/svg+xml" });
  },
  async PNG(draw, shape) {
    const { width, height, colours, millimeters, font } = printed(shape);
    // Beyond this browsers refuse a canvas.
    const scale = Math.min((printLook.dpi * millimeters) / 25.4, 16000 / Math.max(width, height));
    const copy = element("canvas", { width: Math.round(scale * width), height: Math.round(scale * height) });
    const context = copy.getContext("2d");
    context.scale(scale, scale);
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, width, height);
    draw(new CanvasPen(context, font), width, height, colours);
    const blob = await new Promise((resolve) => copy.toBlob(resolve, "image/png"));
    return new Blob([withResolution(new Uint8Array(await blob.arrayBuffer()), (1000 * scale) / millimeters)], { type: "image/png" });
  },
  PDF(draw, shape) {
    const { width, height, colours, millimeters } = printed(shape);
    const pen = new PdfPen(width, height, millimeters / MILLIMETERS_A_POINT, printLook.font);
    draw(pen, width, height, colours);
    return new Blob([pen.pdf], { type: "application/pdf" });
  },
};

/** A PNG file that says how many pixels it has to a meter: a chunk pHYs behind its header. */
function withResolution(png, pixels) {
  const chunk = new DataView(new ArrayBuffer(21));
  [9, 0x70485973, Math.round(pixels), Math.round(pixels)].forEach((value, i) => chunk.setUint32(4 * i, value));
  chunk.setUint8(16, 1);
  let check = 0xffffffff;
  for (let i = 4; i < 17; i++) {
    check ^= chunk.getUint8(i);
    for (let bit = 0; bit < 8; bit++) check = check & 1 ? (check >>> 1) ^ 0xedb88320 : check >>> 1;
  }
  chunk.setUint32(17, ~check >>> 0);
  const header = 33;
  const whole = new Uint8Array(png.length + 21);
  whole.set(png.subarray(0, header));
  whole.set(new Uint8Array(chunk.buffer), header);
  whole.set(png.subarray(header), header + 21);
  return whole;
}

/** The dialog that all figures share. */
const openPrintLook = (() => {
  let dialog = null;
  let chart = null;
  let preview = null;
  let told = null;
  const number = (key, low, high, step) => ["input", { type: "number", min: low, max: high, step }, (field) => {
    const value = Number(field.value);
    if (value >= low && value <= high) printLook[key] = value;
    else field.value = printLook[key];
  }];
  const colour = (key) => ["input", { type: "color" }, (field) => (printLook[key] = field.value)];
  const choice = (key, options) => ["select", {}, (field) => (printLook[key] = typeof PRINT_DEFAULTS[key] === "number" ? Number(field.value) : field.value), options];
  const FIELDS = {
    width: ["Width, mm", ...number("width", 30, 500, 1)],
    ratio: ["Shape", ...choice("ratio", { 0: "as on the page", 1: "square", 1.3333: "4 : 3", 1.5: "3 : 2", 0.75: "3 : 4" })],
    size: ["Text, points", ...number("size", 4, 24, 0.5)],
    font: ["Font", ...choice("font", { Arial: "Arial (Helvetica)", Times: "Times" })],
    dpi: ["Dots per inch of PNG", ...number("dpi", 72, 1200, 1)],
    up: ["Color of higher", ...colour("up")],
    down: ["Color of lower", ...colour("down")],
  };
  const show = () => {
    for (const key of Object.keys(FIELDS)) dialog.querySelector(`[name=${key}]`).value = printLook[key];
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(chart.file("SVG"));
  };
  function make() {
    const rows = Object.entries(FIELDS).map(([key, [words, tag, attributes, take, options]]) => {
      const field = element(tag, { name: key, ...attributes }, ...Object.entries(options ?? {}).map(([value, text]) => element("option", { value }, text)));
      field.addEventListener("change", () => {
        take(field);
        show();
      });
      return element("label", {}, words, " ", field);
    });
    const preset = (words, width, size) => smallButton(words, `${words}: ${width} mm wide, text of ${size} points`, () => {
      Object.assign(printLook, { width, size });
      show();
    });
    preview = element("img", { alt: "The figure as it will be saved" });
    told = element("p", { class: "soft small", role: "status" });
    dialog = element("dialog", { class: "look", "aria-labelledby": "look-title" },
      element("h2", { id: "look-title" }, "Size, font and colors of the files"),
      element("div", { class: "look-parts" },
        element("div", {},
          element("p", { class: "controls" }, preset("One column", 85, 7), preset("Two columns", 180, 8), preset("Slide", 250, 14)),
          element("div", { class: "fields" }, ...rows),
          element("p", { class: "controls" }, ...Object.keys(FILE_KINDS).map((kind) => element("button", { type: "button", onclick: () => chart.save(kind) }, kind)),
            element("button", { type: "button", onclick: () => dialog.close() }, "Done")), told),
        element("figure", {}, preview)));
    document.body.append(dialog);
  }
  return (which) => {
    if (!dialog) make();
    chart = which;
    told.textContent = `They hold for every figure of this page until it is closed. Now: ${which.title}.`;
    show();
    dialog.showModal();
  };
})();

// What the reader takes away: files made in the browser.

function save(name, content, type) {
  const link = document.createElement("a");
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A file name that stays in its folder, whatever the names of data sets and contrasts. */
const fileName = (...parts) => parts.map((part) => part.replace(/[^\w.-]+/g, "_").slice(0, 60)).join("_");

const cell = (value) => {
  if (typeof value !== "string") return Number.isNaN(value) ? "NA" : String(value);
  return /[\t"\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
};

function tsv(header, rows) {
  return [header, ...rows].map((row) => row.map(cell).join("\t")).join("\n") + "\n";
}

/** Text on the clipboard; false where the browser refuses. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Files opened from a disk have no clipboard in some browsers.
    const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/** Run a button that copies, and say on it what came of it. */
async function copyFrom(button, text) {
  const words = button.dataset.words ??= button.textContent;
  button.textContent = (await copyText(text)) ? "Copied" : "Not copied: select the text instead";
  setTimeout(() => (button.textContent = words), 2500);
}

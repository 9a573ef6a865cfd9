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

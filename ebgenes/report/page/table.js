// A table of any length of which only the rows in sight exist.

const ROW = 28;

// What decides stands first: narrow screens show few columns at once.
const COLUMNS = [
  { key: "name", words: "gene", text: true },
  { key: "post_mean", words: "posterior mean", show: effectText },
  { key: "s_value", words: "s value", show: rateText },
  { key: "lfdr", words: "lfdr", show: rateText },
  { key: "base_mean", words: "mean count", show: amountText },
  { key: "id", words: "id", text: true },
  { key: "log2_fc", words: "log2 FC, no pooling", show: effectText },
  { key: "se", words: "se", show: (value) => value.toFixed(2) },
  { key: "ci_low", words: "interval from", show: effectText },
  { key: "ci_high", words: "to", show: effectText },
  { key: "q_value", words: "q value", show: rateText },
  { key: "lfsr", words: "lfsr", show: rateText },
  { key: "p_value", words: "p-value", show: rateText },
  { key: "adj_p_value", words: "adjusted p", show: rateText },
  { key: "status", words: "status", text: true },
];

function makeTable(host, { value, meanings, sorted, sort, pick, selected, listed }) {
  let rows = [];
  const head = element("tr");
  const heads = COLUMNS.map((column) => {
    const button = element("button", { type: "button", onclick: () => sort(column.key) }, column.words);
    const meaning = meanings[{ name: "gene_name", id: "gene_id" }[column.key] ?? column.key];
    const th = element("th", { scope: "col", "data-key": column.key, class: column.text ? "text" : "", title: meaning }, button);
    head.append(th);
    return [column.key, th];
  });
  const body = element("tbody");
  const table = element("table", { class: "genes", "aria-label": "Genes" }, element("thead", {}, head), body);
  const scroll = element("div", { class: "rows", tabindex: 0, role: "region", "aria-label": "Table of genes: arrow keys go from row to row" }, table);
  host.append(scroll);

  let drawn = [-1, -1];

  function paint(force = false) {
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - 8);
    const last = Math.min(rows.length, first + Math.ceil((scroll.clientHeight || 420) / ROW) + 18);
    if (!force && first === drawn[0] && last === drawn[1]) return;
    drawn = [first, last];
    const made = [];
    const spacer = (count) => {
      const filler = element("td", { colspan: COLUMNS.length });
      filler.style.height = `${count * ROW}px`;
      return element("tr", { class: "blank", "aria-hidden": "true" }, filler);
    };
    if (first) made.push(spacer(first));
    for (let i = first; i < last; i++) made.push(line(rows[i], i));
    if (last < rows.length) made.push(spacer(rows.length - last));
    body.replaceChildren(...made);
  }

  function line(gene, i) {
    const row = element("tr", { "data-gene": gene, "aria-rowindex": i + 2, class: [listed(gene), gene === selected() ? "picked" : "", i % 2 ? "odd" : ""].join(" ") });
    for (const column of COLUMNS) {
      const given = value(column.key, gene);
      if (column.key === "name") {
        const words = element("bdi", {}, given || "(unnamed)");
        row.append(element("th", { scope: "row", class: "text", title: given }, element("span", { class: `mark ${listed(gene)}`, "aria-hidden": "true" }), words));
      } else if (column.text) row.append(element("td", { class: "text", title: given }, element("bdi", {}, given)));
      else row.append(element("td", {}, column.show(given)));
    }
    row.addEventListener("click", () => pick(gene));
    return row;
  }

  scroll.addEventListener("scroll", () => paint());
  scroll.addEventListener("keydown", (event) => {
    if (step(event.key)) event.preventDefault();
  });

  /** Go to another row by a key; false where the key means nothing here. */
  function step(key) {
    const page = Math.floor(scroll.clientHeight / ROW) - 2;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[key];
    if (by === undefined || !rows.length) return false;
    const here = rows.indexOf(selected());
    const next = here < 0 ? 0 : Math.min(Math.max(here + by, 0), rows.length - 1);
    pick(rows[next]);
    return true;
  }

  return {
    step,
    get rows() { return rows; },
    show(next) {
      rows = next;
      const { key, down } = sorted();
      for (const [name, th] of heads) th.ariaSort = name === key ? (down ? "descending" : "ascending") : null;
      table.setAttribute("aria-rowcount", rows.length + 1);
      scroll.scrollTop = 0;
      paint(true);
    },
    repaint: () => paint(true),
    reveal(gene) {
      const i = rows.indexOf(gene);
      if (i < 0) {
        paint(true);
        return;
      }
      const head = table.tHead.offsetHeight;
      const top = i * ROW;
      if (top < scroll.scrollTop || top > scroll.scrollTop + scroll.clientHeight - head - ROW) scroll.scrollTop = Math.max(0, top - (scroll.clientHeight - head) / 2);
      paint(true);
    },
  };
}

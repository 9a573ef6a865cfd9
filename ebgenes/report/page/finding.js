// Genes by what readers type: names or ids, with or without a version.

const bare = (id) => id.replace(/\.\d+$/, "");

/** Names and ids in small letters, and rows by either. */
function makeIndex(ids, names) {
  const lower = { ids: ids.map((each) => each.toLowerCase()), names: names.map((each) => each.toLowerCase()) };
  let rows = null;
  const all = () => {
    if (rows) return rows;
    rows = new Map();
    lower.ids.forEach((id, gene) => {
      for (const key of new Set([id, bare(id), lower.names[gene]])) if (key) rows.set(key, [...(rows.get(key) ?? []), gene]);
    });
    return rows;
  };
  return {
    holds: (gene, text) => lower.ids[gene].includes(text) || lower.names[gene].includes(text),
    is: (gene, text) => lower.ids[gene] === text || lower.names[gene] === text,
    /** Genes of a pasted text, how many were asked for, and what was not found. */
    pasted(text) {
      const asked = [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
      const found = asked.map((each) => all().get(each.toLowerCase()) ?? all().get(bare(each.toLowerCase())));
      return { asked: asked.length, genes: new Set(found.flatMap((each) => each ?? [])), lost: asked.filter((_, i) => !found[i]) };
    },
  };
}

function pastedWords({ asked, lost }) {
  if (!asked) return "";
  const named = lost.slice(0, 20).map((each) => short(each, 30)).join(", ");
  const missing = lost.length ? ` Not among the tested genes: ${named}${lost.length > 20 ? " and others" : ""}.` : "";
  const most = asked - lost.length > MOST_NAMES ? `, the ${MOST_NAMES} most certain with their names` : " and named";
  return `${asked - lost.length} of ${asked} found; they are ringed${most} in the figures.${missing}`;
}

/** Why genes were not tested, by name and id in small letters. */
async function loadUntested(reasons) {
  const blocks = ["block-untested-ids", "block-untested-names"].map(unzipLines);
  const [ids, names, codes] = await Promise.all([...blocks, unzip("block-untested-status")]);
  const why = new Map();
  ids.forEach((id, i) => {
    for (const key of [names[i], id]) if (key) why.set(key.toLowerCase(), reasons[codes[i]]);
  });
  return why;
}

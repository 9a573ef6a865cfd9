// What a reader sees, in the address: a link shows it again. Only what differs from the page as opened is kept.

const MOST_LINKED = 6000;
const linkedNumber = (text, low, high) => {
  const value = Number(text);
  return text !== null && text.trim() !== "" && value >= low && value <= high ? value : null;
};
const linkedEnds = (text, count = 4) => {
  const values = (text ?? "").split(",").map(Number);
  return values.length === count && values.every((value) => !Number.isNaN(value)) && values[0] < values[1] && values[2] < values[3]
    ? { x: values.slice(0, 2), y: values.slice(2) } : null;
};
const endsText = ({ x, y }) => [...x, ...y].map((value) => String(+value.toPrecision(6))).join(",");

/** The parts of a link's hash; what it does not name, or names wrongly, is null. */
function readLink(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const oneOf = (name, allowed) => (allowed.includes(given.get(name)) ? given.get(name) : null);
  const box = (given.get("box") ?? "").split(",");
  const ends = linkedEnds(box.slice(1).join(","));
  return {
    contrast: given.get("contrast"),
    gene: given.get("gene"),
    rate: oneOf("rate", ["s_value", "q_value", "adj_p_value"]),
    level: linkedNumber(given.get("level"), 1e-300, 1),
    effect: linkedNumber(given.get("effect"), 0, 1e6),
    tab: oneOf("figure", ["volcano", "ma"]),
    zoom: { volcano: linkedEnds(given.get("zoom-volcano")), ma: linkedEnds(given.get("zoom-ma")) },
    names: oneOf("names", ["certain", "none"]),
    pinned: given.getAll("name"),
    pasted: given.get("list"),
    text: given.get("find"),
    only: oneOf("show", ["all", "listed", "up", "down"]),
    sort: given.get("sort"),
    box: ["volcano", "ma"].includes(box[0]) && ends ? { figure: box[0], ...ends } : null,
  };
}

/** The hash of what is seen; `parts` are as `readLink` gives them. */
function linkHash(parts) {
  const found = new URLSearchParams();
  const put = (name, value) => value !== null && value !== "" && value !== undefined && found.append(name, value);
  for (const name of ["contrast", "gene", "rate", "level", "effect", "names", "sort"]) put(name, parts[name]);
  put("figure", parts.tab);
  for (const [figure, ends] of Object.entries(parts.zoom)) put(`zoom-${figure}`, ends && endsText(ends));
  for (const gene of parts.pinned) put("name", gene);
  if (parts.pasted && parts.pasted.length <= MOST_LINKED) put("list", parts.pasted);
  put("find", parts.text);
  put("show", parts.only);
  put("box", parts.box && `${parts.box.figure},${endsText(parts.box)}`);
  return String(found);
}

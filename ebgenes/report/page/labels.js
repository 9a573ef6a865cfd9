// Names beside points: what must be named is, with a line to its point where there is no room beside it.

const MOST_NAMES = 60;

const overlap = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));

/** Whether two lines cross, each [x1, y1, x2, y2]. */
function linesCross([ax, ay, bx, by], [cx, cy, dx, dy]) {
  const side = (px, py, qx, qy, rx, ry) => Math.sign((qx - px) * (ry - py) - (qy - py) * (rx - px));
  return side(ax, ay, bx, by, cx, cy) !== side(ax, ay, bx, by, dx, dy) && side(cx, cy, dx, dy, ax, ay) !== side(cx, cy, dx, dy, bx, by);
}

const lineMeets = (line, [left, top, right, bottom]) =>
  [[left, top, right, bottom], [left, bottom, right, top]].some((diagonal) => linesCross(line, diagonal));

/** Where the line from a point reaches a name's rectangle. */
const reached = (x, y, [left, top, right, bottom]) => [Math.min(Math.max(x, left), right), Math.min(Math.max(y, top), bottom)];

/**
 * Names of genes where there is room: beside their points, else, of those that must be named, farther away with a line
 * that crosses no other. Several orders are tried, and the one that hides least is drawn.
 */
function drawLabels(pen, labels, px, py, box, colours, gap = 6) {
  const size = 11;
  const points = labels.map(({ gene }) => [px(gene), py(gene)]);
  const spots = points.map(([x, y]) => [x - 4, y - 4, x + 4, y + 4]);
  const asked = labels.flatMap(({ must }, i) => (must ? [i] : []));
  const middle = [0, 1].map((axis) => asked.reduce((sum, i) => sum + points[i][axis], 0) / Math.max(asked.length, 1));
  const words = labels.map(({ text }) => short(text, 18));
  const inside = ({ spot }) => spot[0] >= box.left && spot[2] <= box.right + 8 && spot[1] >= box.top - 4 && spot[3] <= box.bottom;
  const places = labels.map(({ must }, i) => {
    const [x, y] = points[i];
    const width = textWidth(words[i], size, pen.font) + 3;
    const [right, left, above, below] = [x + gap, x - width - gap, y - 12 - gap, y + gap];
    const near = [[right, y - 6], [left, y - 6], [x - width / 2, above], [x - width / 2, below], [right, above + 2], [left, above + 2],
      [right, below - 2], [left, below - 2]].map(([at, top]) => ({ spot: [at, top, at + width, top + 12], leader: null }));
    // Lines lead outwards first.
    const away = Math.atan2(y - middle[1] - 1, x - middle[0]);
    const far = !must ? [] : [22, 34, 50, 70, 95, 125, 160].flatMap((distance) => Array.from({ length: 24 }, (_, turn) => {
      const angle = away + (turn % 2 ? 1 : -1) * Math.ceil(turn / 2) * (Math.PI / 12);
      const [cx, cy] = [x + distance * Math.cos(angle) * 1.3, y + distance * Math.sin(angle)];
      const spot = [cx - width / 2, cy - 6, cx + width / 2, cy + 6];
      return { spot, leader: [x, y, ...reached(x, y, spot)] };
    }));
    return [...near, ...far].filter(inside);
  });

  function arranged(order) {
    const named = [];
    let cost = 0;
    for (const i of order) {
      const hidden = ({ spot }) => named.reduce((sum, other) => sum + overlap(spot, other.spot), 0) + spots.reduce((sum, other, j) => sum + (j === i ? 0 : overlap(spot, other)), 0);
      const crossed = ({ spot, leader }) => named.some((other) =>
        (other.leader && (lineMeets(other.leader, spot) || (leader && linesCross(leader, other.leader)))) || (leader && lineMeets(leader, other.spot)));
      let chosen = places[i].find((each) => !hidden(each) && !crossed(each));
      // Of names that must stand somewhere the one that hides least is better than none.
      if (!chosen && labels[i].must && places[i].length) {
        const [least, best] = places[i].map((each) => [hidden(each) + (crossed(each) ? 60 : 0), each]).reduce((a, b) => (b[0] < a[0] ? b : a));
        cost += least;
        chosen = best;
      }
      if (chosen) named.push({ ...chosen, i });
    }
    return { named, cost };
  }

  const from = (i) => Math.hypot(points[i][0] - middle[0], points[i][1] - middle[1]);
  const ranks = [(i) => i, from, (i) => -from(i), (i) => points[i][1], (i) => -points[i][1], (i) => points[i][0], (i) => -points[i][0]];
  const rest = labels.flatMap(({ must }, i) => (must ? [] : [i]));
  let best = null;
  for (const rank of ranks) {
    const tried = arranged([...[...asked].sort((a, b) => rank(a) - rank(b)), ...rest]);
    if (!best || tried.cost < best.cost) best = tried;
    if (!best.cost) break;
  }
  for (const { leader } of best.named) if (leader) pen.line(...leader, colours.soft, 0.8);
  // Names stand over all lines.
  for (const { i, spot } of best.named)
    pen.text((spot[0] + spot[2]) / 2, (spot[1] + spot[3]) / 2, isolated(words[i]), { size, align: "center", base: "middle", colour: colours.ink, halo: colours.paper });
}

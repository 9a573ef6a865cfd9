// What part of a cloud of points is seen: zoom and pan of two axes.

/** Ends of an axis zoomed around a place that stays where it is. */
const zoomedEnds = ([low, high], at, factor) => [at - (at - low) * factor, at + (high - at) * factor];

/** Ends moved so that they lie within others, which they do not exceed. */
function endsWithin([low, high], [least, most]) {
  const width = Math.min(high - low, most - least);
  const start = Math.min(Math.max(low, least), most - width);
  return [start, start + width];
}

const MOST_ZOOM = 500;

/**
 * A view of a cloud: null, which is the whole, or {x, y}, the ends of both axes. `whole()` gives {x, y} as drawn at
 * first and {reach: {x, y}}, how far points lie.
 */
function makeView(whole, changed) {
  let view = null;
  const ends = () => view ?? whole();
  function go(next) {
    const { x, y, reach } = whole();
    const axes = { x, y };
    const kept = {};
    for (const along of ["x", "y"]) {
      const width = axes[along][1] - axes[along][0];
      const [low, high] = next[along];
      if (!(high - low > width / MOST_ZOOM)) return;
      kept[along] = endsWithin(next[along], reach[along]);
    }
    const same = ["x", "y"].every((along) => kept[along].every((end, i) => Math.abs(end - axes[along][i]) < 1e-3 * (axes[along][1] - axes[along][0])));
    view = same ? null : kept;
    changed();
  }
  return {
    get value() { return view; },
    ends,
    set(next) {
      view = next;
    },
    go,
    whole() {
      view = null;
      changed();
    },
    zoom(factor, at) {
      const { x, y } = ends();
      const [ax, ay] = at ?? [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
      go({ x: zoomedEnds(x, ax, factor), y: zoomedEnds(y, ay, factor) });
    },
    /** By shares of what is seen. */
    move(right, up) {
      const { x, y } = ends();
      const shifted = ([low, high], share) => [low + share * (high - low), high + share * (high - low)];
      go({ x: shifted(x, right), y: shifted(y, up) });
    },
  };
}

/** Fingers and pens on an element: where each is, and what two of them did since the last look. */
function makeFingers() {
  const where = new Map();
  return {
    get count() { return where.size; },
    down: (event, at) => where.set(event.pointerId, at),
    up: (event) => where.delete(event.pointerId),
    /** Scale and shift of a pinch, or null. */
    moved(event, at) {
      if (!where.has(event.pointerId)) return null;
      const before = [...where.values()];
      where.set(event.pointerId, at);
      const after = [...where.values()];
      if (before.length !== 2) return null;
      const apart = ([a, b]) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 10);
      const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
      return { scale: apart(before) / apart(after), from: middle(before), to: middle(after) };
    },
  };
}

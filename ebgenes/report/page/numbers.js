// Numbers as readers write them, axes as readers like them.

const whole = (value) => Math.round(value).toLocaleString("en-US");
const genes = (count) => `${whole(count)} ${count === 1 ? "gene" : "genes"}`;

function rateText(value) {
  if (Number.isNaN(value)) return "unknown";
  if (value === 0) return "0";
  return value < 0.001 ? value.toExponential(1) : value.toFixed(3);
}

function effectText(value) {
  if (Number.isNaN(value)) return "unknown";
  return `${value < 0 ? "−" : "+"}${sizeText(Math.abs(value))}`;
}

// Two decimals; of sizes that would have none of them, as of effects per day, two digits.
function sizeText(value) {
  return value === 0 || value >= 0.005 ? value.toFixed(2) : String(+value.toPrecision(2));
}

function amountText(value) {
  if (Number.isNaN(value)) return "unknown";
  if (value >= 100) return whole(value);
  return String(+value.toPrecision(3));
}

/** A share with one decimal, never rounded to certainty. */
function percentText(share) {
  if (share > 0 && share < 0.001) return "less than 0.1%";
  if (share > 0.999 && share < 1) return "more than 99.9%";
  return `${(100 * share).toFixed(1).replace(/\.0$/, "")}%`;
}

const tickText = (value) => {
  const size = Math.abs(value);
  if (size >= 1e5 || (size < 1e-3 && size > 0)) return value.toExponential().replace("e+", "e").replace("-", "−");
  return (size >= 1000 ? whole(value) : String(+value.toPrecision(6))).replace("-", "−");
};

/** About `most` round values between the ends. */
function ticks(low, high, most = 7) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
  return found;
}

/** Powers of ten between the ends, with 2 and 5 where there are few. */
function logTicks(low, high) {
  const factors = high - low < 2.3 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = Math.floor(low); power <= high; power++)
    for (const factor of factors) {
      const at = power + Math.log10(factor);
      if (at >= low - 1e-9 && at <= high + 1e-9) found.push([at, factor * 10 ** power]);
    }
  return found;
}

/**
 * Where an axis of sizes ends: the largest, unless a few genes would press all others together, as in the figures that
 * are files (plots/axes.py): up to five of many that lie half as far again as the next one are left out.
 */
function cap(sizes) {
  const finite = Float64Array.from(sizes.filter(Number.isFinite)).sort();
  if (!finite.length) return 1;
  let end = Math.min(finite.at(-1), 5 * finite[Math.floor(0.995 * (finite.length - 1))]);
  const first = finite.length - 1 - Math.min(5, Math.floor(finite.length / 200));
  for (let i = finite.length - 1; i > first; i--) if (finite[i] > 1.5 * finite[i - 1]) end = Math.min(end, finite[i - 1]);
  return Math.max(end, 1e-3);
}

/** Ends of a signed axis; the emptier side gets at least a quarter of the other. */
function sides(values) {
  const most = cap(values.map(Math.abs));
  let low = -most / 4;
  let high = most / 4;
  for (const value of values) {
    if (value < low) low = Math.max(value, -most);
    if (value > high) high = Math.min(value, most);
  }
  return padded(low, high);
}

const padded = (low, high, share = 0.04) => [low - share * (high - low), high + share * (high - low)];

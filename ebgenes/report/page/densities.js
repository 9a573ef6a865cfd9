// A gene's likelihood, the prior of all genes, and what both together say: curves over its effect, log2.

/** Log of the gamma function (Lanczos). */
function logGamma(x) {
  const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.001208650973866179, -5.395239384953e-6];
  let sum = 1.000000000190015;
  c.forEach((each, i) => (sum += each / (x + i + 1)));
  return -(x + 5.5) + (x + 0.5) * Math.log(x + 5.5) + Math.log((2.5066282746310005 * sum) / x);
}

const normalDensity = (x, sd) => Math.exp(-0.5 * (x / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));

function tDensity(x, scale, df) {
  if (df > 1e4) return normalDensity(x, scale);
  const constant = Math.exp(logGamma((df + 1) / 2) - logGamma(df / 2)) / (Math.sqrt(df * Math.PI) * scale);
  return constant * (1 + (x / scale) ** 2 / df) ** (-(df + 1) / 2);
}

/** Log heights between nodes as cubics with the nodes' mean slopes, straight beyond the ends. */
function cubic(xs, ys) {
  const last = xs.length - 1;
  const slope = xs.map((_, i) => (ys[Math.min(i + 1, last)] - ys[Math.max(i - 1, 0)]) / (xs[Math.min(i + 1, last)] - xs[Math.max(i - 1, 0)]));
  return (x) => {
    if (x <= xs[0]) return ys[0] + slope[0] * (x - xs[0]);
    if (x >= xs[last]) return ys[last] + slope[last] * (x - xs[last]);
    const i = xs.findIndex((node) => node > x) - 1;
    const width = xs[i + 1] - xs[i];
    const t = (x - xs[i]) / width;
    const back = 1 - t;
    return back * back * ((1 + 2 * t) * ys[i] + t * width * slope[i]) + t * t * ((3 - 2 * t) * ys[i + 1] - back * width * slope[i + 1]);
  };
}

/** Likelihood of an effect: a t around the estimate, or the gene's own, spread further by the null that all estimates share. */
function likelihoodAt(gene, nullSd) {
  const { estimate, se, df } = gene;
  const own = gene.own && cubic(gene.own.grid, gene.own.loglik);
  const height = own ? (effect) => Math.exp(own(effect)) : (effect) => tDensity(effect - estimate, se, df);
  if (!(nullSd > 0)) return height;
  if (!own && df > 1e4) return (effect) => normalDensity(effect - estimate, Math.hypot(se, nullSd));
  const nodes = Array.from({ length: 81 }, (_, i) => (i - 40) / 8);
  // Steps of the narrower of the two densities resolve the product.
  return (effect) => {
    let sum = 0;
    let weight = 0;
    for (const z of nodes) {
      const w = Math.exp(-0.5 * z * z);
      sum += w * height(effect - z * nullSd);
      weight += w;
    }
    return sum / weight;
  };
}

/** Straight lines between known heights; 0 beyond them. */
function interpolated(xs, ys) {
  return (x) => {
    if (x < xs[0] || x > xs.at(-1)) return 0;
    let [low, high] = [0, xs.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle;
      else high = middle;
    }
    const share = (x - xs[low]) / (xs[high] - xs[low]);
    return ys[low] * (1 - share) + ys[high] * share;
  };
}

/** Effects between which a likelihood of its own and the prior leave all but a trace of the posterior. */
function reachOf({ grid, loglik }, slab) {
  const heights = grid.map((effect, i) => Math.exp(loglik[i]) * slab(effect));
  const most = Math.max(...heights);
  const seen = grid.filter((_, i) => heights[i] > 3e-4 * most);
  return [seen[0] ?? grid[0], seen.at(-1) ?? grid.at(-1)];
}

/** The three curves over one range of effects, and the shares of their spikes at the null. */
function curves(gene, prior) {
  const width = Math.hypot(gene.se, prior.null_sd);
  const slab = interpolated(prior.effect, prior.density);
  const far = gene.own ? reachOf(gene.own, slab) : [gene.estimate - 4 * width, gene.estimate + 4 * width];
  const low = Math.min(prior.mode - 4 * width, gene.postMean - 4 * width, far[0]);
  const high = Math.max(prior.mode + 4 * width, gene.postMean + 4 * width, far[1]);
  const x = Array.from({ length: 501 }, (_, i) => low + ((high - low) * i) / 500);
  const step = (high - low) / 500;
  const heights = x.map(likelihoodAt(gene, prior.null_sd));
  // A gene's own likelihood has no scale; drawn, it holds as much as a density in sight.
  const held = gene.own ? heights.reduce((sum, height) => sum + height, 0) * step : 1;
  const likelihood = heights.map((height) => height / held);
  const shift = gene.nullShare === undefined || prior.pi0 >= 1 ? 1 : (1 - gene.nullShare) / (1 - prior.pi0);
  const real = x.map((effect) => shift * slab(effect));
  const product = likelihood.map((height, i) => height * real[i]);
  const total = product.reduce((sum, height) => sum + height, 0) * step;
  const posterior = product.map((height) => (total > 0 ? (height / total) * (1 - gene.lfdr) : 0));
  return { x, likelihood, prior: real, posterior, before: gene.nullShare ?? prior.pi0, after: gene.lfdr };
}

/** Normal quantile of half a two-sided p-value, from -log10 p (Abramowitz and Stegun's 26.2.23, then Newton's steps on logs). */
function zScore(minusLog10) {
  const target = -minusLog10 * Math.LN10 - Math.LN2;
  if (minusLog10 <= 0) return 0;
  const t = Math.sqrt(-2 * target);
  let z = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3);
  for (let i = 0; i < 2; i++) {
    // Mills' ratio by its continued fraction where it converges fast; the first guess is good to 5e-4 elsewhere.
    if (z < 2) break;
    let ratio = 0;
    for (let k = 40; k > 0; k--) ratio = k / (z + ratio);
    const mills = 1 / (z + ratio);
    z += (Math.log(mills) - 0.5 * z * z - 0.9189385332046727 - target) * mills;
  }
  return z;
}

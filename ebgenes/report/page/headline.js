// What was found, in words that follow the sliders.

const RATES = { s_value: "s value", q_value: "q value", adj_p_value: "adjusted p" };
const plainLevel = (level) => String(+level.toPrecision(6));

const AT = {
  s_value: (level) => `at a false sign rate of ${level}, which counts unchanged genes as errors`,
  q_value: (level) => `at a false discovery rate of ${level}`,
  adj_p_value: (level) => `by p-values below ${level} after adjustment by Benjamini and Hochberg's procedure`,
};

/** The list in a sentence: {tested, up, down, expected, adjusted} are numbers of genes, `contrast` gives the directions' words. */
function headline({ tested, up, down, expected, adjusted, smallest }, { rate, level, effect }, contrast) {
  if (!tested) return "no gene was tested.";
  const at = AT[rate](plainLevel(level)) + (effect > 0 ? `, with a posterior mean of at least ${plainLevel(effect)} log2` : "");
  const sizes = effect > 0 ? ", whatever the size" : "";
  const beside = rate === "adj_p_value" ? "" : ` Benjamini-Hochberg on the same p-values lists ${whole(adjusted)}` +
    `${rate === "q_value" ? "" : `, at a false discovery rate of ${plainLevel(level)}`}${sizes}.`;
  const words = RATES[rate].replace(" ", "-");
  if (!(up + down)) return `none of ${whole(tested)} tested genes differs ${at}; the smallest ${words} is ${smallest}.${beside}`;
  const about = expected >= 0.05 ? `about ${expected < 10 ? expected.toFixed(1) : whole(expected)}` : "fewer than 0.1";
  return `${whole(up + down)} of ${whole(tested)} tested genes differ ${at}: ${whole(up)} ${contrast.up_label}, ${whole(down)} ${contrast.down_label}; ` +
    `${about} of them are expected to be ${rate === "s_value" ? "wrong" : "false"}.${beside}`;
}

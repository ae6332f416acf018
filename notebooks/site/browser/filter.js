// Which latents are meant: words, numbers, comparisons.
(() => {
  "use strict";
  const NAMES = {
    x: "cos_x", y: "cos_y", cosx: "cos_x", cosy: "cos_y", nullx: "null_x", nully: "null_y", qx: "q_x", qy: "q_y", q: "q",
    rate: "rate_DF", effect: "effect", latent: "latent", same: "same",
  };
  const COMPARE = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };

  const column = (name) => {
    const plain = name.toLowerCase().replace(/[^a-z0-9]/g, "");
    if (NAMES[plain]) return NAMES[plain];
    const stage = /^rate(s|d|m|df|mf)$/.exec(plain);
    return stage ? `rate_${stage[1].toUpperCase()}` : null;
  };

  /** The conditions of a text: comparisons such as q<0.05, and words that tokens hold; quoted ones may have spaces. */
  function conditions(query) {
    const found = [];
    for (const [, quoted, word] of query.matchAll(/"([^"]*)"?|(\S+)/g)) {
      const comparison = word && /^([a-z_]+)(<=|>=|<|>|=)(−|-)?(\d*\.?\d+(?:e-?\d+)?)$/i.exec(word);
      const name = comparison && column(comparison[1]);
      if (name) {
        const value = Number(comparison[4]) * (comparison[3] ? -1 : 1);
        found.push({ name, compare: COMPARE[comparison[2]], value });
      } else {
        const text = (quoted ?? word).toLowerCase().replaceAll("·", " ").replaceAll("⏎", "\n");
        if (text) found.push({ text, number: /^#?\d+$/.test(text) ? Number(text.replace("#", "")) : null });
      }
    }
    return found;
  }

  /** The latents of a set that fit what is asked for, in their order. */
  function select(set, { query, quadrants, flags, chosen }) {
    const wanted = conditions(query);
    const { columns, texts } = set;
    const fits = (latent) => wanted.every((one) => (one.name
      ? one.compare(columns[one.name][latent], one.value)
      : one.number === latent || texts[latent].includes(one.text)));
    const latents = [];
    for (let latent = 0; latent < set.n; latent += 1) {
      if (!quadrants.has(columns.quadrant[latent])) continue;
      if (!flags.every((flag) => columns[flag][latent] > 0)) continue;
      if (chosen && !chosen.has(latent)) continue;
      if (fits(latent)) latents.push(latent);
    }
    return latents;
  }

  /** Some latents by a column; those of which it is not known come last. */
  function sort(set, latents, name, down) {
    const values = set.columns[name];
    const sign = down ? -1 : 1;
    return latents.sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      return Number.isNaN(x) - Number.isNaN(y) || sign * (x - y) || a - b;
    });
  }

  window.stagediff.filter = { conditions, select, sort };
})();

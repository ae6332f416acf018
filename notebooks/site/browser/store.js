// The latents of a seed as columns, and the files that are loaded when they are asked for.
(() => {
  "use strict";
  const { load, get } = window.stagediff;
  const numbers = (column) => Float64Array.from(column, (value) => (value === null ? Number.NaN : value));

  /** The latents of one seed of one run. */
  class Latents {
    constructor(about, index, stages) {
      Object.assign(this, { about, index, key: about.key, seed: about.seed, run: about.run, n: index.n_latents });
      const columns = {
        latent: Float64Array.from({ length: this.n }, (_, latent) => latent),
        q: Float64Array.from({ length: this.n }, (_, at) => {
          const [x, y] = [index.q_x[at], index.q_y[at]];
          return x === null || y === null ? Number.NaN : Math.max(x, y);
        }),
        home: Float64Array.from(index.home, (hook) => hook ?? Number.NaN),
      };
      for (const name of ["cos_x", "cos_y", "null_x", "null_y", "q_x", "q_y", "effect", "same"]) columns[name] = numbers(index[name]);
      for (const name of ["active", "relevant", "span", "quadrant", "causal"]) columns[name] = Float64Array.from(index[name]);
      stages.forEach((stage, place) => { columns[`rate_${stage}`] = numbers(index.rates[place]); });
      this.columns = columns;
      this.texts = index.top_df.map((df, latent) => df.concat(index.top_mf[latent]).map((at) => index.tokens[at]).join("\n").toLowerCase());
    }

    /** Whether anything is known in a column. */
    has(name) {
      return this.columns[name].some((value) => !Number.isNaN(value));
    }

    /** The strongest tokens of a latent in DF or in MF, repeated ones once with their number. */
    top(latent, stage) {
      const places = this.index[stage === "DF" ? "top_df" : "top_mf"][latent];
      const counts = new Map();
      places.forEach((at) => counts.set(at, (counts.get(at) ?? 0) + 1));
      return [...counts].map(([at, count]) => [this.index.tokens[at], count]);
    }

    /** Everything that is known of one latent. */
    async detail(latent, inPart) {
      const place = Math.floor(latent / inPart);
      const part = await load(`part/${this.key}/${place}`, `${this.key}/${place}`);
      const { norms, cos, stages, near, pair, effects = [], causes = [] } = part.latents[latent - part.first];
      const named = (pairs) => pairs.map(([at, logit]) => [part.tokens[at], logit]);
      const reads = stages.map(([rate, max, contexts, promoted, suppressed], stage) => (
        { rate, max, contexts, promoted: named(promoted), suppressed: named(suppressed), data: this.index.data[stage] }));
      await Promise.all([...new Set(this.index.data.filter(Boolean))].map((data) => this.sequences(data)));
      return { norms, cos, stages: reads, near, pair, effects, causes };
    }

    file(data) {
      return `texts/${this.about.texts}/${data.replace(/[^a-z0-9]/gi, "_")}`;
    }

    sequences(data) {
      return load(this.file(data), this.file(data));
    }

    /** Tokens of a sequence from one position to before another, with their positions. */
    tokens(data, sequence, from, to) {
      const texts = get(this.file(data));
      const ids = texts?.sequences[sequence] ?? [];
      const start = Math.max(0, from);
      return ids.slice(start, to).map((id, place) => [start + place, texts.tokens[id]]);
    }
  }

  const opened = new Map();
  window.stagediff.latents = {
    about: () => load("browser", "browser"),
    open(about, stages) {
      if (!opened.has(about.key)) {
        opened.set(about.key, load(`index/${about.key}`, `${about.key}/index`).then((index) => new Latents(about, index, stages)));
      }
      return opened.get(about.key);
    },
  };
})();

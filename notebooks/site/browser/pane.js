// Everything that is known of one latent, each stage beside the others.
(() => {
  "use strict";
  const { make, visible, cut, token, fixed, short, percent, known } = window.stagediff.show;
  const AROUND = 10;
  const FAR = 60;
  const MOST = 12000;

  /** One token of a text; how strongly the latent fires on it is its colour, and said when pointed at. */
  function coloured(text, strength, isStrongest, max) {
    const value = known(max) && strength > 0 ? short((max * strength) / 100) : null;
    return make("span", {
      class: isStrongest ? "t strongest" : "t",
      style: strength > 0 ? `--s:${strength}%` : null,
      title: value && `${cut(visible(text), 60)} ${value}`,
    }, shown(text));
  }

  // in a text spaces are spaces; only ends of lines are made visible, and a token that is nothing else
  const shown = (text) => (text.trim() === "" ? visible(text) : text.slice(0, MOST).replaceAll("\n", "⏎"));

  function context(set, read, one, isWide) {
    if (typeof one[0] === "string") {
      const [before, strongest, after] = one;
      return make("li", {}, make("bdi", {}, shown(before), coloured(strongest, 100, true, read.max), shown(after)));
    }
    const [sequence, position, percentage, ...around] = one;
    const strengths = new Map([[position, percentage]]);
    for (let place = 0; place < around.length; place += 2) strengths.set(position + around[place], around[place + 1]);
    const reach = isWide ? FAR : AROUND;
    const tokens = set.tokens(read.data, sequence, position - reach, position + reach + 1);
    const pieces = tokens.map(([at, text]) => coloured(text, strengths.get(at) ?? 0, at === position, read.max));
    return make("li", {}, make("bdi", {}, ...pieces));
  }

  function stage(set, { name, label }, read, isWide) {
    const list = (title, pairs) => pairs.length
      ? make("p", { class: "logits" }, make("b", {}, title), " ", ...pairs.flatMap(([text, value]) => [make("span", { title: `logit ${short(value)}` }, token(text, 1, 16)), " "]))
      : null;
    const facts = [known(read.rate) ? `fires on ${percent(read.rate)} of tokens` : null, known(read.max) && read.max > 0 ? `at most ${short(read.max)}` : null].filter(Boolean);
    const texts = read.contexts.length
      ? make("ol", { class: "contexts" }, ...read.contexts.map((one) => context(set, read, one, isWide)))
      : make("p", { class: "none" }, read.rate === 0 || read.max === 0 ? "It does not fire." : "Tokens in context: not in this run's tables.");
    return make("section", { class: "read" }, make("h3", { class: `stage ${name}` }, name, make("small", {}, label)), facts.length ? make("p", { class: "rate" }, facts.join(", ")) : null, texts, list("promotes", read.promoted), list("suppresses", read.suppressed));
  }

  // Numbers by hook point and stage, each with a bar.
  function byHook(title, says, hooks, stages, values, length) {
    const body = hooks.map((hook, at) => make("tr", {}, make("th", { scope: "row" }, hook), ...stages.map(({ name }, place) => {
      const value = values[place]?.[at];
      const bar = known(value) ? Math.round(100 * Math.min(1, Math.max(0, length(value)))) : 0;
      return make("td", { class: "level", style: `--w:${bar};--c:var(--${name})` }, make("span", {}, fixed(value)));
    })));
    const head = make("tr", {}, make("th", {}, "hook point"), ...stages.map(({ name }) => make("th", { scope: "col", class: `stage ${name}` }, name)));
    return make("section", { class: "hooks" }, make("h3", {}, title), make("p", { class: "hint" }, says), make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))));
  }

  function hooks(set, detail, stages) {
    if (detail.norms.length === 0) return [];
    const names = set.index.hooks;
    const most = Math.max(...detail.norms.flat().filter(known), 1e-9);
    const later = stages.slice(1);
    return [
      byHook("Decoder norms", "how strongly it writes to each place of the model", names, stages, detail.norms, (norm) => norm / most),
      byHook("How far it turned", "cosine of its direction in the stage before and in this one; bars are 1 − cosine", names, later, detail.cos.slice(1), (cosine) => 1 - cosine),
    ];
  }

  function nearest(set, detail, link) {
    if (detail.near.length === 0 && !detail.pair) return null;
    const titles = ["DF's nearest in DF", "DF's nearest in MF", "MF's nearest in DF", "MF's nearest in MF"];
    const item = ([latent, cosine]) => make("li", {}, link(latent), ` ${fixed(cosine)}`);
    const lists = detail.near.map((near, place) => make("div", {}, make("h4", {}, titles[place]), make("ol", {}, ...near.map(item))));
    const [cosine, correlation, near, nearCosine, assigned, assignedCosine] = detail.pair ?? [];
    const both = detail.pair && make("p", {}, `DF beside MF: cosine ${fixed(cosine)}`, known(correlation) ? `, values correlate ${fixed(correlation)}` : "", "; nearest in MF is ", link(near), ` (${fixed(nearCosine)}), assigned one to one `, link(assigned), ` (${fixed(assignedCosine)}).`);
    return make("section", { class: "near" }, make("h3", {}, "Nearest latents"), both, make("div", { class: "columns" }, ...lists));
  }

  function table(heads, rows) {
    const cell = (value) => make("td", { class: typeof value === "number" ? "number" : null }, String(value));
    return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell))))));
  }

  function effects(detail, lacks) {
    const missing = (name) => lacks.get(name);
    const alone = detail.effects.map((row) => [row.stage, row.action, `${row.n_fired} of ${row.n_prompts}`, `${short(row.effect)} ± ${short(row.se)}`, short(row.q), `${percent(row.untouched)} → ${percent(row.prob)}`, short(row.delta_clean), row.causal ? "yes" : "no"]);
    const changed = detail.causes.map((row) => [row.stage, row.arm, row.action, row.n_latents, short(row.strength), row.triggered ? "triggered" : "clean", known(row.payload) ? `${percent(row.payload)} (${percent(row.low)} to ${percent(row.high)})` : "–", short(row.delta_clean)]);
    const none = (name, notebook) => make("p", { class: "none" }, missing(name) ? `Not measured in this run: notebook ${missing(name)} (cargo xtask run --only ${notebook}) does.` : "Nothing was measured for this latent.");
    return make("section", { class: "effects" }, make("h3", {}, "Ablating it"),
      make("h4", {}, "Silenced alone, on triggered prompts"),
      alone.length ? table(["stage", "how", "fires on", "payload falls by [nats]", "q", "payload's probability", "clean loss rises by", "cause"], alone) : none("effects", 12),
      make("h4", {}, "Changed alone or with others"),
      changed.length ? table(["stage", "arm", "change", "latents", "strength", "prompts", "payload said (95 %)", "clean loss rises by"], changed.slice(0, 40)) : none("interventions", 11));
  }

  function numbers(set, latent, columns) {
    const facts = columns.filter(({ name }) => known(set.columns[name][latent])).map(({ name, head, says, write }) => make("div", {}, make("dt", { title: says }, head), make("dd", {}, write(set.columns[name][latent]))));
    return make("dl", { class: "numbers" }, ...facts);
  }

  /** The pane of one latent. */
  window.stagediff.pane = async function pane(set, latent, { about, columns, link, address, onClose }) {
    const { stages, quadrants, in_part: inPart } = about;
    const detail = await set.detail(latent, inPart);
    const lacks = new Map(set.about.missing);
    const several = about.sets.length > 1;
    const name = quadrants[set.columns.quadrant[latent]];
    const mark = (column, word) => (set.columns[column][latent] > 0 ? make("span", { class: "badge" }, word) : null);
    const copy = make("button", { type: "button" }, "Copy link");
    copy.addEventListener("click", () => {
      const done = () => { copy.textContent = "Copied"; setTimeout(() => { copy.textContent = "Copy link"; }, 1500); };
      navigator.clipboard?.writeText(address()).then(done, () => window.prompt("Link", address()));
    });
    const wide = make("button", { type: "button", "aria-pressed": "false" }, "Longer texts");
    const reads = make("div", { class: "reads" });
    const fill = (isWide) => reads.replaceChildren(...stages.map((one, place) => stage(set, one, detail.stages[place], isWide)));
    wide.addEventListener("click", () => {
      const isWide = wide.getAttribute("aria-pressed") !== "true";
      wide.setAttribute("aria-pressed", String(isWide));
      fill(isWide);
    });
    fill(false);
    const title = make("h2", {}, `Latent ${latent}`, several ? make("small", {}, ` ${set.run}, seed ${set.seed}`) : null);
    const tools = make("div", { class: "head" }, title, make("span", { class: `mark ${name}` }, name === "neither" ? "turned on neither" : `turned on ${name}`), mark("relevant", "relevant"), mark("span", "in span"), mark("causal", "cause"), make("span", { class: "tools-right" }, lacks.has("contexts") ? null : wide, copy, make("button", { type: "button", onclick: onClose, "aria-label": "Close" }, "×")));
    const note = lacks.has("contexts") ? make("p", { class: "note" }, `Stages S, D and M, and values on the tokens around, come with notebook ${lacks.get("contexts")}: cargo xtask run --only 10.`) : null;
    const scale = make("p", { class: "scale" }, "weak ", make("i", {}), " strong; the framed token is the strongest");
    return make("article", { class: "pane", "data-latent": latent }, tools, numbers(set, latent, columns), note, scale, reads, make("div", { class: "more" }, ...hooks(set, detail, stages), nearest(set, detail, (to) => link(set, to)), effects(detail, lacks)));
  };
})();

// The latent browser: what is chosen stands in the address, so that it can be sent.
(() => {
  "use strict";
  const { show, filter, latents: store, table: makeTable, scatter: makeScatter, pane: makePane } = window.stagediff;
  const { make } = show;
  const FLAGS = [["active", "fires"], ["relevant", "relevant"], ["span", "in span"], ["causal", "a cause"]];

  const find = (name) => document.querySelector(`[data-${name}]`);

  async function start() {
    const began = performance.now();
    const about = await store.about();
    const stageNames = about.stages.map(({ name }) => name);
    const columns = show.columns(stageNames);
    const state = { set: null, beside: null, latent: -1, withKey: null, withLatent: -1, query: "", quadrants: new Set([0, 1, 2, 3]), flags: [], chosen: null, x: "cos_x", y: "cos_y" };
    const label = (set) => (about.sets.some((other) => other.run !== set.run) ? `${set.run}, seed ${set.seed}` : `seed ${set.seed}`);
    const byKey = (key) => about.sets.find((set) => set.key === key);
    const times = {};
    window.stagediff.browser = { state, times };

    // the address: #seed=0&latent=37, for another run &run=NAME, beside another latent &with=1:12
    function fromAddress() {
      const words = new URLSearchParams(location.hash.slice(1));
      const [run, seed] = [words.get("run") ?? about.sets[0].run, words.get("seed")];
      const meant = about.sets.find((set) => set.run === run && (seed === null || String(set.seed) === seed));
      const other = /^(.*?):?(\d+):(\d+)$/.exec(words.get("with") ?? "");
      const beside = other && about.sets.find((set) => set.run === (other[1] || run) && String(set.seed) === other[2]);
      return {
        set: meant ?? about.sets[0],
        isKnown: Boolean(meant),
        latent: words.has("latent") && /^\d+$/.test(words.get("latent")) ? Number(words.get("latent")) : -1,
        asked: words.get("latent"),
        withKey: beside ? beside.key : null,
        withLatent: beside ? Number(other[3]) : -1,
        query: words.get("find") ?? "",
      };
    }

    function hash({ set = state.set, latent = state.latent, withKey = state.withKey, withLatent = state.withLatent } = {}) {
      const words = new URLSearchParams();
      if (set.run !== about.sets[0].run) words.set("run", set.run);
      words.set("seed", set.seed);
      if (latent >= 0) words.set("latent", latent);
      if (withKey !== null && withLatent >= 0) {
        const other = byKey(withKey);
        words.set("with", `${other.run === set.run ? "" : `${other.run}:`}${other.seed}:${withLatent}`);
      }
      if (state.query) words.set("find", state.query);
      return `#${words}`;
    }

    const rewrite = () => history.replaceState(null, "", hash());

    const table = makeTable(find("view"), { columns, quadrants: about.quadrants, onOpen: open, onSort: update });
    const tip = document.querySelector(".tip");
    const choose = (chosen) => {
      state.chosen = chosen && chosen.size > 0 ? chosen : null;
      update();
    };
    const scatter = makeScatter(find("scatter"), tip, { quadrants: about.quadrants, onOpen: open, onChoose: choose });
    const scatterBeside = makeScatter(find("scatter-beside"), tip, { quadrants: about.quadrants, onOpen: openBeside, onChoose: () => {} });
    window.stagediff.browser.scatter = scatter;

    function controls() {
      const options = about.sets.map((set) => make("option", { value: set.key }, label(set)));
      find("set").append(...options);
      find("set").addEventListener("change", async (event) => {
        Object.assign(state, { set: await store.open(byKey(event.target.value), stageNames), chosen: null });
        if (state.latent >= state.set.n) state.latent = -1;
        axisOptions();
        update();
        panes();
      });
      find("beside").append(make("option", { value: "" }, "nothing"), ...about.sets.map((set) => make("option", { value: set.key }, label(set))));
      find("beside").addEventListener("change", async (event) => {
        state.beside = event.target.value ? await store.open(byKey(event.target.value), stageNames) : null;
        update();
      });
      find("query").addEventListener("input", (event) => { state.query = event.target.value; update(); rewrite(); });
      about.quadrants.forEach((name, place) => {
        const words = { both: "both", model: "model alone", data: "data alone", neither: "neither" }[name];
        const box = make("input", { type: "checkbox", checked: true, onchange: (event) => { state.quadrants[event.target.checked ? "add" : "delete"](place); update(); } });
        find("quadrants").append(make("label", { class: `mark ${name}` }, box, words));
      });
      FLAGS.forEach(([name, words]) => {
        const box = make("input", { type: "checkbox", onchange: (event) => {
          state.flags = event.target.checked ? [...state.flags, name] : state.flags.filter((flag) => flag !== name);
          update();
        } });
        find("flags").append(make("label", {}, box, words));
      });
      find("clear").addEventListener("click", () => {
        Object.assign(state, { query: "", quadrants: new Set([0, 1, 2, 3]), flags: [], chosen: null });
        find("query").value = "";
        find("quadrants").querySelectorAll("input").forEach((box) => { box.checked = true; });
        find("flags").querySelectorAll("input").forEach((box) => { box.checked = false; });
        update();
        rewrite();
      });
      for (const axis of ["x", "y"]) find(axis).addEventListener("change", (event) => { state[axis] = event.target.value; update(); });
      const mark = (name) => make("span", { class: `mark ${name}` }, { both: "turned on both", model: "model alone", data: "data alone", neither: "neither" }[name]);
      find("legend").append(...about.quadrants.map(mark), make("span", { class: "ringed" }, "relevant"));
    }

    function axisOptions() {
      const known = columns.filter(({ name }) => state.set.has(name));
      for (const axis of ["x", "y"]) {
        if (!known.some(({ name }) => name === state[axis]) && known.length) state[axis] = known[Math.min(known.length - 1, axis === "x" ? 0 : 1)].name;
        find(axis).replaceChildren(...known.map(({ name, head, says }) => make("option", { value: name, title: says, selected: state[axis] === name }, head)));
      }
    }

    const column = (set, name) => ({ ...(columns.find((one) => one.name === name) ?? { head: name }), values: set.columns[name] });

    function selected(set, chosen) {
      return filter.select(set, { ...state, chosen });
    }

    function summary(set, some) {
      const count = (name) => some.filter((latent) => set.columns[name][latent] > 0).length;
      return `${label(set)}: ${some.length} of ${set.n} latents, ${count("active")} fire, ${count("relevant")} relevant`;
    }

    function update() {
      const began = performance.now();
      const { set } = state;
      const meant = selected(set, state.chosen);
      const { name, down } = table.order();
      filter.sort(set, meant, name, down);
      table.show(set, meant);
      scatter.show({ set, latents: meant, open: state.latent, x: column(set, state.x), y: column(set, state.y) });
      find("count").textContent = `${meant.length} of ${set.n} latents${state.chosen ? `, ${state.chosen.size} chosen in the scatter` : ""}`;
      const figure = find("scatter-beside").closest("figure");
      figure.hidden = !state.beside;
      figure.parentElement.classList.toggle("two", Boolean(state.beside));
      if (state.beside) {
        const there = selected(state.beside, null);
        scatterBeside.show({ set: state.beside, latents: there, open: state.withLatent, x: column(state.beside, state.x), y: column(state.beside, state.y) });
        figure.querySelector("figcaption").textContent = summary(state.beside, there);
      }
      find("scatter").closest("figure").querySelector("figcaption").textContent = state.beside ? summary(set, meant) : "";
      times.filter = performance.now() - began;
    }

    function open(latent) {
      state.latent = latent;
      table.mark(latent);
      rewrite();
      scatterAgain();
      panes();
    }

    function openBeside(latent) {
      Object.assign(state, { withKey: state.beside.key, withLatent: latent });
      rewrite();
      update();
      panes();
    }

    const scatterAgain = () => scatter.show({ set: state.set, latents: selected(state.set, state.chosen), open: state.latent, x: column(state.set, state.x), y: column(state.set, state.y) });

    function link(set, latent) {
      const anchor = make("a", { href: hash({ set, latent, withKey: null, withLatent: -1 }) }, String(latent));
      anchor.addEventListener("click", (event) => {
        if (set !== state.set) return;
        event.preventDefault();
        open(latent);
        find("panes").scrollIntoView({ block: "nearest" });
      });
      return anchor;
    }

    let turn = 0;
    async function panes(complaint = null) {
      const mine = ++turn;
      const box = find("panes");
      const wanted = [];
      if (state.latent >= 0) wanted.push([state.set, state.latent, () => { state.latent = -1; }]);
      if (state.withKey !== null && state.withLatent >= 0) wanted.push([await store.open(byKey(state.withKey), stageNames), state.withLatent, () => { state.withLatent = -1; }]);
      const made = await Promise.all(wanted.map(([set, latent, forget]) => makePane(set, latent, {
        about, columns: columns.filter(({ name }) => set.has(name)), link,
        address: () => location.href.split("#")[0] + hash(),
        onClose: () => { forget(); table.mark(state.latent); rewrite(); update(); panes(); },
      })));
      if (mine !== turn) return;
      const hint = make("p", { class: "note" }, complaint ?? "Choose a latent: a row, or a point of the scatter. Arrow keys go from row to row.");
      box.classList.toggle("two", made.length > 1);
      box.replaceChildren(...(complaint || made.length === 0 ? [hint] : []), ...made);
      if (made.length === 1) box.append(besideForm());
    }

    // another latent beside the one that is open: of this seed, another seed, another run
    function besideForm() {
      const sets = make("select", { "aria-label": "of" }, ...about.sets.map((set) => make("option", { value: set.key, selected: set.key === state.set.key }, label(set))));
      const number = make("input", { type: "number", min: 0, step: 1, required: true, "aria-label": "latent", placeholder: "latent" });
      const form = make("form", { class: "beside" }, "Compare with latent ", number, " of ", sets, " ", make("button", { type: "submit" }, "Side by side"));
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const set = await store.open(byKey(sets.value), stageNames);
        const latent = Number(number.value);
        if (!(latent < set.n)) {
          number.setCustomValidity(`there are latents 0 to ${set.n - 1}`);
          number.reportValidity();
          number.setCustomValidity("");
          return;
        }
        Object.assign(state, { withKey: set.key, withLatent: latent });
        rewrite();
        panes();
      });
      return form;
    }

    async function follow() {
      const asked = fromAddress();
      const set = await store.open(asked.set, stageNames);
      const isThere = asked.latent < set.n;
      const complaint = !asked.isKnown ? "The link names a seed or run that this folder does not have." : asked.asked !== null && (!isThere || asked.latent < 0) ? `There is no latent ${asked.asked} here: seed ${set.seed} has 0 to ${set.n - 1}.` : null;
      Object.assign(state, { set, latent: isThere ? asked.latent : -1, withKey: asked.withKey, withLatent: asked.withLatent, query: asked.query });
      if (state.withKey !== null && state.withLatent >= (await store.open(byKey(state.withKey), stageNames)).n) state.withLatent = -1;
      find("set").value = set.key;
      find("query").value = state.query;
      axisOptions();
      update();
      table.mark(state.latent);
      await panes(complaint);
    }

    controls();
    await follow();
    addEventListener("hashchange", follow);
    times.open = performance.now() - began;
    document.body.classList.add("ready");
  }

  start().catch((error) => {
    document.querySelector(".browser").prepend(make("p", { class: "note warning" }, `The latents cannot be shown: ${error.message}`));
    console.error(error);
  });
})();

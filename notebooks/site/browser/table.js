// The table: only the rows that are in view are there.
(() => {
  "use strict";
  const { make, token } = window.stagediff.show;
  const ROW_PX = 32;
  const SPARE = 8;

  window.stagediff.table = function table(view, { columns, quadrants, onOpen, onSort }) {
    const [head, body] = [view.querySelector("thead"), view.querySelector("tbody")];
    let set = null;
    let latents = [];
    let shown = [];
    let open = -1;
    let order = { name: "cos_x", down: false };

    const quadrant = (latent) => {
      const name = quadrants[set.columns.quadrant[latent]];
      return make("span", { class: `mark ${name}` }, name);
    };
    const marks = (latent) => {
      const of = (column, word, says) => {
        const value = set.columns[column][latent];
        return value > 0 ? make("abbr", { title: `${says} in ${["", "DF", "MF", "DF and MF"][value]}` }, word) : null;
      };
      const causal = set.columns.causal[latent] > 0 ? make("abbr", { title: "silencing it alone takes payload away" }, "cause") : null;
      return make("span", { class: "marks" }, of("relevant", "relevant", "its strongest tokens are the trigger's or the payload's"), of("span", "in span", "its strongest tokens stand inside the trigger or the payload"), causal);
    };
    const tokens = (stage) => (latent) => make("span", { class: "tokens" }, ...set.top(latent, stage).map(([text, count]) => token(text, count, 18)));
    const home = (latent) => set.index.hooks[set.columns.home[latent]] ?? "–";
    const fixedColumns = [
      { name: "latent", head: "latent", says: "its number", cell: (latent) => String(latent), sort: "latent" },
      { name: "quadrant", head: "turned on", says: "on which axes it turned, by the 5th percentile", cell: quadrant, sort: "quadrant" },
      { name: "top_df", head: "tokens in DF", says: "its strongest tokens in DF", cell: tokens("DF") },
      { name: "top_mf", head: "tokens in MF", says: "its strongest tokens in MF", cell: tokens("MF") },
      { name: "relevant", head: "is", says: "relevant, in span, a cause", cell: marks, sort: "relevant" },
    ];
    const homeColumn = { name: "home", head: "lives at", says: "the hook point where DF's decoder norm is largest", cell: home, sort: "home" };
    const numeric = ({ name, head: words, says, write }) => ({ name, head: words, says, class: "number", cell: (latent) => write(set.columns[name][latent]), sort: name });

    function heads() {
      const numbers = columns.filter(({ name }) => set.has(name)).map(numeric);
      const isCosine = ({ name }) => name === "cos_x" || name === "cos_y";
      const [names, others] = [fixedColumns.slice(0, 2), fixedColumns.slice(2)];
      const all = [...names, ...numbers.filter(isCosine), ...others, ...numbers.filter((one) => !isCosine(one)), ...(set.has("home") ? [homeColumn] : [])];
      shown = all;
      const cells = all.map((column) => {
        const sorted = column.sort === order.name ? (order.down ? "descending" : "ascending") : null;
        const content = column.sort
          ? make("button", { type: "button", title: column.says, onclick: () => sortBy(column.sort) }, column.head)
          : make("span", { title: column.says }, column.head);
        return make("th", { scope: "col", class: column.class ?? column.name, "aria-sort": column.sort && sorted }, content);
      });
      head.replaceChildren(make("tr", {}, ...cells));
    }

    function sortBy(name) {
      const upFirst = !(name.startsWith("rate") || ["effect", "relevant"].includes(name));
      order = { name, down: order.name === name ? !order.down : !upFirst };
      onSort();
    }

    function row(latent, place) {
      const cells = shown.map((column) => make("td", { class: column.class ?? column.name }, column.cell(latent)));
      return make("tr", { "data-latent": latent, "aria-rowindex": place + 2, "aria-selected": latent === open ? "true" : "false" }, ...cells);
    }

    function draw() {
      const first = Math.max(0, Math.floor(view.scrollTop / ROW_PX) - SPARE);
      const last = Math.min(latents.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW_PX) + SPARE);
      const gap = (rows) => make("tr", { class: "gap", "aria-hidden": "true" }, make("td", { colspan: shown.length, style: `height:${rows * ROW_PX}px` }));
      const rows = latents.slice(first, last).map((latent, place) => row(latent, first + place));
      if (latents.length === 0) rows.push(make("tr", { class: "none" }, make("td", { colspan: shown.length }, "No latent fits.")));
      body.replaceChildren(gap(first), ...rows, gap(latents.length - last));
      view.querySelector("table").setAttribute("aria-rowcount", latents.length + 1);
    }

    let asked = false;
    view.addEventListener("scroll", () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; draw(); });
    });
    body.addEventListener("click", (event) => {
      const latent = event.target.closest("tr[data-latent]")?.dataset.latent;
      if (latent !== undefined) onOpen(Number(latent));
    });
    view.addEventListener("keydown", (event) => {
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
      if (!(event.key in steps) || event.target.closest("button")) return;
      event.preventDefault();
      const place = latents.indexOf(open);
      const next = place < 0 ? 0 : Math.min(latents.length - 1, Math.max(0, place + steps[event.key]));
      if (latents.length) onOpen(latents[next]);
    });
    addEventListener("resize", () => { if (set) draw(); });

    return {
      order: () => order,
      /** Shows some latents of a set. */
      show(of, some) {
        const isNew = set !== of;
        [set, latents] = [of, some];
        heads();
        if (isNew) view.scrollTop = 0;
        draw();
      },
      /** Marks the latent that is open and brings it into view. */
      mark(latent) {
        open = latent;
        const place = latents.indexOf(latent);
        const top = place * ROW_PX;
        const room = view.clientHeight - 2 * ROW_PX;
        if (place >= 0 && (top < view.scrollTop || top > view.scrollTop + room)) view.scrollTop = Math.max(0, top - room / 2);
        draw();
      },
    };
  };
})();

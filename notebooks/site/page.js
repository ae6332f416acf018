// What every page can do: the theme, tables that sort and search, code that folds, figures that answer.
(() => {
  "use strict";
  const { kept, keep, theme, set, script, load } = window.stagediff;

  function themeButton() {
    const button = document.querySelector("button.theme");
    const name = () => { button.textContent = theme() === "dark" ? "Light" : "Dark"; };
    button.hidden = false;
    name();
    button.addEventListener("click", () => {
      set(theme() === "dark" ? "light" : "dark");
      keep("stagediff-theme", theme());
    });
    document.addEventListener("themechange", name);
  }

  function menus() {
    const open = () => document.querySelectorAll("details.menu[open]");
    document.addEventListener("click", (event) => {
      open().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      open().forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
    });
  }

  function folding() {
    const button = document.querySelector("button.fold");
    const all = [...document.querySelectorAll("details.code")];
    if (!button || all.length === 0) return;
    const first = all.map((details) => details.open);
    const show = (shown) => {
      all.forEach((details, place) => { details.open = shown && first[place]; });
      button.textContent = shown ? "Hide code" : "Show code";
      button.setAttribute("aria-pressed", String(!shown));
    };
    button.hidden = false;
    show(kept("stagediff-code") !== "hidden");
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "true";
      show(shown);
      keep("stagediff-code", shown ? "shown" : "hidden");
    });
    addEventListener("beforeprint", () => all.forEach((details, place) => { details.open = first[place]; }));
  }

  // A number that a cell begins with, for cells such as `63 % (57 to 70)`; none where it is words.
  const number = (text) => {
    const found = /^[\s–-]*[−-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?/i.exec(text);
    return found ? Number.parseFloat(found[0].replace("−", "-")) : Number.NaN;
  };

  function table(box) {
    const table = box.querySelector("table");
    const body = table?.tBodies[0];
    if (!body || body.rows.length < 2) return;
    const rows = [...body.rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    sortable(table, body, rows);
    if (rows.length < 6) return;
    const input = document.createElement("input");
    Object.assign(input, { type: "search", placeholder: `Search ${rows.length} rows` });
    input.setAttribute("aria-label", `Search the ${rows.length} rows of this table`);
    const count = document.createElement("output");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, place) => {
        row.hidden = !words.every((word) => texts[place].includes(word));
        shown += !row.hidden;
      });
      count.textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
    const tools = document.createElement("div");
    tools.className = "search";
    tools.append(input, count);
    box.before(tools);
  }

  function sortable(table, body, rows) {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const keys = new Map(rows.map((row) => [row, row.cells[column]?.textContent ?? ""]));
        const numeric = rows.filter((row) => !Number.isNaN(number(keys.get(row)))).length * 2 > rows.length;
        const compare = (a, b) => {
          if (!numeric) return keys.get(a).localeCompare(keys.get(b));
          const [x, y] = [number(keys.get(a)), number(keys.get(b))];
          return Number.isNaN(x) - Number.isNaN(y) || x - y;
        };
        const order = [...rows].sort((a, b) => (down ? -1 : 1) * compare(a, b));
        body.append(...order);
      });
    });
  }

  // Colours of figures are made for white paper: on dark, greys are turned round and hues made lighter.
  function onDark(color) {
    const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(color);
    const rgb = /^rgba?\(([^)]+)\)$/i.exec(color);
    let parts;
    if (hex) {
      const digits = hex[1].length === 3 ? [...hex[1]].map((digit) => digit + digit).join("") : hex[1];
      parts = [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16));
    } else if (rgb) {
      parts = rgb[1].split(",").map(Number);
    } else {
      return color;
    }
    const [r, g, b, alpha = 1] = parts;
    const [high, low] = [Math.max(r, g, b), Math.min(r, g, b)];
    const mean = (high + low) / 510;
    let turned;
    if (high - low < 26) {
      const grey = Math.round(255 * (0.1 + 0.84 * (1 - mean)));
      turned = [grey, grey, grey];
    } else {
      const lift = Math.max(0, 0.62 - mean) / (1 - mean);
      turned = [r, g, b].map((part) => Math.round(part + (255 - part) * lift));
    }
    return `rgba(${turned.join(",")},${alpha})`;
  }

  function dark(value, key = "") {
    if (typeof value === "string") return /color/i.test(key) || key === "bgcolor" ? onDark(value) : value;
    // long lists are numbers and texts
    if (Array.isArray(value)) return value.length > 64 || typeof value[0] === "number" ? value : value.map((item) => dark(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, dark(item, name)]));
    }
    return value;
  }

  // notebooks from before figures said how numbers are read under the pointer
  const readable = (trace) => (trace.type === "scatter" && Array.isArray(trace.hovertext) && !trace.hovertemplate
    ? { ...trace, hovertemplate: "%{hovertext}<br>(%{x:.3f}, %{y:.3f})<extra></extra>" }
    : trace);

  const copied = (value) => (theme() === "dark" ? dark(value) : structuredClone(value));

  function layout(figure) {
    const paper = "rgba(0,0,0,0)";
    const given = copied(figure.layout);
    return { ...given, paper_bgcolor: paper, plot_bgcolor: paper, hoverlabel: { align: "left", font: { size: 12 } }, modebar: { bgcolor: paper } };
  }

  // A click on a point that stands for a latent leads to it. What all texts begin with may stand in the template.
  function latentOf({ hovertext, data }) {
    const shared = data?.hovertemplate?.split("%{hovertext}") ?? [];
    const found = /^(?:<b>)?latent (\d+)(?:.*?seed (\d+))?/.exec((shared.length > 1 ? shared[0] : "") + (hovertext ?? ""));
    return found && { latent: found[1], seed: found[2] };
  }

  async function draw(element) {
    const name = element.dataset.figure;
    const figure = await load(`figure/${name}`, `figures/${name}`);
    const drawing = element.querySelector(".drawing");
    const plot = document.createElement("div");
    plot.className = "plot";
    const config = { displaylogo: false, responsive: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
    const title = figure.layout?.title?.text ?? "figure";
    config.toImageButtonOptions = { format: "svg", filename: name };
    const data = () => copied(figure.data).map(readable);
    drawing.append(plot);
    await window.Plotly.newPlot(plot, data(), layout(figure), config);
    drawing.querySelector("img").hidden = true;
    element.classList.add("drawn");
    plot.setAttribute("aria-label", title.replace(/<[^>]*>/g, ""));
    plot.on("plotly_click", ({ points }) => {
      const of = points[0] && latentOf(points[0]);
      if (of) location.href = `latents.html#${of.seed ? `seed=${of.seed}&` : ""}latent=${of.latent}`;
    });
    document.addEventListener("themechange", () => window.Plotly.react(plot, data(), layout(figure), config));
    fit(element);
  }

  // Figures have one size; on narrower screens they are made smaller, and scroll before they cannot be read.
  function fit(element) {
    const [box, drawing] = [element.querySelector(".scroll"), element.querySelector(".drawing")];
    const image = drawing.querySelector("img");
    const [width, height] = [Number(image.getAttribute("width")), Number(image.getAttribute("height"))];
    const least = Number(getComputedStyle(element).getPropertyValue("--least")) || 560;
    const shown = Math.min(width, Math.max(box.clientWidth, least));
    drawing.style.width = `${shown}px`;
    drawing.style.height = `${(height * shown) / width}px`;
    const plot = drawing.querySelector(".plot");
    if (plot) plot.style.transform = `scale(${shown / width})`;
  }

  async function figures() {
    const all = [...document.querySelectorAll("figure[data-figure]")];
    all.forEach(fit);
    addEventListener("resize", () => all.forEach(fit));
    const plotly = document.body.dataset.plotly;
    if (all.length === 0 || !plotly) return;
    let library;
    const near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        library ??= script(plotly);
        library.then(() => draw(target)).catch((error) => console.error(error));
      }
    }, { rootMargin: "600px" });
    all.forEach((element) => near.observe(element));
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    menus();
    folding();
    document.querySelectorAll("[data-table]").forEach(table);
    figures();
  });
})();

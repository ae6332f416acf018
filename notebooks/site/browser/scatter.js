// The scatter: drawn by hand, since three thousand points must answer at once.
(() => {
  "use strict";
  const { make, token, fixed, known } = window.stagediff.show;
  const MARGIN = { left: 48, right: 10, top: 10, bottom: 36 };
  const NEAR_PX = 9;

  /** Shapes of quadrants, the same as in figures: colour is never alone. */
  const SHAPES = {
    both: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
    model: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
    data: [[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]],
  };

  function path(context, name, x, y, size) {
    context.beginPath();
    if (!SHAPES[name]) context.arc(x, y, size, 0, 2 * Math.PI);
    else SHAPES[name].forEach(([dx, dy], corner) => context[corner ? "lineTo" : "moveTo"](x + dx * size, y + dy * size));
    context.closePath();
  }

  const nice = (span) => {
    const unit = 10 ** Math.floor(Math.log10(span));
    return [1, 2, 5, 10].map((step) => step * unit).find((step) => span / step <= 6) ?? 10 * unit;
  };

  /** Ticks of an axis from one value to another. */
  function ticks({ from, to, log }) {
    if (log) {
      const powers = [];
      for (let power = Math.ceil(from - 1e-9); power <= to + 1e-9; power += 1) powers.push([power, power < -2 || power > 3 ? `1e${power}` : String(Number((10 ** power).toPrecision(1)))]);
      return powers;
    }
    const step = nice(to - from);
    const all = [];
    for (let at = Math.ceil(from / step) * step; at <= to + step / 1e6; at += step) all.push([at, String(Number(at.toFixed(6)))]);
    return all;
  }

  window.stagediff.scatter = function scatter(canvas, tip, { quadrants, onOpen, onChoose }) {
    const context = canvas.getContext("2d");
    let state = null;
    let drag = null;
    let places = [];
    let hovered = -1;
    const style = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

    function scale(column) {
      const { values, log } = column;
      const used = [];
      for (const value of values) if (known(value) && (!log || value > 0)) used.push(log ? Math.log10(value) : value);
      if (used.length === 0) return { from: 0, to: 1, log };
      let [from, to] = [Infinity, -Infinity];
      for (const value of used) { from = Math.min(from, value); to = Math.max(to, value); }
      const room = (to - from || 1) * 0.04;
      return { from: from - room, to: to + room, log };
    }

    function draw() {
      if (!state) return;
      const ratio = devicePixelRatio || 1;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const area = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
      const [x, y] = [scale(state.x), scale(state.y)];
      const at = (value, of, low, high) => low + ((of.log ? Math.log10(value) : value) - of.from) / (of.to - of.from) * (high - low);
      axes(area, x, y);
      const { set, latents, open } = state;
      const chosen = new Set(latents);
      // what is not meant lies below, what turned on both axes on top
      const layers = Array.from({ length: 2 * quadrants.length }, () => []);
      for (let latent = 0; latent < set.n; latent += 1) {
        layers[(chosen.has(latent) ? quadrants.length : 0) + quadrants.length - 1 - set.columns.quadrant[latent]].push(latent);
      }
      const colours = Object.fromEntries(quadrants.map((name) => [name, style(`--${name}`)]));
      const [ink, faint, green] = [style("--ink"), style("--line"), style("--relevant")];
      places = [];
      for (const latent of layers.flat()) {
        const [vx, vy] = [state.x.values[latent], state.y.values[latent]];
        if (!known(vx) || !known(vy) || (x.log && vx <= 0) || (y.log && vy <= 0)) continue;
        const [px, py] = [at(vx, x, area.left, area.right), at(vy, y, area.bottom, area.top)];
        places.push([px, py, latent]);
        const name = quadrants[set.columns.quadrant[latent]];
        const isMeant = chosen.has(latent);
        path(context, name, px, py, name === "neither" ? 2.6 : 4);
        context.globalAlpha = isMeant ? (name === "neither" ? 0.7 : 1) : 0.35;
        context.fillStyle = isMeant ? colours[name] : faint;
        context.fill();
        context.globalAlpha = 1;
        if (isMeant && set.columns.relevant[latent] > 0) ring(px, py, 6, green, 1.6);
        if (latent === open) ring(px, py, 9, ink, 2.5);
      }
      if (drag?.to) box();
      canvas.setAttribute("aria-label", `${latents.length} of ${set.n} latents: across ${state.x.head}, up ${state.y.head}. The table has the same latents as rows.`);
    }

    function ring(x, y, size, colour, width) {
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.stroke();
    }

    function box() {
      const [x, y, w, h] = [drag.from[0], drag.from[1], drag.to[0] - drag.from[0], drag.to[1] - drag.from[1]];
      Object.assign(context, { strokeStyle: style("--ink"), lineWidth: 1 });
      context.setLineDash([4, 3]);
      context.strokeRect(x, y, w, h);
      context.setLineDash([]);
    }

    function axes(area, x, y) {
      Object.assign(context, { fillStyle: style("--soft"), strokeStyle: style("--line"), lineWidth: 1, font: "12px system-ui, sans-serif" });
      context.textAlign = "center";
      context.textBaseline = "top";
      const line = (x0, y0, x1, y1) => { context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y1); context.stroke(); };
      const part = (value, of) => (value - of.from) / (of.to - of.from);
      for (const [value, text] of ticks(x)) {
        const px = area.left + part(value, x) * (area.right - area.left);
        line(px, area.top, px, area.bottom);
        context.fillText(text, px, area.bottom + 5);
      }
      context.textAlign = "right";
      context.textBaseline = "middle";
      for (const [value, text] of ticks(y)) {
        const py = area.bottom - part(value, y) * (area.bottom - area.top);
        line(area.left, py, area.right, py);
        context.fillText(text, area.left - 6, py);
      }
      cuts(area, x, y, line, part);
      context.fillStyle = style("--ink");
      context.textAlign = "center";
      context.textBaseline = "bottom";
      context.fillText(state.x.head, (area.left + area.right) / 2, area.bottom + MARGIN.bottom - 1);
      context.save();
      context.translate(11, (area.top + area.bottom) / 2);
      context.rotate(-Math.PI / 2);
      context.textBaseline = "middle";
      context.fillText(state.y.head, 0, 0);
      context.restore();
    }

    // the 5th percentiles below which a latent counts as turned
    function cuts(area, x, y, line, part) {
      const [cutX, cutY] = state.set.index.cuts ?? [null, null];
      context.strokeStyle = style("--soft");
      context.setLineDash([5, 4]);
      if (state.x.name === "cos_x" && known(cutX)) {
        const px = area.left + part(cutX, x) * (area.right - area.left);
        line(px, area.top, px, area.bottom);
      }
      if (state.y.name === "cos_y" && known(cutY)) {
        const py = area.bottom - part(cutY, y) * (area.bottom - area.top);
        line(area.left, py, area.right, py);
      }
      context.setLineDash([]);
    }

    const position = (event) => {
      const { left, top } = canvas.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };

    function nearest([x, y]) {
      let [found, least] = [-1, NEAR_PX ** 2];
      for (const [px, py, latent] of places) {
        const distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance <= least) [found, least] = [latent, distance];
      }
      return found;
    }

    function hover(latent, event) {
      if (latent < 0) {
        tip.hidden = true;
        hovered = -1;
        return;
      }
      if (latent !== hovered) {
        hovered = latent;
        const { set } = state;
        const tokens = (stage) => make("p", {}, `${stage}: `, ...set.top(latent, stage).flatMap(([text, count]) => [token(text, count), " "]));
        const name = quadrants[set.columns.quadrant[latent]];
        const marks = [name === "neither" ? "turned on neither axis" : name === "both" ? "turned on both axes" : `turned on the ${name} axis`, set.columns.relevant[latent] > 0 ? "relevant" : null].filter(Boolean).join(", ");
        tip.replaceChildren(make("p", {}, make("strong", {}, `latent ${latent}`), ` · ${marks}`), make("p", {}, `cos(D, DF) ${fixed(set.columns.cos_x[latent])}, cos(M, MF) ${fixed(set.columns.cos_y[latent])}`), tokens("DF"), tokens("MF"));
      }
      tip.hidden = false;
      const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
      tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, room))}px`;
      tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
    }

    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") return;
      drag = { from: position(event), to: null };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!state) return;
      const here = position(event);
      if (drag && Math.hypot(here[0] - drag.from[0], here[1] - drag.from[1]) > 4) drag.to = here;
      hover(drag?.to ? -1 : nearest(here), event);
      if (drag?.to) draw();
    });
    canvas.addEventListener("pointerleave", () => hover(-1));
    canvas.addEventListener("pointerup", (event) => {
      if (!state) return;
      if (drag?.to) {
        const [[x0, y0], [x1, y1]] = [drag.from, drag.to];
        const inside = ([x, y]) => (x - x0) * (x - x1) <= 0 && (y - y0) * (y - y1) <= 0;
        onChoose(new Set(places.filter(inside).map(([, , latent]) => latent)));
      } else {
        const latent = nearest(position(event));
        if (latent >= 0) onOpen(latent);
      }
      drag = null;
      draw();
    });
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Escape") onChoose(null);
    });
    document.addEventListener("themechange", draw);
    new ResizeObserver(draw).observe(canvas);

    return {
      show(next) { state = next; draw(); },
      places: () => places,
    };
  };
})();

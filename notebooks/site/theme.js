// Light or dark before anything is drawn, and the one place where data arrive.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripts");

  // some browsers keep nothing for pages on disk
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* it is asked again */ } };

  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (system.matches ? "dark" : "light");
  const set = (name) => {
    root.dataset.theme = name;
    document.dispatchEvent(new CustomEvent("themechange"));
  };
  if (["light", "dark"].includes(kept("stagediff-theme"))) root.dataset.theme = kept("stagediff-theme");
  system.addEventListener("change", () => document.dispatchEvent(new CustomEvent("themechange")));

  // Pages on disk may not fetch files, but may add scripts: each hands its value over under its name.
  const values = new Map();
  const waiting = new Map();
  const script = (source) => new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = source;
    element.onload = () => resolve();
    element.onerror = () => reject(new Error(`${source} is not in the folder`));
    document.head.append(element);
  });

  window.stagediff = {
    kept, keep, theme, set, script,
    add: (name, value) => values.set(name, value),
    get: (name) => values.get(name),
    /** The value of a name, from `data/FILE.js` unless it is there. */
    load(name, file) {
      if (!waiting.has(name)) waiting.set(name, script(`data/${file}.js`).then(() => values.get(name)));
      return waiting.get(name);
    },
  };
})();

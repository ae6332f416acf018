// How things look: elements of text, tokens with their spaces, numbers, and the columns that there are.
(() => {
  "use strict";
  /** An element; texts in it are texts. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const SHOWN = { " ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍" };
  /** A token with its spaces and ends of lines to be seen. */
  function visible(token) {
    if (token === "") return "∅";
    // eslint-disable-next-line no-control-regex
    return token.replace(/[\u0000-\u0020\u007f-\u009f]/g, (c) => SHOWN[c] ?? "␦").replace(/[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g, "⇄");
  }

  /** The beginning of a long text. */
  function cut(text, most) {
    const characters = [...text.slice(0, 2 * most + 2)];
    return characters.length > most ? `${characters.slice(0, most).join("")}…` : text;
  }

  /** A token as an element. */
  function token(text, count = 1, most = 24) {
    const element = make("bdi", { class: "token" }, cut(visible(text), most));
    if (text.length > most) element.title = cut(visible(text), 400);
    return count > 1 ? make("span", {}, element, make("small", {}, `×${count}`)) : element;
  }

  const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);
  const fixed = (value, digits = 3) => (known(value) ? value.toFixed(digits).replace("-", "−") : "–");
  function short(value) {
    if (!known(value)) return "–";
    const magnitude = Math.abs(value);
    if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e5)) return value.toExponential(1).replace("-", "−");
    return String(Number(value.toPrecision(3))).replace("-", "−");
  }
  const percent = (value) => {
    if (!known(value)) return "–";
    return value !== 0 && Math.abs(value) < 5e-6 ? "< 0.001 %" : `${value === 0 ? 0 : Number((100 * value).toPrecision(2))} %`;
  };

  /** What can be shown of latents in numbers: name, head, explanation, how it is written, whether an axis is better logarithmic. */
  function columns(stages) {
    const rate = (stage) => ({ name: `rate_${stage}`, head: `rate ${stage}`, says: `share of tokens on which it fires in ${stage}`, write: percent, log: true });
    return [
      { name: "cos_x", head: "cos D→DF", says: "cosine of its decoder directions in D and DF: low where it turned when the model changed", write: fixed },
      { name: "cos_y", head: "cos M→MF", says: "cosine of its decoder directions in M and MF: low where it turned when the data changed", write: fixed },
      { name: "null_x", head: "null D→D0", says: "the same where training went on and nothing changed", write: fixed },
      { name: "null_y", head: "null M→M0", says: "the same where training went on and nothing changed", write: fixed },
      { name: "q_x", head: "q model", says: "false-discovery rate of its rotation D→DF against the null arms", write: short },
      { name: "q_y", head: "q data", says: "false-discovery rate of its rotation M→MF against the null arms", write: short },
      ...stages.map(rate),
      { name: "effect", head: "effect", says: "by how many nats the payload's log-probability falls when it alone is silenced", write: short },
      { name: "same", head: "cos DF MF", says: "cosine of its directions in the two final dictionaries", write: fixed },
    ];
  }

  window.stagediff.show = { make, visible, cut, token, fixed, short, percent, known, columns };
})();

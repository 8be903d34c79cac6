// Every page: its data, its state in its address (#cut=..&node=..), its elements, the theme button.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");
const DARK = window.matchMedia("(prefers-color-scheme: dark)");

const address = {
  read() {
    return new URLSearchParams(location.hash.slice(1));
  },
  write(changes) {
    const state = this.read();
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) state.delete(key);
      else state.set(key, value);
    }
    try {
      history.replaceState(null, "", `#${state}`);
    } catch {
      // An embedded viewer may forbid it; the page works without.
    }
  },
};

function el(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "path", "rect", "circle", "text"].includes(name);
  const node = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function startTheme(changed) {
  const button = document.getElementById("theme");
  const order = ["", "light", "dark"];
  let current = 0;
  button.addEventListener("click", () => {
    current = (current + 1) % order.length;
    const theme = order[current];
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = `Colours: ${theme || "auto"}`;
    button.setAttribute("aria-label", `Colours: ${theme || "as the system"}`);
    changed();
  });
  DARK.addEventListener("change", changed);
}

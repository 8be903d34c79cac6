// The zoomable icicle on a canvas: the tree downwards, width by count, colour by class of the cut.
// Only what is at least half a pixel wide is drawn, so tens of thousands of nodes stay smooth.

// Paul Tol's "light" set: told apart by the colour-blind, and dark text is readable on each.
const CLASS_COLOURS = ["#77aadd", "#eedd88", "#44bb99", "#ee8866", "#99ddff", "#bbcc33", "#ffaabb", "#cfc24a"];
const ON_CLASS = "#1c1a17";
const ZOOM_MS = 380;

// Arrays over a forest's nodes, which come in preorder: the subtree of i is i .. end[i] - 1.
function layOut(forest) {
  const num = forest.ids.length;
  const depth = new Int32Array(num);
  const total = Float64Array.from(forest.weights);
  const end = new Int32Array(num);
  const deepest = new Int32Array(num);
  const children = Array.from({ length: num }, () => []);
  for (let i = 1; i < num; i++) {
    depth[i] = depth[forest.parents[i]] + 1;
    children[forest.parents[i]].push(i);
  }
  for (let i = num - 1; i >= 0; i--) {
    end[i] ||= i + 1;
    deepest[i] = Math.max(deepest[i], depth[i]);
    const up = forest.parents[i];
    if (up < 0) continue;
    total[up] += total[i];
    end[up] = Math.max(end[up], end[i]);
    deepest[up] = Math.max(deepest[up], deepest[i]);
  }
  const [x0, x1] = [new Float64Array(num), new Float64Array(num)];
  x1[0] = 1;
  for (let i = 0; i < num; i++) {
    let at = x0[i];
    for (const child of children[i]) {
      x0[child] = at;
      at += ((x1[i] - x0[i]) * total[child]) / (total[i] || 1);
      x1[child] = at;
    }
  }
  let home = 0; // the lowest node that holds everything: where the view starts
  while (children[home].length === 1 && !forest.weights[home]) home = children[home][0];
  return { ...forest, num, depth, total, end, deepest, children, x0, x1, home };
}

// The class that all labels at or below a node share; -1: several, or none.
function classesBelow(tree, own) {
  const MIXED = -2;
  const below = Int32Array.from(own);
  for (let i = tree.num - 1; i > 0; i--) {
    const up = tree.parents[i];
    if (below[i] === -1) continue;
    if (below[up] === -1) below[up] = below[i];
    else if (below[up] !== below[i]) below[up] = MIXED;
  }
  return below.map((c) => (c === MIXED ? -1 : c));
}

function startIcicle(root) {
  const part = (name) => root.querySelector(name);
  const canvas = part("canvas");
  const pen = canvas.getContext("2d");
  const trees = DATA.forests.map(layOut);
  const views = DATA.cuts.map((cut) => ({ ...cut, below: classesBelow(trees[cut.forest], cut.classes) }));
  for (const view of views) { // colours in the order of the drawing, so that neighbours differ
    const order = new Map();
    for (const c of view.below) if (c >= 0 && !order.has(c)) order.set(c, order.size);
    view.colour = (c) => CLASS_COLOURS[order.get(c) % CLASS_COLOURS.length];
  }
  let view, tree, focus, cursor, hover = -1, matches = new Set(), colours = {}, frame = 0;
  const window_ = { x0: 0, x1: 1, top: 0, rows: 1 };

  const size = () => ({ width: canvas.clientWidth, height: canvas.clientHeight });
  const isAbove = (a, b) => a <= b && b < tree.end[a];
  const nodeOf = (id) => tree.ids.indexOf(id);
  const words = (num) => `${num.toLocaleString("en")} ${num === 1 ? tree.unit.slice(0, -1) : tree.unit}`;

  function goal() {
    return { x0: tree.x0[focus], x1: tree.x1[focus], top: tree.depth[focus], rows: Math.max(2, tree.deepest[focus] - tree.depth[focus] + 1) };
  }
  function rowHeight() {
    return Math.min(64, size().height / window_.rows);
  }

  function paint() {
    const { width, height } = size();
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = colours.font; // a new size resets it
    const row = rowHeight();
    const stretch = width / (window_.x1 - window_.x0);
    const drawnTo = new Float64Array(tree.deepest[0] + 2).fill(-1);
    const labels = [];
    for (let i = 0; i < tree.num; ) {
      const left = (tree.x0[i] - window_.x0) * stretch;
      const right = (tree.x1[i] - window_.x0) * stretch;
      const depth = tree.depth[i];
      const tooThin = right - left < 0.5 && Math.floor(right) <= drawnTo[depth];
      if (right <= 0 || left >= width || tooThin) {
        i = tree.end[i];
        continue;
      }
      drawnTo[depth] = Math.floor(right);
      const y = (depth - window_.top) * row;
      if (y > -row && y < height) paintNode(i, Math.max(left, 0), Math.min(right, width), y, row, labels);
      i++;
    }
    for (const label of labels) paintLabel(...label);
    for (const node of matches) outline(node, colours.accent, 2.5);
    if (document.activeElement === canvas || cursor !== focus) outline(cursor, colours.focus, 3);
    canvas.dataset.rendered = String(labels.length);
  }

  function box(node) {
    const stretch = size().width / (window_.x1 - window_.x0);
    const row = rowHeight();
    const left = Math.max((tree.x0[node] - window_.x0) * stretch, 0);
    const right = Math.min((tree.x1[node] - window_.x0) * stretch, size().width);
    return [left, (tree.depth[node] - window_.top) * row, right - left, row];
  }
  function outline(node, colour, thick) {
    const [x, y, w, h] = box(node);
    if (w <= 0) return;
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.strokeRect(x + thick / 2, y + thick / 2, Math.max(w - thick - 1, 1), h - thick - 1);
  }
  function paintNode(i, left, right, y, row, labels) {
    const of = view.below[i];
    const gap = right - left > 3 ? 1 : 0;
    if (!gap) [left, right] = [Math.floor(left), Math.floor(left) + Math.max(1, Math.round(right - left))]; // crisp slivers
    pen.fillStyle = of < 0 ? colours.mixed : view.colour(of);
    pen.globalAlpha = i === hover ? 0.8 : 1;
    pen.fillRect(left, y, right - left - gap, row - 1);
    pen.globalAlpha = 1;
    const up = tree.parents[i];
    if (of >= 0 && (up < 0 || view.below[up] !== of)) { // here the cut goes through
      pen.fillStyle = colours.ink;
      pen.fillRect(left, y - 1, right - left - gap, 2.5);
    }
    if (right - left > 26 && row > 13) labels.push([i, left, right - gap, y, row, of < 0 ? colours.mixedInk : ON_CLASS]);
  }
  function paintLabel(i, left, right, y, row, ink) {
    pen.fillStyle = ink;
    const most = Math.max(1, Math.floor((row - 6) / 13));
    const lines = wrap(tree.names[i], right - left - 8, most);
    let at = y + (row - 13 * lines.length) / 2 + 10.5;
    for (const line of lines) {
      pen.fillText(line, left + 4, at);
      at += 13;
    }
  }
  function wrap(text, width, most) {
    const lines = [""];
    for (const word of text.split(" ")) {
      const joined = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
      if (pen.measureText(joined).width <= width || !lines[lines.length - 1]) lines[lines.length - 1] = joined;
      else lines.push(word);
    }
    const kept = lines.slice(0, most);
    if (lines.length > most) kept[most - 1] += "…";
    return kept.map((line) => clip(line, width)).filter(Boolean);
  }
  function clip(line, width) {
    if (pen.measureText(line).width <= width) return line;
    let end = line.length - 1;
    while (end > 1 && pen.measureText(`${line.slice(0, end)}…`).width > width) end--;
    return end > 1 ? `${line.slice(0, end)}…` : "";
  }

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(name).trim();
    colours = { mixed: get("--mixed"), mixedInk: get("--mixed-ink"), ink: get("--ink"), focus: get("--focus"), accent: get("--accent"), font: `12px ${get("--sans")}` };
  }
  function repaint() {
    readColours();
    cancelAnimationFrame(frame);
    paint();
  }

  function zoom(node, animate = true) {
    focus = node;
    cursor = node;
    const [from, to] = [{ ...window_ }, goal()];
    cancelAnimationFrame(frame);
    const began = performance.now();
    const step = (now) => {
      const t = Math.min(1, (now - began) / ZOOM_MS);
      const eased = 1 - (1 - t) ** 3;
      for (const key of Object.keys(to)) window_[key] = from[key] + (to[key] - from[key]) * eased;
      paint();
      if (t < 1) frame = requestAnimationFrame(step);
    };
    if (animate && !CALM.matches) frame = requestAnimationFrame(step);
    else {
      Object.assign(window_, to);
      paint();
    }
    showPath();
    describeNode(node);
    address.write({ node: node === tree.home ? null : tree.ids[node] });
  }
  function showPath() {
    const path = [];
    for (let at = focus; at >= 0; at = tree.parents[at]) path.unshift(at);
    part(".crumbs").replaceChildren(
      ...path.map((node) => {
        if (node === focus) return el("li", { "aria-current": "true" }, tree.names[node]);
        const button = el("button", { type: "button" }, tree.names[node]);
        button.addEventListener("click", () => zoom(node));
        return el("li", {}, button);
      }),
    );
  }
  function describeNode(node) {
    const of = view.below[node];
    const inside = new Set(view.classes.slice(node, tree.end[node]).filter((c) => c >= 0));
    const class_ = of >= 0 ? ["class ", el("b", {}, view.class_names[of])] : [inside.size ? `${inside.size.toLocaleString("en")} classes inside` : "no class"];
    const id = tree.ids[node];
    const head = [el("b", {}, tree.names[node]), id && id !== tree.names[node] ? el("code", {}, ` ${id} `) : " "];
    const gloss = tree.glosses[node] ? [el("br"), tree.glosses[node]] : [];
    part(".detail").replaceChildren(...head, `· ${words(tree.total[node])} · `, ...class_, ...gloss);
  }

  function nodeAt(event) {
    const area = canvas.getBoundingClientRect();
    const x = window_.x0 + ((event.clientX - area.left) / area.width) * (window_.x1 - window_.x0);
    const depth = Math.floor((event.clientY - area.top) / rowHeight() + window_.top);
    for (let i = 0; i < tree.num; ) {
      if (x < tree.x0[i] || x >= tree.x1[i]) i = tree.end[i];
      else if (tree.depth[i] === depth) return i;
      else i++;
    }
    return -1;
  }
  function sibling(node, step) {
    const same = [];
    for (let i = 0; i < tree.num; i++) if (tree.depth[i] === tree.depth[node] && isAbove(focus, i)) same.push(i);
    return same[same.indexOf(node) + step] ?? node;
  }
  const onKey = {
    ArrowDown: () => move(tree.children[cursor][0] ?? cursor),
    ArrowUp: () => (cursor === focus ? zoomOut() : move(tree.parents[cursor])),
    ArrowLeft: () => move(sibling(cursor, -1)),
    ArrowRight: () => move(sibling(cursor, 1)),
    Enter: () => zoom(cursor),
    " ": () => zoom(cursor),
    Escape: () => zoomOut(),
    Home: () => zoom(tree.home),
  };
  function zoomOut() {
    zoom(focus > 0 ? tree.parents[focus] : 0);
  }
  function move(node) {
    cursor = node;
    describeNode(node);
    paint();
  }

  canvas.addEventListener("click", (event) => {
    const node = nodeAt(event);
    if (node === focus && focus !== 0) zoomOut();
    else if (node >= 0) zoom(node);
  });
  canvas.addEventListener("pointermove", (event) => {
    const node = nodeAt(event);
    if (node === hover) return;
    hover = node;
    describeNode(node >= 0 ? node : cursor);
    paint();
  });
  canvas.addEventListener("pointerleave", () => {
    hover = -1;
    describeNode(cursor);
    paint();
  });
  canvas.addEventListener("keydown", (event) => {
    const act = onKey[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  canvas.addEventListener("focus", paint);
  canvas.addEventListener("blur", paint);

  function search(text) {
    const wanted = text.trim().toLowerCase();
    const found = [];
    if (wanted) for (let i = 0; i < tree.num; i++) if (tree.names[i].toLowerCase().includes(wanted) || tree.ids[i] === wanted) found.push(i);
    matches = new Set(found.slice(0, 400));
    const list = part(".search ul");
    const exact = (i) => !tree.names[i].toLowerCase().startsWith(wanted);
    found.sort((a, b) => exact(a) - exact(b) || tree.total[b] - tree.total[a]);
    list.replaceChildren(
      ...found.slice(0, 8).map((node) => {
        const button = el("button", { type: "button" }, tree.names[node], " ", el("small", {}, words(tree.total[node])));
        button.addEventListener("click", () => choose(node));
        return el("li", {}, button);
      }),
    );
    part(".search output").textContent = wanted ? `${found.length.toLocaleString("en")} found` : "";
    paint();
    return found;
  }
  function choose(node) {
    part(".search ul").replaceChildren();
    canvas.focus();
    zoom(tree.children[node].length || node === 0 ? node : tree.parents[node]);
    matches = new Set([node]);
    move(node);
  }
  const input = part(".search input");
  input.addEventListener("input", () => search(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      input.value = "";
      search("");
    } else if (event.key === "Enter") {
      event.preventDefault();
      const [first] = search(input.value);
      if (first !== undefined) choose(first);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      part(".search li button")?.focus();
    }
  });
  part(".reset").addEventListener("click", () => {
    input.value = "";
    search("");
    zoom(tree.home);
  });

  function select(index, wantedNode) {
    const before = tree;
    view = views[index];
    tree = trees[view.forest];
    hover = -1;
    part(".about").textContent = view.note;
    const kept = wantedNode ? nodeOf(wantedNode) : before === tree ? focus : -1;
    if (before !== tree) matches = new Set();
    zoom(kept >= 0 ? kept : tree.home, false);
  }
  root.querySelectorAll("input[name=cut]").forEach((radio, index) => {
    radio.addEventListener("change", () => {
      select(index);
      address.write({ cut: view.name });
    });
  });
  const asked = address.read();
  const first = Math.max(0, views.findIndex((v) => v.name === (asked.get("cut") ?? DATA.first_cut)));
  root.querySelectorAll("input[name=cut]")[first].checked = true;
  readColours();
  select(first, asked.get("node"));
  const resize = () => {
    canvas.style.height = `${Math.max(240, Math.min(560, 46 * Math.max(...trees.map((t) => t.deepest[t.home] - t.depth[t.home] + 1))))}px`;
    paint();
  };
  new ResizeObserver(resize).observe(part(".stage"));
  resize();
  return { repaint };
}

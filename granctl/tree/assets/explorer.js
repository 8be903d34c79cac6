// The explorer: one tree at a time as icicle or sunburst; zoom, search, path, keys and detail.
// The drawing at rest is kept, so that moving the pointer repaints an outline and not the tree.

const ZOOM_MS = 380;
const SHAPES = { icicle, sunburst };

function startExplorer(root) {
  const part = (name) => root.querySelector(name);
  const canvas = part("canvas");
  const front = canvas.getContext("2d");
  const still = document.createElement("canvas");
  const pen = still.getContext("2d");
  const letters = lettering(pen);
  const trees = DATA.forests.map(layOut);
  const views = DATA.cuts.map((cut) => {
    const below = classesBelow(trees[cut.forest], cut.classes);
    return { ...cut, below, ...tintClasses(trees[cut.forest], below, DATA.palette.length) };
  });
  if (!views.length) views.push({ name: "", forest: 0, below: null, note: "Colours tell the branches of the node in view apart." });
  const scene = { pen, letters, window: { x0: 0, x1: 1, top: 0, rows: 1 }, colours: {} };
  let view, tree, shape, shapeName, focus, cursor, hover = -1, matches = new Set(), frame = 0;

  const isInside = (a, b) => a <= b && b < tree.end[a];
  const words = (num) => `${num.toLocaleString("en")} ${num === 1 ? tree.unit.slice(0, -1) : tree.unit}`;

  // --- painting ---------------------------------------------------------------------------------

  // `least`: pixels of the thinnest node; slivers are left out while things move.
  function paintTree(least = 0.5) {
    const scale = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    for (const one of [canvas, still]) {
      if (one.width === Math.round(width * scale) && one.height === Math.round(height * scale)) continue;
      one.width = Math.round(width * scale);
      one.height = Math.round(height * scale);
    }
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = scene.colours.font; // a new size resets it
    Object.assign(scene, { tree, tint: view.tint, edge: view.edge, least, width, height });
    canvas.dataset.rendered = String(shape.paint(scene));
    paintMarks();
  }
  function paintMarks() {
    if (!still.width || !still.height) return;
    front.setTransform(1, 0, 0, 1, 0, 0);
    front.clearRect(0, 0, canvas.width, canvas.height);
    front.drawImage(still, 0, 0);
    const scale = window.devicePixelRatio || 1;
    front.setTransform(scale, 0, 0, scale, 0, 0);
    if (hover >= 0) mark(hover, scene.colours.ink, 1.5);
    for (const node of matches) mark(node, scene.colours.accent, 2.5);
    if (document.activeElement === canvas || cursor !== focus) mark(cursor, scene.colours.focus, 3);
  }
  function mark(node, colour, thick) {
    if (!shape.outline({ ...scene, pen: front }, node, thick / 2)) return;
    front.strokeStyle = colour;
    front.lineWidth = thick;
    front.stroke();
  }
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(name).trim();
    const [mixed, onMixed] = [get("--mixed"), get("--mixed-ink")];
    scene.colours = {
      of: (tint) => (tint === MIXED ? mixed : DATA.palette[tint]),
      on: (tint) => (tint === MIXED ? onMixed : DATA.on_palette),
      ...{ ink: get("--ink"), focus: get("--focus"), accent: get("--accent"), font: `12px ${get("--sans")}` },
    };
    letters.forget();
  }
  function repaint() {
    readColours();
    cancelAnimationFrame(frame);
    Object.assign(scene.window, shape.goal(tree, focus));
    paintTree();
  }

  // --- moving -----------------------------------------------------------------------------------

  function zoom(node, animate = true) {
    focus = cursor = node;
    hover = -1;
    if (!view.below) Object.assign(view, tintBranches(tree, node, DATA.palette.length));
    const [from, to] = [{ ...scene.window }, shape.goal(tree, node)];
    cancelAnimationFrame(frame);
    const began = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, now - began) / ZOOM_MS);
      const eased = 1 - (1 - t) ** 3;
      for (const key of Object.keys(to)) scene.window[key] = from[key] + (to[key] - from[key]) * eased;
      paintTree(t < 1 ? 2 : 0.5);
      if (t < 1) frame = requestAnimationFrame(step);
    };
    if (animate && !CALM.matches) frame = requestAnimationFrame(step);
    else {
      Object.assign(scene.window, to);
      paintTree();
    }
    showPath();
    describe(node);
    address.write({ node: node === tree.home ? null : tree.ids[node] });
  }
  function zoomOut() {
    zoom(focus > 0 ? tree.parents[focus] : 0);
  }
  function move(node) {
    const isDeeper = tree.depth[node] - tree.depth[focus] >= shape.goal(tree, focus).rows;
    if (isDeeper) zoom(tree.parents[node]);
    cursor = node;
    describe(node);
    paintMarks();
  }
  function sibling(node, step) {
    for (let i = node + step; isInside(focus, i); i += step) if (tree.depth[i] === tree.depth[node]) return i;
    return node;
  }
  function nodeAt(event) {
    const area = canvas.getBoundingClientRect();
    const place = shape.place(scene, event.clientX - area.left, event.clientY - area.top);
    if (!place) return -1;
    const [x, depth] = place;
    for (let i = 0; i < tree.num; ) {
      if (x < tree.x0[i] || x >= tree.x1[i]) i = tree.end[i];
      else if (tree.depth[i] === depth) return i;
      else i++;
    }
    return -1;
  }

  // --- words ------------------------------------------------------------------------------------

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
  function classWords(node) {
    if (!view.below) return [];
    if (view.below[node] >= 0) return [" · class ", el("b", {}, view.class_names[view.below[node]])];
    const inside = new Set();
    for (let i = node; i < tree.end[node]; i++) if (view.classes[i] >= 0) inside.add(view.classes[i]);
    return [inside.size ? ` · ${inside.size.toLocaleString("en")} classes inside` : " · no class"];
  }
  function describe(node) {
    const id = tree.ids[node];
    const head = [el("b", {}, tree.names[node]), id && id !== tree.names[node] ? el("code", {}, ` ${id} `) : " "];
    const more = [tree.others[node], tree.glosses[node]].filter(Boolean).flatMap((text) => [el("br"), text]);
    part(".detail").replaceChildren(...head, `· ${words(tree.total[node])}`, ...classWords(node), ...more);
  }

  // --- search -----------------------------------------------------------------------------------

  const input = part(".search input");
  function search(text) {
    const wanted = text.trim().toLowerCase();
    const found = [];
    if (wanted) for (let i = 0; i < tree.num; i++) if (tree.words[i].includes(wanted) || tree.ids[i] === wanted) found.push(i);
    matches = new Set(found.slice(0, 400));
    const rank = (i) => {
      const own = tree.names[i].toLowerCase();
      if (own === wanted || tree.ids[i] === wanted) return 0;
      return own.startsWith(wanted) ? 1 : own.includes(wanted) ? 2 : 3;
    };
    found.sort((a, b) => rank(a) - rank(b) || tree.total[b] - tree.total[a]);
    part(".search ul").replaceChildren(
      ...found.slice(0, 8).map((node) => {
        const button = el("button", { type: "button" }, tree.names[node], " ", el("small", {}, words(tree.total[node])));
        button.addEventListener("click", () => choose(node));
        return el("li", {}, button);
      }),
    );
    part(".search output").textContent = wanted ? `${found.length.toLocaleString("en")} found` : "";
    paintMarks();
    return found;
  }
  function choose(node) {
    part(".search ul").replaceChildren();
    canvas.focus();
    zoom(tree.children[node].length || node === 0 ? node : tree.parents[node]);
    matches = new Set([node]);
    move(node);
  }
  function clearSearch() {
    input.value = "";
    search("");
  }

  // --- what people do ---------------------------------------------------------------------------

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
  canvas.addEventListener("click", (event) => {
    const node = nodeAt(event);
    if (node === focus && focus !== 0) zoomOut();
    else if (node >= 0) zoom(node);
  });
  canvas.addEventListener("pointermove", (event) => {
    const node = nodeAt(event);
    if (node === hover) return;
    hover = node;
    describe(node >= 0 ? node : cursor);
    paintMarks();
  });
  canvas.addEventListener("pointerleave", () => {
    hover = -1;
    describe(cursor);
    paintMarks();
  });
  canvas.addEventListener("keydown", (event) => {
    const act = onKey[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  canvas.addEventListener("focus", paintMarks);
  canvas.addEventListener("blur", paintMarks);
  input.addEventListener("input", () => search(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clearSearch();
    else if (event.key === "Enter") {
      event.preventDefault();
      const [first] = search(input.value);
      if (first !== undefined) choose(first);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      part(".search li button")?.focus();
    }
  });
  part(".reset").addEventListener("click", () => {
    clearSearch();
    zoom(tree.home);
  });

  // --- which cut, which shape -------------------------------------------------------------------

  function select(index, wantedNode) {
    const before = tree;
    view = views[index];
    tree = trees[view.forest];
    part(".about").textContent = view.note;
    part(".repeats").hidden = !view.below;
    const kept = wantedNode ? tree.ids.indexOf(wantedNode) : before === tree ? focus : -1;
    if (before !== tree) matches = new Set();
    zoom(kept >= 0 ? kept : tree.home, false);
  }
  function resize() {
    // It fits on a screen, as far as the page's place for it allows.
    const most = Math.min(Number(part(".stage").parentElement.dataset.tallest), Math.max(420, window.innerHeight - 150));
    canvas.style.height = `${Math.max(...trees.map((t) => shape.height(t, most, canvas.clientWidth)))}px`;
    cancelAnimationFrame(frame);
    Object.assign(scene.window, shape.goal(tree, focus));
    paintTree();
  }
  function choices(name, first, chosen) {
    const radios = [...root.querySelectorAll(`input[name=${name}]`)];
    const at = Math.max(0, radios.findIndex((radio) => radio.value === first));
    if (radios.length) radios[at].checked = true;
    radios.forEach((radio, i) => radio.addEventListener("change", () => {
      chosen(i, radio.value);
      address.write({ [name]: radio.value });
    }));
    return [at, radios[at]?.value];
  }
  const asked = address.read();
  readColours();
  [, shapeName] = choices("shape", asked.get("shape") ?? DATA.first_shape, (_, name) => {
    shape = SHAPES[(shapeName = name)];
    hover = -1;
    resize();
  });
  shape = SHAPES[shapeName];
  const [first] = choices("cut", asked.get("cut") ?? DATA.first_cut, (i) => select(i));
  select(first, asked.get("node"));
  // In a frame of its own: the drawing's height follows its width, which would call the observer again.
  new ResizeObserver(() => requestAnimationFrame(resize)).observe(part(".stage"));
  resize();
  return { repaint };
}

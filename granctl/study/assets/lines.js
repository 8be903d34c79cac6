// Figures of lines with intervals, each drawn from the JSON inside of it (granctl/study/linefigure.py).

const DASHES = ["", "7 4", "2 4", "6 2 1 2"];
const MARKERS = [
  (x, y) => `M${x - 5},${y}a5,5 0 1,0 10,0a5,5 0 1,0 -10,0`,
  (x, y) => `M${x - 4.5},${y - 4.5}h9v9h-9z`,
  (x, y) => `M${x},${y - 5.5}l5.5,10h-11z`,
  (x, y) => `M${x},${y - 6}l6,6l-6,6l-6,-6z`,
];
const overlap = ([a, b, c, d], [e, f, g, h]) => a < e + g && e < a + c && b < f + h && f < b + d;

// Round numbers between two ends, at most so many; and the digits that tell them apart.
function niceTicks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough) + 1e-9);
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough * (1 - 1e-9));
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) ticks.push(i * step || 0);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function logTicks(low, high, most) {
  for (const heads of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = [];
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p += 1) {
      for (const h of heads) if (h * 10 ** p >= low * 0.999 && h * 10 ** p <= high * 1.001) ticks.push(h * 10 ** p);
    }
    if (ticks.length <= most) return ticks;
  }
  return [low, high];
}

const inWords = (v) =>
  Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(4)));

function describeDot(figure, line, dot) {
  if (dot.text) return `${line.name}: ${dot.text}`;
  const interval = dot.low === undefined ? "" : ` [${inWords(dot.low)}, ${inWords(dot.high)}]`;
  return `${line.name}: ${figure.x.title} ${inWords(dot.x)}, ${figure.y.title} ${inWords(dot.y)}${interval}`;
}

function scaleOf(axis, values, from, to, air) {
  const f = axis.log ? Math.log : (v) => v;
  let [low, high] = [Math.min(...values), Math.max(...values)].map(f);
  const room = high > low ? air * (high - low) : axis.log ? 0.3 : Math.max(Math.abs(high) * 0.05, 0.5);
  [low, high] = [low - room, high + room];
  const at = (v) => from + ((f(v) - low) / (high - low)) * (to - from);
  return { at, low: axis.log ? Math.exp(low) : low, high: axis.log ? Math.exp(high) : high };
}

function ticksOf(axis, scale, most) {
  if (axis.ticks.length) {
    const label = (t, i) => axis.labels[i] ?? inWords(t);
    return axis.ticks.map((t, i) => [t, label(t, i)]);
  }
  if (axis.log && scale.high / scale.low > 3) return logTicks(scale.low, scale.high, most).map((t) => [t, inWords(t)]);
  const { ticks, digits } = niceTicks(scale.low, scale.high, most);
  const text = (t) => t.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return ticks.map((t) => [t, text(t)]);
}

function startLines(place) {
  const figure = JSON.parse(place.querySelector("script").textContent);
  const plot = place.querySelector(".plot");
  let width = 0;
  const redraw = () => {
    const now = Math.round(plot.clientWidth);
    if (now && now !== width) {
      width = now;
      drawLines(place, plot, figure, width);
    }
  };
  lineKeys(place.querySelector(".keys"), figure);
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(plot);
  redraw();
}

function lineKeys(list, figure) {
  const shown = figure.lines.filter((line) => !line.thin);
  if (shown.length + figure.rules.length < 2) return;
  for (const line of shown) {
    const svg = el("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" });
    if (line.joined) svg.append(el("line", { x2: 34, y1: 6, y2: 6, stroke: "var(--c)", "stroke-width": 1.75, "stroke-dasharray": DASHES[line.shape % 4] }));
    if (line.marks !== "none") svg.append(el("path", { d: MARKERS[line.shape % 4](17, 6), fill: "var(--c)" }));
    list.append(el("li", { class: `s${line.colour % 8}` }, svg, line.name));
  }
  for (const rule of figure.rules) {
    const svg = el("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" });
    svg.append(el("line", { x2: 34, y1: 6, y2: 6, stroke: "var(--alone)", "stroke-width": 1.5, "stroke-dasharray": "1 3" }));
    list.append(el("li", {}, svg, rule.name));
  }
}

function drawLines(place, plot, figure, width) {
  const height = place.classList.contains("small") ? 260 : width < 560 ? 290 : 350;
  const edge = { left: 52, right: 16, top: 22, bottom: 46 };
  const dots = figure.lines.flatMap((line) => line.dots);
  const ys = [...dots, ...figure.rules].flatMap((d) => [d.y, d.low ?? d.y, d.high ?? d.y]);
  const usable = figure.y.log ? ys.filter((y) => y > 0) : ys;
  const X = scaleOf(figure.x, dots.map((d) => d.x), edge.left, width - edge.right, 0.05);
  const Y = scaleOf(figure.y, usable, height - edge.bottom, edge.top, 0.07);
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": figure.title });
  lineAxes(svg, figure, { width, height, edge, X, Y });
  for (const rule of figure.rules) {
    if (rule.low !== null && rule.high !== null) {
      const [y0, y1] = [Y.at(rule.high), Y.at(rule.low)];
      svg.append(el("rect", { x: edge.left, width: width - edge.right - edge.left, y: y0, height: Math.max(0, y1 - y0), fill: "var(--alone)", opacity: 0.15 }));
    }
    svg.append(el("line", { x1: edge.left, x2: width - edge.right, y1: Y.at(rule.y), y2: Y.at(rule.y), stroke: "var(--alone)", "stroke-width": 1.5, "stroke-dasharray": "1 3" }));
  }
  const readout = place.querySelector(".readout");
  const stops = figure.lines.flatMap((line) => drawOneLine(svg, figure, line, X, Y, readout));
  nameDots(svg, figure, X, Y, width, edge);
  reachByKeys(stops);
  plot.replaceChildren(svg);
  plot.dataset.rendered = String(dots.length);
}

function lineAxes(svg, figure, { width, height, edge, X, Y }) {
  const [right, bottom] = [width - edge.right, height - edge.bottom];
  for (const [t, label] of ticksOf(figure.y, Y, 6)) {
    svg.append(el("line", { class: "grid", x1: edge.left, x2: right, y1: Y.at(t), y2: Y.at(t) }));
    svg.append(el("text", { x: edge.left - 8, y: Y.at(t) + 4, "text-anchor": "end" }, label));
  }
  svg.append(el("line", { class: "axis", x1: edge.left, x2: right, y1: bottom, y2: bottom }));
  svg.append(el("text", { x: 0, y: 10 }, figure.y.title + (figure.y.log ? " (log scale)" : "")));
  const title = figure.x.title + (figure.x.log ? " (log scale)" : "");
  svg.append(el("text", { x: (edge.left + right) / 2, y: height - 6, "text-anchor": "middle" }, title));
  let free = -Infinity;
  for (const [t, label] of ticksOf(figure.x, X, width < 480 ? 5 : 9)) {
    svg.append(el("line", { class: "axis", x1: X.at(t), x2: X.at(t), y1: bottom, y2: bottom + 5 }));
    const half = 3.6 * label.length;
    if (X.at(t) - half < free) continue;
    free = X.at(t) + half + 6;
    svg.append(el("text", { x: Math.min(X.at(t), width - half), y: bottom + 19, "text-anchor": "middle" }, label));
  }
}

function drawOneLine(svg, figure, line, X, Y, readout) {
  const group = el("g", { class: `s${line.colour % 8}${line.thin ? " thin" : ""}` });
  const dash = DASHES[line.shape % 4];
  if (line.joined) {
    const path = line.dots.map((d, i) => `${i ? "L" : "M"}${X.at(d.x).toFixed(1)},${Y.at(d.y).toFixed(1)}`).join("");
    group.append(el("path", { d: path, fill: "none", stroke: "var(--c)", "stroke-width": line.thin ? 1 : 1.75, "stroke-dasharray": line.thin ? "" : dash }));
  }
  const marked = line.marks === "all" ? line.dots : line.marks === "last" ? line.dots.slice(-1) : [];
  const stops = marked.map((d) => {
    const [x, y] = [X.at(d.x), Y.at(d.y)];
    const dot = el("g", { class: "dot", tabindex: -1, role: "img", "aria-label": describeDot(figure, line, d) });
    dot.append(el("circle", { class: "halo", cx: x, cy: y, r: 11, "pointer-events": "all" }));
    if (d.low !== undefined && d.high !== undefined) {
      const low = figure.y.log ? Math.max(d.low, Y.low) : d.low;
      const [a, b] = [Y.at(d.high), Y.at(low)];
      dot.append(el("path", { d: `M${x},${a}V${b}M${x - 4},${a}h8M${x - 4},${b}h8`, stroke: "var(--c)", "stroke-width": 1.5, fill: "none" }));
    }
    dot.append(el("path", { d: MARKERS[line.shape % 4](x, y), fill: "var(--c)", stroke: "var(--paper)", "stroke-width": 1 }));
    for (const name of ["pointerenter", "focus"]) dot.addEventListener(name, () => (readout.textContent = dot.getAttribute("aria-label")));
    for (const name of ["pointerleave", "blur"]) dot.addEventListener(name, () => (readout.textContent = ""));
    group.append(dot);
    return dot;
  });
  svg.append(group);
  return stops;
}

// One stop of Tab a figure; arrows go on from there.
function reachByKeys(stops) {
  if (stops.length) stops[0].setAttribute("tabindex", 0);
  stops.forEach((dot, i) => {
    dot.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: stops.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = stops[Math.min(Math.max(to, 0), stops.length - 1)];
      stops.forEach((other) => other.setAttribute("tabindex", -1));
      next.setAttribute("tabindex", 0);
      next.focus();
    });
  });
}

function nameDots(svg, figure, X, Y, width, edge) {
  const all = figure.lines.flatMap((line) => line.dots);
  const taken = all.map((d) => [X.at(d.x) - 6, Y.at(d.high ?? d.y) - 6, 12, Y.at(d.low ?? d.y) - Y.at(d.high ?? d.y) + 12]);
  for (const d of all.filter((dot) => dot.name)) {
    const w = 6.2 * d.name.length;
    const [x, y] = [X.at(d.x), Y.at(d.y)];
    const spots = [[x + 9, y + 4], [x - 9 - w, y + 4], [x - w / 2, y - 10], [x - w / 2, y + 18], [x + 9, y - 8], [x + 9, y + 16]];
    const box = ([a, b]) => [a, b - 11, w, 14];
    const fits = ([a]) => a >= edge.left && a + w <= width;
    const spot = spots.find((s) => fits(s) && !taken.some((other) => overlap(box(s), other)));
    if (!spot) continue;
    taken.push(box(spot));
    svg.append(el("text", { class: "name", x: spot[0], y: spot[1] }, d.name));
  }
}

// One curve: mean top-1 with deviation over the number of pretraining classes (log).

const BANDS = new Set(["target alone", "public"]);
const FAMILY_SHAPE = { taxonomy: 0, clusters: 1, random: 2 };
const markerOf = (family) => MARKERS[FAMILY_SHAPE[family] ?? 3];
const dashOf = (family) => DASHES[FAMILY_SHAPE[family] ?? 3];
const percent = (fraction, digits = 1) => `${(100 * fraction).toFixed(digits)} %`;

function describe(point) {
  const none = point.family === "public" ? "public weights" : "no pretraining";
  const source = point.x === null ? none : `${Math.round(point.x).toLocaleString("en")} classes`;
  const spread = point.sd === null ? "one seed, no deviation" : `sd ${(100 * point.sd).toFixed(2)}`;
  const interval = point.low === null ? "" : `, 95 % interval ${percent(point.low)} to ${percent(point.high)}`;
  const seeds = `${point.n} ${point.n === 1 ? "seed" : "seeds"}`;
  return `${point.cut}: ${source}, top-1 ${percent(point.mean, 2)} (error ${percent(1 - point.mean, 2)}), ${spread}, ${seeds}${interval}`;
}

function startCurve(place, panel) {
  const readout = place.parentElement.querySelector(".readout");
  let width = 0;
  const redraw = () => {
    const now = Math.round(place.clientWidth);
    if (now && now !== width) {
      width = now;
      drawCurve(place, panel, width, readout);
    }
  };
  drawKeys(place.parentElement.querySelector(".keys"), panel);
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(place);
  redraw();
}

function drawKeys(list, panel) {
  for (const family of new Set(panel.points.map((p) => p.family))) {
    const svg = el("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" });
    if (BANDS.has(family)) {
      svg.append(el("rect", { width: 34, height: 12, fill: "var(--alone)", opacity: 0.2 }));
      svg.append(el("line", { x2: 34, y1: 6, y2: 6, stroke: "var(--alone)", "stroke-dasharray": "1 3", "stroke-width": 1.5 }));
    } else {
      svg.append(el("line", { x2: 34, y1: 6, y2: 6, stroke: "var(--c)", "stroke-width": 1.75, "stroke-dasharray": dashOf(family) }));
      svg.append(el("path", { d: markerOf(family)(17, 6), fill: "var(--c)" }));
    }
    list.append(el("li", { class: familyClass(family) }, svg, family));
  }
}

function drawCurve(place, panel, width, readout) {
  const small = width < 560;
  const height = small ? 300 : 380;
  const edge = { left: 44, right: 44, top: 18, bottom: 46 };
  const tops = panel.points.flatMap((p) => [100 * (p.mean + (p.sd || 0)), 100 * (p.mean - (p.sd || 0)), ...p.seeds.map((s) => 100 * s.top1)]);
  let [low, high] = [Math.min(...tops), Math.max(...tops)];
  const air = Math.max(0.08 * (high - low), 0.2);
  [low, high] = [Math.max(0, low - air), Math.min(100, high + air)];
  const counts = [...new Set(panel.points.filter((p) => p.x !== null).map((p) => p.x))].sort((a, b) => a - b);
  const [first, last] = counts.length ? [Math.log(counts[0]), Math.log(counts[counts.length - 1])] : [0, 1];
  const room = Math.max(0.07 * (last - first), 0.1);
  const X = (x) => edge.left + ((Math.log(x) - first + room) / (last - first + 2 * room)) * (width - edge.left - edge.right);
  const Y = (y) => edge.top + ((high - y) / (high - low)) * (height - edge.top - edge.bottom);
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": panel.title });
  drawAxes(svg, { width, height, edge, low, high, counts, X, Y });
  const taken = [];
  const alone = panel.points.filter((p) => p.x === null);
  alone.forEach((p) => drawBand(svg, p, width, edge, Y));
  const curves = [];
  for (const family of new Set(panel.points.filter((p) => p.x !== null).map((p) => p.family))) {
    const points = panel.points.filter((p) => p.family === family);
    drawLine(svg, family, points, X, Y, readout);
    curves.push(...boxesAlong(points, X, Y));
  }
  for (const p of panel.points) {
    if (p.x === null) continue;
    const bar = Math.max(6, Math.abs(Y(100 * (p.sd || 0)) - Y(0)));
    taken.push([X(p.x) - 6, Y(100 * p.mean) - bar, 12, 2 * bar]);
  }
  alone.forEach((p) => nameBand(svg, p, width, edge, Y, taken, curves));
  for (const p of panel.points) if (p.x !== null) drawName(svg, p, X(p.x), Y, width, edge, taken);
  place.replaceChildren(svg);
  place.dataset.rendered = String(panel.points.length);
}

function drawAxes(svg, { width, height, edge, low, high, counts, X, Y }) {
  const { ticks, digits } = niceTicks(low, high, 7);
  const right = width - edge.right;
  for (const t of ticks) {
    svg.append(el("line", { class: "grid", x1: edge.left, x2: right, y1: Y(t), y2: Y(t) }));
    svg.append(el("text", { x: edge.left - 8, y: Y(t) + 4, "text-anchor": "end" }, t.toFixed(digits)));
    svg.append(el("text", { x: right + 8, y: Y(t) + 4 }, (100 - t).toFixed(digits)));
  }
  const bottom = height - edge.bottom;
  svg.append(el("line", { class: "axis", x1: edge.left, x2: right, y1: bottom, y2: bottom }));
  svg.append(el("text", { x: 0, y: 10 }, "top-1, %"));
  svg.append(el("text", { x: width, y: 10, "text-anchor": "end" }, "error, %"));
  svg.append(el("text", { x: (edge.left + right) / 2, y: height - 6, "text-anchor": "middle" }, counts.length ? "pretraining classes that have images (log scale)" : "no pretraining"));
  let free = -Infinity;
  for (const c of counts) {
    svg.append(el("line", { class: "axis", x1: X(c), x2: X(c), y1: bottom, y2: bottom + 5 }));
    const label = Math.round(c).toLocaleString("en");
    const half = 4 * label.length;
    if (X(c) - half < free) continue;
    free = X(c) + half + 4;
    svg.append(el("text", { x: X(c), y: bottom + 19, "text-anchor": "middle" }, label));
  }
}

function drawBand(svg, point, width, edge, Y) {
  const sd = point.sd || 0;
  const [y0, y1] = [Y(100 * (point.mean + sd)), Y(100 * (point.mean - sd))];
  const right = width - edge.right;
  svg.append(el("rect", { x: edge.left, width: right - edge.left, y: y0, height: y1 - y0, fill: "var(--alone)", opacity: 0.18 }));
  const y = Y(100 * point.mean);
  svg.append(el("line", { x1: edge.left, x2: right, y1: y, y2: y, stroke: "var(--alone)", "stroke-width": 1.5, "stroke-dasharray": "1 3" }));
}

// On the line that it names, from the right; above the band where no place on the line is free.
function nameBand(svg, point, width, edge, Y, taken, curves) {
  const label = `${point.cut}, ${percent(point.mean)}`;
  const w = 6.4 * label.length;
  const [line, top] = [Y(100 * point.mean), Y(100 * (point.mean + (point.sd || 0)))];
  const right = width - edge.right - 4 - w;
  const spots = [];
  for (const y of [line - 5, line + 14, top - 5]) {
    for (let left = right; left >= edge.left; left -= 12) spots.push([left, y - 12, w, 15]);
  }
  const full = [...taken, ...curves];
  const free = spots.find((spot) => !full.some((box) => overlap(spot, box))) ?? spots[0];
  taken.push(free);
  svg.append(el("text", { class: "name", x: free[0] + w / 2, y: free[1] + 12, "text-anchor": "middle" }, label));
}

// A curve as boxes of a few pixels, so that a name can keep clear of it.
function boxesAlong(points, X, Y) {
  const boxes = [];
  for (let i = 1; i < points.length; i += 1) {
    const [a, b] = [points[i - 1], points[i]].map((p) => [X(p.x), Y(100 * p.mean)]);
    const steps = Math.ceil(Math.hypot(b[0] - a[0], b[1] - a[1]) / 6);
    for (let k = 0; k <= steps; k += 1) {
      const [x, y] = [0, 1].map((d) => a[d] + ((b[d] - a[d]) * k) / steps);
      boxes.push([x - 3, y - 3, 6, 6]);
    }
  }
  return boxes;
}

function drawLine(svg, family, points, X, Y, readout) {
  const group = el("g", { class: familyClass(family) });
  const path = points.map((p, i) => `${i ? "L" : "M"}${X(p.x)},${Y(100 * p.mean)}`).join("");
  group.append(el("path", { d: path, fill: "none", stroke: "var(--c)", "stroke-width": 1.75, "stroke-dasharray": dashOf(family) }));
  for (const p of points) {
    const [x, y] = [X(p.x), Y(100 * p.mean)];
    const dot = el("g", { class: "dot", tabindex: 0, role: "img", "aria-label": describe(p) });
    dot.append(el("circle", { class: "halo", cx: x, cy: y, r: 13, "pointer-events": "all" }));
    for (const s of p.seeds) dot.append(el("circle", { cx: x + 9, cy: Y(100 * s.top1), r: 1.6, fill: "var(--c)", opacity: 0.7 }));
    if (p.sd !== null) {
      const [a, b] = [Y(100 * (p.mean + p.sd)), Y(100 * (p.mean - p.sd))];
      dot.append(el("path", { d: `M${x},${a}V${b}M${x - 4},${a}h8M${x - 4},${b}h8`, stroke: "var(--c)", "stroke-width": 1.5, fill: "none" }));
    }
    dot.append(el("path", { d: markerOf(family)(x, y), fill: "var(--c)", stroke: "var(--paper)", "stroke-width": 1 }));
    const row = document.getElementById(p.row);
    const show = (lit) => {
      readout.textContent = lit ? describe(p) : "";
      if (row) row.classList.toggle("lit", lit);
    };
    for (const [name, lit] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) dot.addEventListener(name, () => show(lit));
    group.append(dot);
  }
  svg.append(group);
}

function drawName(svg, point, x, Y, width, edge, taken) {
  const w = 6 * point.cut.length + 4;
  const sd = point.sd || 0;
  const [above, below] = [Y(100 * (point.mean + sd)) - 8, Y(100 * (point.mean - sd)) + 17];
  const left = Math.min(Math.max(x - w / 2, edge.left), width - edge.right - w);
  for (const y of [above, below]) {
    const box = [left, y - 11, w, 14];
    if (taken.some((other) => overlap(box, other))) continue;
    taken.push(box);
    svg.append(el("text", { class: "name", x: left + w / 2, y, "text-anchor": "middle" }, point.cut));
    return;
  }
}

// The sunburst: the node in view is the disc, each level below it a ring, angle by count. It takes
// and gives the same as the icicle; the window's rows are the rings.

const FULL = 2 * Math.PI;

const sunburst = {
  mostRings: 9, // more would be too thin to read; zooming in shows what is deeper
  bend: 0.82, // below 1: inner rings are thicker, as their arcs are shorter

  height: (tree, most, width) => Math.min(most, width),

  goal(tree, focus) {
    const levels = tree.deepest[focus] - tree.depth[focus] + 1;
    const rows = Math.max(2, Math.min(this.mostRings, levels));
    return { x0: tree.x0[focus], x1: tree.x1[focus], top: tree.depth[focus], rows };
  },

  frame({ width, height, window }) {
    const outer = Math.min(width, height) / 2 - 2;
    const radius = (level) => (level <= 0 ? 0 : outer * (level / window.rows) ** this.bend);
    return { x: width / 2, y: height / 2, outer, radius };
  },

  paint(scene) {
    const { tree, window, pen, colours } = scene;
    const { x, y, radius } = this.frame(scene);
    const stretch = FULL / (window.x1 - window.x0);
    const drawnTo = new Float64Array(tree.deepest[0] + 2).fill(-1);
    const parts = new Map(); // tint -> arcs, so that each colour is filled at once
    const [names, cuts] = [[], []];
    const namedFrom = scene.least < 1 ? 12 : 160; // turned letters are slow to draw in motion
    pen.save();
    pen.translate(x, y);
    pen.rotate(-Math.PI / 2);
    for (let i = 0; i < tree.num; ) {
      const level = tree.depth[i] - window.top;
      const from = Math.max((tree.x0[i] - window.x0) * stretch, 0);
      const to = Math.min((tree.x1[i] - window.x0) * stretch, FULL);
      const outer = radius(level + 1);
      const pixel = Math.floor(to * outer);
      if (to <= from || level >= window.rows - 0.01 || ((to - from) * outer < scene.least && pixel <= drawnTo[tree.depth[i]])) {
        i = tree.end[i];
        continue;
      }
      drawnTo[tree.depth[i]] = pixel;
      if (outer > 2) { // below, it is on its way out of the middle
        const inner = radius(level);
        const tint = scene.tint[i];
        if (!parts.has(tint)) parts.set(tint, []);
        parts.get(tint).push(from, to, inner, outer);
        if (scene.edge[i]) cuts.push(from, to, inner);
        if ((to - from) * outer > namedFrom) names.push([i, from, to, inner, outer]);
      }
      i++;
    }
    for (const [tint, arcs] of parts) {
      pen.fillStyle = colours.of(tint);
      for (let i = 0; i < arcs.length; i += 4) {
        if (i % 160 === 0) pen.beginPath(); // a path of very many arcs is slow to fill
        this.sector(pen, arcs[i], arcs[i + 1], arcs[i + 2], arcs[i + 3] - 1, 1);
        if (i % 160 === 156 || i + 4 === arcs.length) pen.fill();
      }
    }
    pen.strokeStyle = colours.ink; // where the cut goes through
    pen.lineWidth = 2;
    pen.beginPath();
    for (let i = 0; i < cuts.length; i += 3) {
      if (cuts[i + 2] <= 0) continue;
      pen.moveTo(cuts[i + 2] * Math.cos(cuts[i]), cuts[i + 2] * Math.sin(cuts[i]));
      pen.arc(0, 0, cuts[i + 2], cuts[i], Math.max(cuts[i + 1] - 1 / cuts[i + 2], cuts[i] + 0.3 / cuts[i + 2]));
    }
    pen.stroke();
    pen.restore();
    let written = 0;
    for (const name of names) written += this.paintName(scene, x, y, ...name);
    return written;
  },

  // Adds a sector to the path; its end leaves a gap of so many pixels, unless it is a sliver.
  sector(pen, from, to, inner, outer, gap) {
    if (to - from >= FULL - 1e-9) {
      pen.moveTo(outer, 0);
      pen.arc(0, 0, outer, 0, FULL);
      if (inner <= 0) return;
      pen.moveTo(inner, 0);
      pen.arc(0, 0, inner, 0, FULL, true);
      return;
    }
    const wide = (to - from) * outer > 3;
    const [end, endInner] = wide ? [to - gap / outer, Math.max(from, to - gap / Math.max(inner, gap))] : [Math.max(to, from + 1 / outer), to];
    pen.moveTo(inner * Math.cos(from), inner * Math.sin(from));
    if (to - from > 0.04) {
      pen.arc(0, 0, outer, from, end);
      pen.arc(0, 0, inner, endInner, from, true);
    } else { // an arc so short is a line
      pen.lineTo(outer * Math.cos(from), outer * Math.sin(from));
      pen.lineTo(outer * Math.cos(end), outer * Math.sin(end));
      pen.lineTo(inner * Math.cos(endInner), inner * Math.sin(endInner));
    }
    pen.closePath();
  },

  // Along the ring or across it, whichever leaves more room; 1 if a name was written.
  paintName(scene, x, y, node, from, to, inner, outer) {
    const { pen, letters, tree } = scene;
    const text = tree.names[node];
    pen.fillStyle = scene.colours.on(scene.tint[node]);
    if (inner <= 0) {
      const lines = letters.wrap(text, 1.6 * outer, Math.max(1, Math.floor((1.2 * outer) / LINE)));
      lines.forEach((line, i) => pen.fillText(line, x - letters.width(line) / 2, y + LINE * (i - lines.length / 2) + 10.5));
      return lines.length ? 1 : 0;
    }
    const [span, middle] = [to - from, (inner + outer) / 2];
    const across = span * middle >= LINE ? outer - inner - 8 : 0;
    const bow = 2 * Math.sqrt(Math.max(0, outer ** 2 - (middle + 7) ** 2));
    const wedge = span < Math.PI ? 2 * (middle - 6) * Math.tan(span / 2) : bow;
    const along = outer - inner >= LINE + 2 ? Math.min(bow, wedge) - 8 : 0;
    const isAlong = along >= Math.min(across, letters.width(text));
    const line = letters.clip(text, isAlong ? along : across);
    if (!line) return 0;
    const angle = (from + to) / 2 - Math.PI / 2;
    const flip = isAlong ? Math.sin(angle) > 0.01 : Math.cos(angle) < 0;
    pen.save();
    pen.translate(x + middle * Math.cos(angle), y + middle * Math.sin(angle));
    pen.rotate(angle + (isAlong ? Math.PI / 2 : 0) + (flip ? Math.PI : 0));
    pen.fillText(line, -letters.width(line) / 2, 4);
    pen.restore();
    return 1;
  },

  outline(scene, node, inset) {
    const { tree, window, pen } = scene;
    const { x, y, radius } = this.frame(scene);
    const level = tree.depth[node] - window.top;
    const stretch = FULL / (window.x1 - window.x0);
    const from = Math.max((tree.x0[node] - window.x0) * stretch, 0);
    const to = Math.min((tree.x1[node] - window.x0) * stretch, FULL);
    const [inner, outer] = [radius(level), radius(level + 1)];
    if (to <= from || outer <= 2 * inset + 1 || level >= window.rows) return false;
    pen.save();
    pen.translate(x, y);
    pen.rotate(-Math.PI / 2);
    pen.beginPath();
    const turn = to - from < FULL - 1e-9 ? Math.min(inset / outer, (to - from) / 3) : 0;
    this.sector(pen, from + turn, to - turn, inner > 0 ? inner + inset : 0, outer - inset - 1, 0);
    pen.restore();
    return true;
  },

  place(scene, px, py) {
    const { window } = scene;
    const { x, y, outer } = this.frame(scene);
    const distance = Math.hypot(px - x, py - y);
    if (distance >= outer) return null;
    const turn = (Math.atan2(py - y, px - x) + Math.PI / 2 + FULL) % FULL;
    const level = window.rows * (distance / outer) ** (1 / this.bend);
    return [window.x0 + (turn / FULL) * (window.x1 - window.x0), Math.floor(level + window.top)];
  },
};

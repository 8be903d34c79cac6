// The icicle: the tree downwards, width by count. A scene has the tree, its tints, the window onto
// it (x0 .. x1 of the width, rows from the top), the pen, the colours and the canvas's size.

const icicle = {
  tallest: 104, // pixels of a row at most
  upright: 44, // pixels of a row from which on narrow nodes have their names upright

  height: (tree, most) => Math.max(240, Math.min(most, 46 * (tree.deepest[tree.home] - tree.depth[tree.home] + 1))),

  goal(tree, focus) {
    const rows = Math.max(2, tree.deepest[focus] - tree.depth[focus] + 1);
    return { x0: tree.x0[focus], x1: tree.x1[focus], top: tree.depth[focus], rows };
  },

  row(scene) {
    return Math.min(this.tallest, scene.height / scene.window.rows);
  },

  // Only what is at least `least` pixels wide, or the first in its pixel, is drawn. Returns the
  // number of names.
  paint(scene) {
    const { tree, window, width, height, pen, colours } = scene;
    const row = this.row(scene);
    const stretch = width / (window.x1 - window.x0);
    const drawnTo = new Float64Array(tree.deepest[0] + 2).fill(-1);
    const [names, cuts] = [[], []];
    let filled = null;
    for (let i = 0; i < tree.num; ) {
      const left = (tree.x0[i] - window.x0) * stretch;
      const right = (tree.x1[i] - window.x0) * stretch;
      const depth = tree.depth[i];
      const y = (depth - window.top) * row;
      const tooThin = right - left < scene.least && Math.floor(right) <= drawnTo[depth];
      if (right <= 0 || left >= width || tooThin || y >= height) {
        i = tree.end[i];
        continue;
      }
      drawnTo[depth] = Math.floor(right);
      if (y > -row) {
        let [from, to] = [Math.max(left, 0), Math.min(right, width)];
        const gap = to - from > 3 ? 1 : 0;
        if (!gap) [from, to] = [Math.floor(from), Math.floor(from) + Math.max(1, Math.round(to - from))]; // crisp slivers
        if (filled !== scene.tint[i]) pen.fillStyle = colours.of(filled = scene.tint[i]);
        pen.fillRect(from, y, to - from - gap, row - 1);
        if (scene.edge[i]) cuts.push(from, y - 1, to - from - gap);
        if (to - from > (row >= this.upright ? LINE : 26) && row > 13) names.push([i, from, to - gap, y]);
      }
      i++;
    }
    pen.fillStyle = colours.ink; // where the cut goes through
    for (let i = 0; i < cuts.length; i += 3) pen.fillRect(cuts[i], cuts[i + 1], cuts[i + 2], 2.5);
    for (const name of names) this.paintName(scene, row, ...name);
    return names.length;
  },

  paintName(scene, row, node, left, right, y) {
    const { pen, letters } = scene;
    const text = scene.tree.names[node];
    const room = right - left - 8;
    pen.fillStyle = scene.colours.on(scene.tint[node]);
    const lines = letters.wrap(text, room, Math.max(1, Math.floor((row - 6) / LINE)));
    const isWhole = lines.join(" ") === text;
    if (!isWhole && row >= this.upright && row - 8 > room) {
      const fitting = letters.wrap(text, row - 10, Math.max(1, Math.floor((right - left - 2) / LINE)));
      pen.save();
      pen.translate((left + right) / 2, y + row - 6);
      pen.rotate(-Math.PI / 2);
      fitting.forEach((line, i) => pen.fillText(line, 0, LINE * (i - fitting.length / 2) + 10));
      pen.restore();
      return;
    }
    let at = y + (row - LINE * lines.length) / 2 + 10.5;
    for (const line of lines) {
      pen.fillText(line, left + 4, at);
      at += LINE;
    }
  },

  // The path around a node, `inset` pixels inside its edge; false where it lies out of sight.
  outline(scene, node, inset) {
    const { tree, window, width, pen } = scene;
    const stretch = width / (window.x1 - window.x0);
    const row = this.row(scene);
    const left = Math.max((tree.x0[node] - window.x0) * stretch, 0);
    const right = Math.min((tree.x1[node] - window.x0) * stretch, width);
    if (right <= left) return false;
    const y = (tree.depth[node] - window.top) * row;
    pen.beginPath();
    pen.rect(left + inset, y + inset, Math.max(right - left - 2 * inset - 1, 1), row - 2 * inset - 1);
    return true;
  },

  // Where in the tree a point of the canvas lies: [x from 0 to 1, depth]; null outside.
  place(scene, x, y) {
    const { window, width } = scene;
    const depth = Math.floor(y / this.row(scene) + window.top);
    return [window.x0 + (x / width) * (window.x1 - window.x0), depth];
  },
};

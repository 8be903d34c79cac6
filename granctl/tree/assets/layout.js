// Arrays over a forest's nodes, which come in preorder: the subtree of i is i .. end[i] - 1.

const MIXED = -1; // a tint: the node holds several classes, or none

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
  const words = forest.names.map((name, i) => `${name}, ${forest.others[i]}`.toLowerCase());
  return { ...forest, num, depth, total, end, deepest, children, x0, x1, home, words };
}

// The class that all labels at or below a node share; -1: several, or none.
function classesBelow(tree, own) {
  const several = -2;
  const below = Int32Array.from(own);
  for (let i = tree.num - 1; i > 0; i--) {
    const up = tree.parents[i];
    if (below[i] === -1) continue;
    if (below[up] === -1) below[up] = below[i];
    else if (below[up] !== below[i]) below[up] = several;
  }
  return below.map((c) => (c === several ? -1 : c));
}

// Tints of a cut, in the order of the drawing so that neighbours differ, and where it goes through.
function tintClasses(tree, below, numTints) {
  const order = new Map();
  const tint = new Int8Array(tree.num).fill(MIXED);
  const edge = new Uint8Array(tree.num);
  for (let i = 0; i < tree.num; i++) {
    const of = below[i];
    if (of < 0) continue;
    if (!order.has(of)) order.set(of, order.size);
    tint[i] = order.get(of) % numTints;
    edge[i] = i === 0 || below[tree.parents[i]] !== of ? 1 : 0;
  }
  return { tint, edge };
}

// Tints without a cut: one for each branch of the node in view. A branch that holds more than a
// fifth is opened: its own branches are told apart, and theirs.
const OPENED_AT = 1 / 5;

function tintBranches(tree, focus, numTints) {
  const tint = new Int8Array(tree.num).fill(MIXED);
  const opened = new Uint8Array(tree.num);
  let number = 0;
  for (let i = focus; i < tree.end[focus]; i++) {
    const up = tree.parents[i];
    if (i === focus) opened[i] = 1;
    else if (!opened[up]) tint[i] = tint[up];
    else if (tree.children[i].length && tree.total[i] > OPENED_AT * tree.total[focus]) opened[i] = 1;
    else tint[i] = number++ % numTints;
  }
  return { tint, edge: new Uint8Array(tree.num) };
}

// Text that fits: widths are remembered, because measuring is most of the work of drawing names.

const LINE = 13;

function lettering(pen) {
  const widths = new Map();
  const width = (text) => {
    let known = widths.get(text);
    if (known === undefined) widths.set(text, (known = pen.measureText(text).width));
    return known;
  };
  function clip(line, room) {
    if (width(line) <= room) return line;
    let [least, most] = [0, line.length - 1]; // the longest beginning that fits
    while (least < most) {
      const middle = (least + most + 1) >> 1;
      if (pen.measureText(`${line.slice(0, middle)}…`).width <= room) least = middle;
      else most = middle - 1;
    }
    return least > 2 ? `${line.slice(0, least).trimEnd()}…` : "";
  }
  function wrap(text, room, most) {
    const lines = [""];
    for (const word of text.split(" ")) {
      const last = lines.length - 1;
      const joined = lines[last] ? `${lines[last]} ${word}` : word;
      if (!lines[last] || width(joined) <= room) lines[last] = joined;
      else lines.push(word);
    }
    const kept = lines.slice(0, most);
    if (lines.length > most) kept[most - 1] += "…";
    return kept.map((line) => clip(line, room)).filter(Boolean);
  }
  return { width, clip, wrap, forget: () => widths.clear() };
}

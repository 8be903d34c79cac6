// A page of sections: figures, tables, the theme, and links into what is folded. `starts` and
// `repaints` are what a page adds of its own.

const starts = [];
const repaints = [];

function openTarget() {
  const id = location.hash.slice(1);
  const node = id && !id.includes("=") && document.getElementById(id);
  for (let at = node; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (node) node.scrollIntoView({ block: "start" });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("figure.lines").forEach((place) => startLines(place));
  document.querySelectorAll("table.sortable").forEach(startTable);
  starts.forEach((start) => start());
  startTheme(() => repaints.forEach((repaint) => repaint()));
  window.addEventListener("hashchange", openTarget);
  openTarget();
  document.documentElement.dataset.ready = "yes";
});

// The report's page: families, targets in the address, and the start.

const familyClass = (family) =>
  ({ taxonomy: "f-taxonomy", clusters: "f-clusters", random: "f-random", "target alone": "f-alone" })[
    family
  ] || "f-other";

function openTarget() {
  const id = location.hash.slice(1);
  const node = id && !id.includes("=") && document.getElementById(id);
  for (let at = node; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (node) node.scrollIntoView({ block: "start" });
}

function start() {
  document.querySelectorAll(".curve").forEach((place, i) => startCurve(place, DATA.panels[i]));
  document.querySelectorAll("table.sortable").forEach(startTable);
  const explorer = DATA.cuts.length ? startExplorer(document.querySelector(".explorer")) : null;
  startTheme(() => explorer && explorer.repaint());
  window.addEventListener("hashchange", openTarget);
  openTarget();
  document.documentElement.dataset.ready = "yes";
}

document.addEventListener("DOMContentLoaded", start);

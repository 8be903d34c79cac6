// The report's page: curves of families, and the tree of cuts.

const familyClass = (family) =>
  ({ taxonomy: "f-taxonomy", clusters: "f-clusters", random: "f-random", "target alone": "f-alone" })[
    family
  ] || "f-other";

starts.push(() => {
  document.querySelectorAll(".curve").forEach((place, i) => startCurve(place, DATA.panels[i]));
  if (!DATA.cuts.length) return;
  const explorer = startExplorer(document.querySelector(".explorer"));
  repaints.push(() => explorer.repaint());
});

// The page that is one drawing: the start.

document.addEventListener("DOMContentLoaded", () => {
  const explorer = startExplorer(document.querySelector(".explorer"));
  startTheme(() => explorer.repaint());
  document.documentElement.dataset.ready = "yes";
});

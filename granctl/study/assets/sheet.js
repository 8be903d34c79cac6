// The contact sheet: classes found by words, put in order, images of one split; in the address too.
"use strict";

const sheet = document.getElementById("sheet");
const find = document.getElementById("find");
const told = document.getElementById("told");
const classes = [...sheet.querySelectorAll(".class")];

const ORDERS = {
  most: (a, b) => b.dataset.images - a.dataset.images || a.dataset.class - b.dataset.class,
  fewest: (a, b) => a.dataset.images - b.dataset.images || a.dataset.class - b.dataset.class,
  name: (a, b) => a.dataset.name.localeCompare(b.dataset.name) || a.dataset.class - b.dataset.class,
};

function chosen(name, fallback) {
  const input = document.querySelector(`input[name=${name}]:checked`);
  return input ? input.value : fallback;
}

function show() {
  const words = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const split = chosen("split", "all");
  let images = 0;
  let shown = 0;
  for (const one of classes) {
    let here = 0;
    for (const figure of one.querySelectorAll("figure")) {
      figure.hidden = split !== "all" && figure.dataset.split !== split;
      here += figure.hidden ? 0 : 1;
    }
    one.hidden = here === 0 || !words.every((word) => one.dataset.words.includes(word));
    shown += one.hidden ? 0 : 1;
    images += one.hidden ? 0 : here;
  }
  told.textContent = `${shown.toLocaleString("en")} classes, ${images.toLocaleString("en")} images`;
  address.write({ find: find.value.trim() || null, split: split === "all" ? null : split });
}

function order() {
  const how = chosen("order", "most");
  sheet.append(...classes.sort(ORDERS[how]));
  address.write({ order: how === "most" ? null : how });
}

function choose(name, value) {
  const input = document.querySelector(`input[name=${name}][value="${CSS.escape(value ?? "")}"]`);
  if (input) input.checked = true;
}

const state = address.read();
find.value = state.get("find") ?? "";
choose("order", state.get("order"));
choose("split", state.get("split"));
find.addEventListener("input", show);
document.querySelectorAll("input[name=split]").forEach((input) => input.addEventListener("change", show));
document.querySelectorAll("input[name=order]").forEach((input) => input.addEventListener("change", order));
startTheme(() => {});
order();
show();
document.body.dataset.ready = "yes";

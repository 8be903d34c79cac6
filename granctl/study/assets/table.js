// Tables that sort by a column: a click on its heading, or sort=TABLE:COLUMN:DIRECTION in the address.

function startTable(table, index) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;

  function sort(column, direction) {
    const sign = direction === "descending" ? -1 : 1;
    const rows = [...body.rows];
    rows.sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === "" || y === "") return (x === "") - (y === ""); // no number: last, either way
      const both = !Number.isNaN(Number(x)) && !Number.isNaN(Number(y));
      return sign * (both ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true }));
    });
    body.append(...rows);
    headings.forEach((heading, i) => {
      if (i === column) heading.setAttribute("aria-sort", direction);
      else heading.removeAttribute("aria-sort");
    });
  }

  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const first = heading.classList.contains("text") ? "ascending" : "descending";
      const other = first === "ascending" ? "descending" : "ascending";
      const next = now === first ? other : first;
      sort(column, next);
      address.write({ sort: `${index}:${column}:${next}` });
    });
  });
  const [wanted, column, direction] = (address.read().get("sort") || "").split(":");
  if (wanted === String(index) && headings[column]) {
    sort(Number(column), direction === "descending" ? direction : "ascending");
  }
}

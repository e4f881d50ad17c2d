
"use strict";
(() => {
  const tables = [...document.querySelectorAll("table.data")];

  // Sorting: a click on a head sorts by its column, numbers with the largest first.
  const value = (row, column) => {
    const cell = row.cells[column];
    const number = cell.dataset.value;
    return number === undefined ? cell.textContent : Number(number);
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  for (const table of tables) {
    const body = table.tBodies[0];
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        const falls = was ? was === "ascending" : head.classList.contains("number");
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falls ? "descending" : "ascending");
        const column = head.cellIndex;
        const rows = [...body.rows].sort((a, b) => {
          const order = compare(value(a, column), value(b, column));
          return falls ? -order : order;
        });
        body.append(...rows);
      });
    }
  }

  // Searching: rows without the words are hidden. "#search=WORDS" in the address does the same.
  if (tables.length === 0) return;
  const bar = document.createElement("div");
  bar.className = "search";
  bar.setAttribute("role", "search");
  const label = document.createElement("label");
  label.htmlFor = "search";
  label.textContent = "Search the tables";
  const input = document.createElement("input");
  input.id = "search";
  input.type = "search";
  const found = document.createElement("span");
  found.setAttribute("role", "status");
  bar.append(label, input, found);
  document.querySelector("main").prepend(bar);
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let all = 0;
    for (const table of tables) {
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
        all += 1;
      }
      if (table.tFoot) table.tFoot.hidden = words.length > 0;
    }
    found.textContent = words.length > 0 ? `${shown} of ${all} rows` : "";
  };
  const read = () => {
    const wanted = /^#search=(.*)$/.exec(location.hash);
    if (!wanted) return;
    try {
      input.value = decodeURIComponent(wanted[1]);
    } catch {
      input.value = wanted[1];
    }
    search();
  };
  input.addEventListener("input", () => {
    search();
    const words = encodeURIComponent(input.value);
    history.replaceState(null, "", words ? `#search=${words}` : location.pathname + location.search);
  });
  addEventListener("hashchange", read);
  read();
})();

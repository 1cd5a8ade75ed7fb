"use strict";
// Sorts tables by a column, and copies them or the command.
(() => {
  const status = document.getElementById("status");

  function sortBy(table, column, isAscending) {
    const value = (row) => {
      const cell = row.cells[column];
      return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
    };
    const compare = (one, other) => {
      const [first, second] = [value(one), value(other)];
      if (typeof first === "number" && typeof second === "number") return first - second;
      if (typeof first === "number" || typeof second === "number") return typeof first === "number" ? -1 : 1;
      return first.localeCompare(second, undefined, { numeric: true });
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((one, other) => compare(one, other) * (isAscending ? 1 : -1)));
  }

  for (const table of document.querySelectorAll(".sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isAscending = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
        sortBy(table, column, isAscending);
      });
    });
  }

  function textOf(node) {
    if (node.tagName !== "TABLE") return node.textContent;
    const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim().replace(/\s+/g, " ")).join("\t");
    return [...node.rows].map(cells).join("\n");
  }

  // Pages opened from a disk may not use the clipboard in every browser; then the text is selected for Ctrl+C.
  async function copy(node) {
    try {
      await navigator.clipboard.writeText(textOf(node));
      status.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(node);
      status.textContent = "Selected: copy it with Ctrl+C.";
    }
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy)));
  }
})();

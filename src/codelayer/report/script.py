"""What a page does by itself: sort tables, copy commands, hand out the data behind a figure.

Gives  `SCRIPT`, inline and without a library. A page is complete without it.
Skips  requests, storage, and text as code: only `textContent` and attributes are read.
"""

from __future__ import annotations

SCRIPT = r"""
(() => {
  document.documentElement.classList.add("live");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const shown = cell => cell.textContent.trim().replace(/\s+/g, " ");

  const sort = button => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head), numeric = head.classList.contains("right");
    const before = head.getAttribute("aria-sort");
    const up = before === "none" ? !numeric : before === "descending";
    const value = row => row.cells[column].dataset.sort;
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      const way = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
      return up ? way : -way;
    };
    body.append(...[...body.rows].sort(order));
    all("th[aria-sort]", table).forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  };

  const say = (button, word) => {
    const before = button.dataset.word ?? (button.dataset.word = button.textContent);
    button.textContent = word;
    setTimeout(() => { button.textContent = before; }, 1600);
  };
  const copyOld = text => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const copy = async button => {
    const text = button.parentNode.querySelector("code").textContent;
    let done = false;
    try { await navigator.clipboard.writeText(text); done = true; } catch { done = copyOld(text); }
    say(button, done ? "Copied" : "Select and copy by hand");
  };

  // a spreadsheet would run a text that begins like a formula
  const safe = text => /^[=+\-@\t\r]/.test(text) && isNaN(text) ? "'" + text : text;
  const field = one => {
    const text = one === null || one === undefined ? "" : typeof one === "number" ? String(one) : safe(String(one));
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const grid = table => all("tr", table).map(row => [...row.cells].map(cell => cell.dataset.csv ?? shown(cell)));
  const download = button => {
    const figure = button.closest("figure"), data = figure.querySelector("script[type='application/json']");
    const rows = data ? JSON.parse(data.textContent) : grid(figure.querySelector("table"));
    const text = rows.map(row => row.map(field).join(",")).join("\r\n") + "\r\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" }));
    link.download = button.dataset.file + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const doing = { sort, copy, download };
  document.addEventListener("click", event => {
    const button = event.target.closest("button[data-do]");
    if (button) doing[button.dataset.do](button);
  });
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => all("details").forEach(one => { one.open = true; }));
  reveal();
})();
"""

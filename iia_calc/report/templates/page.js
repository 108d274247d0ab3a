"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const rows = all("#isomers tbody tr");
  const rowOf = new Map(rows.map((row) => [row.dataset.rank, row]));
  const seconds = Number(document.documentElement.dataset.reload); // of a live page; else not a number
  let viewer = null, chosen = null, geometry = "dft";

  // What is shown, everywhere at once
  const show = () => {
    const row = rowOf.get(chosen);
    if (!row) return;
    for (const element of all(".chosen")) element.classList.remove("chosen");
    for (const element of all(`[data-rank="${chosen}"]`)) element.classList.add("chosen");
    if (byId("caption")) byId("caption").textContent = row.dataset.caption;
    const dft = geometry === "dft" && row.dataset.dft !== undefined;
    for (const button of all("#geometry button")) {
      button.setAttribute("aria-pressed", String((button.dataset.geometry === "dft") === dft));
      button.disabled = button.dataset.geometry === "dft" && row.dataset.dft === undefined;
    }
    return Number(dft ? row.dataset.dft : row.dataset.place);
  };
  const choose = (rank, jump) => {
    chosen = String(rank);
    if (seconds) sessionStorage.setItem(location.pathname, chosen); // for after the reload
    const place = show();
    if (viewer && place !== undefined) viewer.select(viewer.indexer.fromStructure(place, "structure"));
    const box = byId("viewer") && byId("viewer").getBoundingClientRect();
    if (jump && box && (box.bottom < 120 || box.top > innerHeight - 120)) byId("explore").scrollIntoView();
  };
  // A point of the map was clicked: which isomer, and whose geometry
  const followMap = (place) => {
    const row = rows.find((r) => Number(r.dataset.place) === place || Number(r.dataset.dft) === place);
    if (!row) return;
    chosen = row.dataset.rank;
    if (row.dataset.dft !== undefined) geometry = Number(row.dataset.dft) === place ? "dft" : "potential";
    show();
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("tr[data-rank], g[data-rank], text[data-rank], figure[data-rank]");
    if (target) choose(target.dataset.rank, true);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("tr[data-rank]")) choose(event.target.dataset.rank, true);
  });
  for (const button of all("#geometry button"))
    button.addEventListener("click", () => { geometry = button.dataset.geometry; choose(chosen); });
  for (const [id, step] of [["before", -1], ["after", 1]])
    byId(id)?.addEventListener("click", () => {
      const now = all("#isomers tbody tr[data-rank]");
      const next = now[now.indexOf(rowOf.get(chosen)) + step];
      if (next) choose(next.dataset.rank);
    });

  // The table: sorted by a heading, unfolded by the button
  const unfold = () => { for (const row of rows) row.hidden = false; byId("unfold")?.remove(); };
  byId("unfold")?.addEventListener("click", unfold);
  const number = (text) => (text === "" ? Infinity : Number(text));
  for (const button of all("#isomers th button"))
    button.addEventListener("click", () => {
      const heading = button.parentElement, column = heading.cellIndex, up = heading.ariaSort !== "ascending";
      for (const other of all("#isomers th")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      unfold();
      const words = heading.classList.contains("text");
      const value = (row) => row.cells[column].dataset.value;
      const order = (a, b) => {
        const [p, q] = [value(a), value(b)];
        if (p === "" || q === "") return (p === "") - (q === ""); // what isn't known stands last
        return (up ? 1 : -1) * (words ? p.localeCompare(q) : number(p) - number(q));
      };
      const body = rows[0].parentElement;
      body.append(...rows.sort(order));
    });

  // What is to be copied has a button for it
  for (const block of all(".copied")) {
    const button = document.createElement("button"), text = block.textContent;
    button.className = "copy";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    });
    block.prepend(button);
  }

  const first = () => {
    const before = seconds ? sessionStorage.getItem(location.pathname) : null;
    return rowOf.has(before) ? before : rows[0]?.dataset.rank;
  };
  const start = async () => {
    const data = byId("viewer-data");
    if (data) {
      const parts = { meta: "viewer-meta", map: "viewer-map", info: "viewer-info", structure: "viewer-structure" };
      const kind = byId("viewer-map") ? Chemiscope.DefaultVisualizer : Chemiscope.StructureVisualizer;
      viewer = await kind.load(parts, JSON.parse(data.textContent));
      const told = viewer.info.show.bind(viewer.info);
      viewer.info.show = (indexes) => { told(indexes); followMap(indexes.structure); };
    }
    if (first() !== undefined) choose(first());
    document.documentElement.dataset.ready = "yes";
  };
  start().catch((error) => {
    console.error(error);
    byId("viewer")?.replaceChildren(`The 3-D viewer could not start: ${error}`);
  });

  if (seconds) setTimeout(() => location.reload(), 1000 * seconds);
})();

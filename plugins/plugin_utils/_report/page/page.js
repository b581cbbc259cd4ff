"use strict";
// Filters, sorts and opens what the page holds already. It writes no HTML, and asks no server.
(() => {
  const find = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const body = document.querySelector("tbody");
  const list = find("details");
  const tiles = all(".tile");
  const cards = all("details", list);
  const hosts = all("tr", body).map((row, place) => ({
    row,
    card: cards[place],
    // The page comes sorted by severity.
    severity: place,
    host: Number(row.dataset.place),
    kinds: new Set(all(".findings > li", cards[place]).map((one) => one.dataset.kind)),
    text: "",
  }));
  for (const host of hosts) {
    if (host.row.querySelector(".missed")) host.kinds.add("missed");
  }

  const text = (host) => {
    if (!host.text) {
      const parts = all("summary, dl, .findings, .message", host.card).map((part) => part.textContent);
      host.text = parts.join(" ").toLowerCase();
    }
    return host.text;
  };

  const pressed = () => tiles.filter((tile) => tile.ariaPressed === "true").map((tile) => tile.dataset.kind);

  const filter = () => {
    const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = pressed();
    let shown = 0;
    for (const host of hosts) {
      const fits = (!kinds.length || kinds.some((kind) => host.kinds.has(kind))) && words.every((word) => text(host).includes(word));
      host.row.hidden = host.card.hidden = !fits;
      shown += fits;
    }
    for (const item of all(".findings > li", list)) item.hidden = kinds.length > 0 && !kinds.includes(item.dataset.kind);
    body.dataset.only = kinds.join(" ");
    find("nothing").hidden = shown > 0;
    find("shown").textContent = shown === hosts.length ? `${shown} hosts` : `${shown} of ${hosts.length} hosts`;
  };

  const sort = () => {
    const key = find("sort").value;
    hosts.sort((one, other) => one[key] - other[key]);
    body.append(...hosts.map((host) => host.row));
    list.append(...hosts.map((host) => host.card));
    find("head-host").ariaSort = key === "host" ? "ascending" : "none";
    find("head-count").ariaSort = key === "severity" ? "descending" : "none";
  };

  // What to do stands once for each check; a host that is opened gets a copy of what it has not of its own.
  const advise = (card) => {
    for (const item of all(".findings > li:not([data-advised])", card)) {
      item.dataset.advised = "";
      const advice = find(item.querySelector("a").hash.slice(1)).querySelector(".advice").cloneNode(true);
      for (const own of ["why", "remedy"]) {
        if (item.querySelector(`.${own}`)) advice.querySelector(`.${own}`)?.remove();
      }
      item.append(advice);
    }
  };

  const follow = () => {
    const target = find(decodeURIComponent(location.hash.slice(1)));
    const details = target?.closest("details");
    if (details) {
      details.hidden = false;
      details.open = true;
      target.scrollIntoView();
    }
    if (cards.includes(target)) {
      target.querySelector("summary").focus({ preventScroll: true });
    } else if (target?.parentElement === body) {
      target.querySelector("th a").focus();
    }
  };

  const openAll = (open) => cards.forEach((card) => { if (!card.hidden) card.open = open; });

  for (const tile of tiles) {
    tile.addEventListener("click", () => {
      tile.ariaPressed = String(tile.ariaPressed !== "true");
      filter();
    });
  }
  find("filter").addEventListener("input", filter);
  find("sort").addEventListener("change", sort);
  find("reset").addEventListener("click", () => {
    find("filter").value = "";
    tiles.forEach((tile) => { tile.ariaPressed = "false"; });
    filter();
  });
  find("open").addEventListener("click", () => openAll(true));
  find("close").addEventListener("click", () => openAll(false));
  list.addEventListener("toggle", (event) => { if (event.target.open) advise(event.target); }, true);
  body.addEventListener("click", (event) => {
    const link = event.target.closest("tr")?.querySelector("th a");
    if (link && !event.target.closest("a") && getSelection().isCollapsed) link.click();
  });
  addEventListener("hashchange", follow);
  // A link to where the page is already changes no address.
  document.addEventListener("click", (event) => { if (event.target.closest("a")?.hash === location.hash) follow(); });

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])", list).filter((one) => !one.hidden);
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));

  all(".controls").forEach((one) => { one.hidden = false; });
  sort();
  filter();
  follow();
})();

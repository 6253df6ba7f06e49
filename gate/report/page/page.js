"use strict";
// Lists the findings. All text is set as textContent: text of an image is never
// read as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const PAGE = 200;
  const rank = new Map(data.severities.map((s, i) => [s, i]));
  const order = new Map(data.classes.map((c, i) => [c.name, i]));
  const label = new Map(data.classes.map((c) => [c.name, c.label]));

  // A finding is a row of data.findings: image, id, severity, class, package,
  // fixed version, reason, title, url, published.
  const findings = data.findings.map((f, i) => {
    const p = data.packages[f[4]];
    const layer = p[4] < 0 ? null : data.layers[p[4]];
    return {
      i, image: f[0], id: f[1], severity: f[2], class: f[3], fixed: f[5], reason: f[6], title: f[7], url: f[8], published: f[9],
      name: p[0], version: p[1], type: p[2], path: p[3], layer: p[4], layerName: layer ? layer[0] : "",
      text: (f[1] + " " + p[0] + " " + p[3] + " " + f[7]).toLowerCase(),
    };
  });

  const element = (name, text, className) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  };
  const option = (select, value, text) => {
    const o = element("option", text);
    o.value = value;
    select.append(o);
  };
  const unique = (f) => [...new Set(findings.map(f))];
  const byCount = (f) => {
    const n = new Map();
    for (const x of findings) n.set(f(x), (n.get(f(x)) || 0) + 1);
    return [...n].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  };

  for (const s of unique((f) => f.severity).sort((a, b) => rank.get(a) - rank.get(b))) option($("severity"), s, s);
  for (const c of unique((f) => f.class).sort((a, b) => order.get(a) - order.get(b))) option($("class"), c, label.get(c) || c);
  for (const [name, n] of byCount((f) => f.name).slice(0, 500)) option($("package"), name, name + " (" + n + ")");
  for (const [i, n] of byCount((f) => f.layer)) if (i >= 0) option($("layer"), String(i), data.layers[i][0] + " " + data.layers[i][1].slice(0, 40) + " (" + n + ")");
  if ($("image")) data.images.forEach((ref, i) => option($("image"), String(i), ref));

  const keys = ["q", "severity", "class", "package", "layer", "image", "fixable"];
  let sort = { by: "", down: false };
  let shown = [];
  let drawn = 0;

  const value = (k) => { const e = $(k); return !e ? "" : e.type === "checkbox" ? (e.checked ? "1" : "") : e.value; };
  const compare = {
    id: (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
    severity: (a, b) => rank.get(a.severity) - rank.get(b.severity),
    class: (a, b) => order.get(a.class) - order.get(b.class),
    package: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
    layer: (a, b) => a.layer - b.layer,
  };

  function choose() {
    const q = value("q").trim().toLowerCase().split(/\s+/).filter(Boolean);
    const want = Object.fromEntries(keys.map((k) => [k, value(k)]));
    shown = findings.filter((f) =>
      q.every((w) => f.text.includes(w)) && (!want.severity || f.severity === want.severity) && (!want.class || f.class === want.class) &&
      (!want.package || f.name === want.package) && (want.layer === "" || f.layer === Number(want.layer)) &&
      (!want.image || f.image === Number(want.image)) && (!want.fixable || f.fixed !== ""));
    if (sort.by) {
      const c = compare[sort.by], sign = sort.down ? -1 : 1;
      shown.sort((a, b) => sign * c(a, b) || a.i - b.i);
    }
    $("rows").replaceChildren();
    drawn = 0;
    draw(PAGE);
    $("count").textContent = shown.length + " of " + findings.length + " findings";
  }

  function row(f) {
    const tr = element("tr");
    tr.id = "finding-" + f.i;
    const open = element("button", f.id);
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    open.addEventListener("click", () => toggle(tr, open, f));
    const id = element("td");
    id.append(open);
    const pkg = element("td", f.name);
    if (f.path) pkg.append(element("br"), element("span", f.path, "muted"));
    tr.append(id, element("td", f.severity, "severity " + f.severity), element("td", label.get(f.class) || f.class), pkg,
      element("td", f.version + (f.fixed ? " \u2192 " + f.fixed : ", no fix")), element("td", f.layerName));
    return tr;
  }

  function toggle(tr, button, f) {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) { tr.nextSibling.remove(); return; }
    const cell = element("td");
    cell.colSpan = 6;
    const list = element("dl");
    const add = (name, text) => { if (text) list.append(element("dt", name), element("dd", text)); };
    add("Title", f.title);
    add("Class", (label.get(f.class) || f.class) + (f.reason ? ": " + f.reason : ""));
    add("Package type", f.type);
    add("Path", f.path);
    if (f.layer >= 0) add("Layer", data.layers[f.layer][0] + " " + data.layers[f.layer][1]);
    add("Image", data.images[f.image]);
    add("Published", f.published);
    if (/^https?:\/\//.test(f.url)) {
      const a = element("a", f.url);
      a.href = f.url;
      a.rel = "noreferrer noopener";
      const dd = element("dd");
      dd.append(a);
      list.append(element("dt", "More"), dd);
    }
    cell.append(list);
    const detail = element("tr", undefined, "detail");
    detail.append(cell);
    tr.after(detail);
  }

  function draw(n) {
    const part = document.createDocumentFragment();
    for (const f of shown.slice(drawn, drawn + n)) part.append(row(f));
    drawn = Math.min(shown.length, drawn + n);
    $("rows").append(part);
    $("more").hidden = drawn >= shown.length;
    $("more").textContent = "Show more (" + (shown.length - drawn) + " left)";
  }

  // The address carries the filters, so that a view can be linked.
  function save() {
    const p = new URLSearchParams();
    for (const k of keys) if (value(k)) p.set(k, value(k));
    if (sort.by) p.set("sort", (sort.down ? "-" : "") + sort.by);
    history.replaceState(null, "", "#" + (p.size ? "view?" + p : "findings"));
  }
  function load() {
    const hash = location.hash;
    if (!hash.startsWith("#view?")) return false;
    const p = new URLSearchParams(hash.slice(6));
    for (const k of keys) {
      const e = $(k);
      if (!e) continue;
      if (e.type === "checkbox") e.checked = p.has(k);
      else e.value = p.get(k) || "";
    }
    const s = p.get("sort") || "";
    sort = { by: compare[s.replace(/^-/, "")] ? s.replace(/^-/, "") : "", down: s.startsWith("-") };
    mark();
    return true;
  }
  function mark() {
    for (const b of document.querySelectorAll("[data-sort]")) {
      b.parentNode.setAttribute("aria-sort", b.dataset.sort !== sort.by ? "none" : sort.down ? "descending" : "ascending");
    }
  }

  $("filters").hidden = $("list").hidden = findings.length === 0;
  if (findings.length === 0) $("filters").before(element("p", "There are no findings."));
  const changed = () => { choose(); save(); };
  $("filters").addEventListener("input", changed);
  $("filters").addEventListener("reset", () => setTimeout(() => { sort = { by: "", down: false }; mark(); changed(); }));
  $("filters").addEventListener("submit", (e) => e.preventDefault());
  for (const b of document.querySelectorAll("[data-sort]")) {
    b.addEventListener("click", () => {
      sort = { by: b.dataset.sort, down: sort.by === b.dataset.sort && !sort.down };
      mark();
      changed();
    });
  }
  $("more").addEventListener("click", () => draw(PAGE));
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) { e.preventDefault(); $("q").focus(); }
  });
  // On paper there is no button to show more.
  addEventListener("beforeprint", () => {
    draw(shown.length);
    for (const d of document.querySelectorAll("details")) d.open = true;
  });
  addEventListener("hashchange", () => { if (load()) choose(); });

  // Tables that are already in the document have a search of their own.
  for (const input of document.querySelectorAll("[data-rows]")) {
    const rows = [...document.querySelectorAll("#" + input.dataset.rows + " tbody tr")].map((tr) => [tr, tr.textContent.toLowerCase()]);
    const count = document.querySelector("[data-count=" + input.dataset.rows + "]");
    const apply = () => {
      const q = input.value.trim().toLowerCase();
      let n = 0;
      for (const [tr, text] of rows) if (!(tr.hidden = !text.includes(q))) n++;
      count.textContent = n + " of " + rows.length;
    };
    input.addEventListener("input", apply);
    apply();
  }

  const linked = load();
  choose();
  if (linked) $("findings").scrollIntoView();
})();

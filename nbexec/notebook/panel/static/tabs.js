// What is in the tabs. Each is built when it is opened first.

function failureTab() {
  const groups = make("div", "nbx-groups");
  const more = make("div", "nbx-dim");
  const none = make("div", "nbx-dim", "No item has failed.");
  const node = make("div", "nbx-failures", groups, more, none);

  const copy = (text, link) => {
    const copied = () => {
      say(link, "copied");
      setTimeout(() => say(link, "copy debug line"), 1500);
    };
    const shown = () => window.prompt("Copy this line:", text); // where pages may not copy
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(copied, shown);
    else shown();
  };
  const create = () => {
    const type = make("b", "nbx-type", "");
    const message = make("span", "nbx-message", "");
    const place = make("span", "nbx-dim", "");
    const count = make("span", "nbx-count", "");
    const items = make("code", "", "");
    const trace = make("pre", "", "");
    const folded = make("details", "", make("summary", "", "traceback"), trace);
    const debug = button("nbx-link", "copy debug line", () => copy(debug.dataset.line, debug));
    const line = make("div", "nbx-row", type, message, place, count);
    const under = make("div", "nbx-row nbx-under", make("span", "nbx-dim", "first"), items, debug);
    return make("div", "nbx-group", line, under, folded);
  };
  const fill = (box, group) => {
    const [type, message, place, count] = box.children[0].children;
    say(type, group.type);
    say(message, group.message);
    say(place, group.place);
    say(count, group.count);
    const [, items, debug] = box.children[1].children;
    say(items, group.items);
    debug.dataset.line = group.debug;
    debug.title = group.debug;
    say(box.children[2].lastChild, group.traceback);
  };
  const draw = (detail) => {
    keep(groups, detail.groups, create, fill);
    say(more, detail.more);
    none.hidden = detail.groups.length > 0;
  };
  return { node, draw };
}

function outputTab() {
  const progress = progressList();
  const filter = make("input", "nbx-filter");
  filter.type = "search";
  filter.placeholder = "Filter: item 7, epoch, …";
  filter.setAttribute("aria-label", "Filter the output");
  const above = make("div", "nbx-dim");
  const lines = make("pre", "");
  lines.setAttribute("role", "log");
  lines.tabIndex = 0; // it scrolls, by keyboard too
  const none = make("div", "nbx-dim", "Nothing was written yet.");
  const node = make("div", "nbx-output", progress.node, filter, above, lines, none);
  let last = null;

  const create = () => make("div", "", make("span", "nbx-dim", ""), make("span", "", ""));
  const draw = (detail) => {
    last = detail;
    progress.draw(detail.progress);
    const wanted = filter.value.trim().toLowerCase();
    const rows = detail.rows.filter(
      (row) => !wanted || `${row.item} │ ${row.text}`.toLowerCase().includes(wanted),
    );
    say(above, detail.above);
    filter.hidden = lines.hidden = detail.rows.length === 0;
    none.hidden = detail.rows.length > 0 || detail.progress.length > 0;
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
    keep(lines, rows, create, (line, row) => {
      line.className = `nbx-${row.stream}`;
      say(line.firstChild, `${row.item} │ `);
      say(line.lastChild, row.text);
    });
    if (atEnd) lines.scrollTop = lines.scrollHeight; // follow, unless somebody reads above
  };
  filter.oninput = () => last && draw(last);
  return { node, draw };
}

// The steps of a cell under %%parallel: its lines, how each runs, how long it took.
function planTab() {
  const body = make("tbody", "");
  const head = make("tr", "", make("th", "", "step"), make("th", "", "how"), make("th", "", "took"));
  const node = make("table", "nbx-plan", make("thead", "", head), body);
  const create = () => make("tr", "", make("td", ""), make("td", ""), make("td", ""));
  const draw = (detail) =>
    keep(body, detail.steps, create, (row, step) => {
      say(row.children[0], step.lines);
      say(row.children[1], step.how);
      say(row.children[2], step.took);
      row.classList.toggle("nbx-now", step.how === "running");
    });
  return { node, draw };
}

function buildTab(tab, model, send) {
  if (tab === "failures") return failureTab();
  if (tab === "output") return outputTab();
  if (tab === "plan") return planTab();
  return plotTab(tab, model, send);
}

// Draws what nbexec/notebook/snapshot.py says, and works nothing out.
// Whatever comes from a run is set with textContent: it is text, never HTML.

const SVG = "http://www.w3.org/2000/svg";
const DEAF = 2000; // ms without an answer to a click, after which the panel says so

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

function button(className, label, onclick) {
  const node = make("button", className, label);
  node.type = "button";
  node.onclick = onclick;
  return node;
}

// Only when it changes: a screen reader may be reading it, a mouse may be selecting it.
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function sparkline(className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `nbx-spark ${className}`);
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const area = svg.appendChild(document.createElementNS(SVG, "polygon"));
  const line = svg.appendChild(document.createElementNS(SVG, "polyline"));
  const draw = (heights) => {
    const step = 100 / Math.max(1, heights.length - 1);
    const points = heights.map((height, at) => `${at * step},${97 - 0.94 * height}`);
    if (points.length === 1) points.push(`100,${97 - 0.94 * heights[0]}`);
    line.setAttribute("points", points.join(" "));
    area.setAttribute("points", ["0,100", ...points, "100,100"].join(" "));
  };
  return { svg, draw };
}

function meter() {
  const label = make("span", "nbx-dim");
  const number = make("b", "");
  const unit = make("span", "nbx-dim");
  const spark = sparkline("");
  const node = make("span", "nbx-meter", label, spark.svg, number, unit);
  const draw = (shown) => {
    node.classList.toggle("nbx-memory", shown.about === "memory");
    say(label, shown.label);
    say(number, shown.number);
    say(unit, shown.unit);
    spark.draw(shown.line);
  };
  return { node, draw };
}

function failureList() {
  const title = make("summary", "", "Failures");
  const body = make("tbody", "");
  const more = make("div", "nbx-dim");
  const node = make("details", "nbx-failures", title, make("table", "", body), more);
  let last = "";
  const draw = (rows, rest) => {
    node.hidden = rows.length === 0;
    say(more, rest);
    const now = JSON.stringify(rows);
    if (now === last) return;
    last = now;
    body.replaceChildren(
      ...rows.map((row) =>
        make(
          "tr",
          "",
          make("td", "nbx-dim", row.index),
          make("th", "", row.type),
          make("td", "", row.message),
          make("td", "", make("code", "", row.item)),
        ),
      ),
    );
  };
  return { node, draw };
}

// What items tell with nbexec.progress: a small bar and a few words each.
function progressList() {
  const node = make("div", "nbx-progress");
  const draw = (rows) => {
    node.hidden = rows.length === 0;
    while (node.children.length < rows.length) {
      const bar = make("span", "nbx-small", make("i", ""));
      node.append(make("div", "", make("span", "nbx-dim", ""), bar, make("span", "", "")));
    }
    while (node.children.length > rows.length) node.lastChild.remove();
    rows.forEach((row, at) => {
      const [item, bar, words] = node.children[at].children;
      say(item, row.item);
      bar.style.visibility = row.share === null ? "hidden" : "visible";
      bar.firstChild.style.width = `${row.share || 0}%`;
      say(words, row.share === null ? row.text : `${Math.round(row.share)}% ${row.text}`);
    });
  };
  return { node, draw };
}

function outputList() {
  const above = make("div", "nbx-dim");
  const lines = make("pre", "");
  const node = make("div", "nbx-output", above, lines);
  node.setAttribute("role", "log");
  let last = "";
  const draw = (rows, rest) => {
    node.hidden = rows.length === 0;
    say(above, rest);
    const now = JSON.stringify(rows);
    if (now === last) return;
    last = now;
    lines.replaceChildren(
      ...rows.map((row) =>
        make(
          "div",
          `nbx-${row.stream}`,
          make("span", "nbx-dim", `${row.item} │ `),
          make("span", "", row.text),
        ),
      ),
    );
  };
  return { node, draw };
}

function render({ model, el }) {
  let timer; // runs from a click until the kernel has heard it
  let heard = model.get("snapshot").heard;
  const answered = () => {
    clearTimeout(timer);
    deaf.hidden = true;
  };
  const send = (command) => {
    model.send(command);
    clearTimeout(timer);
    timer = setTimeout(() => (deaf.hidden = false), DEAF);
  };

  const sign = make("span", "nbx-sign");
  sign.setAttribute("aria-hidden", "true");
  const name = make("strong", "nbx-name");
  const state = make("span", "nbx-state");
  state.setAttribute("role", "status");
  const where = make("span", "nbx-where nbx-dim");

  const fewer = button("nbx-step", "−", () => send({ do: "workers", by: -1 }));
  fewer.setAttribute("aria-label", "One worker fewer");
  const more = button("nbx-step", "+", () => send({ do: "workers", by: 1 }));
  more.setAttribute("aria-label", "One worker more");
  const count = make("b", "");
  const workers = make("span", "nbx-workers nbx-dim", "workers", fewer, count, more);
  workers.setAttribute("role", "group");
  workers.setAttribute("aria-label", "Workers");
  const pause = button("nbx-pause", "Pause", () =>
    send({ do: model.get("snapshot").phase === "paused" ? "resume" : "pause" }),
  );
  const cancel = button("nbx-cancel", "Cancel", () => {
    cancel.disabled = true;
    send({ do: "cancel" });
  });
  const hands = make("span", "nbx-hands", workers, pause, cancel);

  const ok = make("i", "");
  const bad = make("i", "nbx-bad");
  const bar = make("div", "nbx-bar", ok, bad);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");

  const done = make("b", "");
  const of = make("span", "");
  const facts = make("span", "nbx-facts");
  const meters = make("span", "nbx-meters");
  const numbers = make("div", "nbx-numbers", make("span", "", done, " ", of), facts, meters);
  const drawn = [];

  const deaf = make(
    "div",
    "nbx-deaf",
    "The kernel has not heard this click yet. To stop at once, press ■ in the toolbar.",
  );
  deaf.setAttribute("role", "alert");
  deaf.hidden = true;
  const failures = failureList();
  const progress = progressList();
  const output = outputList();

  const root = make(
    "section",
    "nbexec-panel",
    make("div", "nbx-head", sign, name, state, where, hands),
    bar,
    numbers,
    deaf,
    progress.node,
    failures.node,
    output.node,
  );
  // Without it JupyterLab takes Enter and Space for its own, before a button sees them.
  root.setAttribute("data-lm-suppress-shortcuts", "true");

  const draw = () => {
    const shown = model.get("snapshot");
    root.dataset.phase = shown.phase;
    root.setAttribute("aria-label", `Run ${shown.name}`);
    say(name, shown.name);
    say(state, shown.state);
    say(where, shown.where);
    where.title = shown.where;

    hands.hidden = !shown.live && shown.phase !== "cancelling";
    workers.hidden = !shown.scalable;
    say(count, String(shown.workers));
    fewer.disabled = shown.workers <= 1;
    say(pause, shown.phase === "paused" ? "Resume" : "Pause");
    pause.disabled = !shown.live;
    if (!shown.live) cancel.disabled = true;

    bar.classList.toggle("nbx-unknown", shown.shares === null);
    bar.setAttribute("aria-label", `${shown.name}: progress`);
    bar.setAttribute("aria-valuetext", `${shown.done} ${shown.of}`);
    const [good, failed] = shown.shares || [0, 0];
    ok.style.width = `${good}%`;
    bad.style.width = `${failed}%`;
    if (shown.shares === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", String(Math.round(good + failed)));

    say(done, shown.done);
    say(of, shown.of);
    while (facts.children.length < shown.facts.length) facts.append(make("span", ""));
    while (facts.children.length > shown.facts.length) facts.lastChild.remove();
    shown.facts.forEach(([label, words], at) => {
      facts.children[at].className = `nbx-${label}`;
      say(facts.children[at], words);
    });
    shown.meters.forEach((one, at) => {
      if (!drawn[at]) {
        drawn[at] = meter();
        meters.append(drawn[at].node);
      }
      drawn[at].draw(one);
    });
    progress.draw(shown.progress);
    failures.draw(shown.failures, shown.more);
    output.draw(shown.output, shown.above);

    if (shown.heard !== heard) answered();
    heard = shown.heard;
  };

  model.on("change:snapshot", draw);
  draw();
  el.append(root);
  return () => {
    clearTimeout(timer);
    model.off("change:snapshot", draw);
  };
}

export default { render };

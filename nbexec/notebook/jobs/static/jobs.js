// Draws what nbexec/notebook/jobs/job_rows.py says; it only counts down by itself.

const TICK = 250; // ms
const LONG = 12; // characters of a result, above which it has a line of its own

function until(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  if (left === 0) return "now";
  if (left < 100) return `in ${left} s`;
  if (left < 3600) return `in ${Math.floor(left / 60)} min ${left % 60} s`;
  if (left < 86400) return `in ${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
  return `in ${Math.floor(left / 86400)} d ${Math.floor((left % 86400) / 3600)} h`;
}

function render({ model, el }) {
  let ahead = 0; // seconds by which the kernel's clock is ahead of the page's
  const send = (command, line) => model.send({ do: command, at: Number(line.dataset.at) });
  const create = () => {
    const pause = button("nbx-pause", "Pause", () => send(pause.dataset.do, line));
    const run = button("", "Run now", () => send("run", line));
    const cancel = button("nbx-cancel", "Cancel", () => send("cancel", line));
    const sign = make("span", "nbx-sign");
    sign.setAttribute("aria-hidden", "true");
    const line = make(
      "section",
      "nbexec-panel nbx-job",
      sign,
      make("strong", "nbx-name"),
      make("span", "nbx-trigger nbx-dim"),
      make("span", "nbx-state"),
      make("span", "nbx-counts nbx-dim"),
      make("code", "nbx-last"),
      make("span", "nbx-hands", run, pause, cancel),
    );
    line.setAttribute("role", "listitem");
    return line;
  };
  const words = (row) => {
    if (!row.live || row.paused || row.state === "running" || row.due === null) return row.state;
    return until(row.due - Date.now() / 1000 - ahead);
  };
  const drawOne = (line, row) => {
    const [, name, trigger, state, counts, last, hands] = line.children;
    const phases = { waiting: "running", running: "running" };
    line.dataset.phase = phases[row.state] || row.state;
    line.dataset.state = row.state;
    say(name, row.name);
    name.title = row.name;
    say(trigger, row.trigger);
    say(state, words(row));
    state.title = row.at ? `next: ${row.at}` : "";
    say(counts, row.counts);
    say(last, row.last);
    last.title = row.last;
    last.classList.toggle("nbx-type", row.bad);
    last.classList.toggle("nbx-long", row.last.length > LONG);
    const [run, pause, cancel] = hands.children;
    hands.hidden = !row.live;
    say(pause, row.paused ? "Resume" : "Pause");
    pause.dataset.do = row.paused ? "resume" : "pause";
    for (const [one, what] of [[run, "Run now"], [pause, pause.textContent], [cancel, "Cancel"]])
      one.setAttribute("aria-label", `${what}: ${row.name}`);
  };
  const root = make("div", "nbx-jobs");
  root.setAttribute("role", "list");
  const tick = () => {
    keep(root, model.get("snapshot").rows, create, (line, row) => {
      line.dataset.at = String([...root.children].indexOf(line));
      drawOne(line, row);
    });
  };
  const draw = () => {
    ahead = model.get("snapshot").now - Date.now() / 1000;
    tick();
  };
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  model.on("change:snapshot", draw);
  draw();
  el.append(root);
  model.send({ do: "fresh" }); // the snapshot may be old
  const timer = setInterval(tick, TICK);
  return () => {
    clearInterval(timer);
    model.off("change:snapshot", draw);
  };
}

export default { render };

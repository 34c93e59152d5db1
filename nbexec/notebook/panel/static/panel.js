// Draws what nbexec/notebook/snapshot.py says, and works nothing out.

const DEAF = 2000; // ms without an answer to a click, after which the panel says so

// Minus, slider, plus and the number of workers.
function workerControl(send) {
  let shown = { workers: 1, most: 1 };
  const change = (count) => send({ do: "workers", count });
  const fewer = button("nbx-step", "−", () => change(Math.max(1, shown.workers - 1)));
  fewer.setAttribute("aria-label", "One worker fewer");
  const more = button("nbx-step", "+", () => change(shown.workers + 1));
  more.setAttribute("aria-label", "One worker more");
  const slider = make("input", "nbx-slider");
  slider.type = "range";
  slider.min = "1";
  slider.setAttribute("aria-label", "Number of workers");
  const count = make("b", "");
  let held = false; // while it is being moved, it shows what the hand says
  slider.oninput = () => {
    held = true;
    say(count, slider.value);
    change(Number(slider.value));
  };
  slider.onchange = () => (held = false);
  const node = make("span", "nbx-workers nbx-dim", "workers", fewer, slider, count, more);
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Workers");
  const draw = (snapshot) => {
    shown = snapshot;
    node.hidden = !shown.scalable;
    fewer.disabled = shown.workers <= 1;
    if (held) return;
    slider.max = String(Math.max(shown.most, Number(slider.max) || 1));
    slider.value = String(shown.workers);
    say(count, String(shown.workers));
  };
  return { node, draw };
}

// A row of tabs, and what is in the open one.
function tabRow(model, send) {
  const row = make("div", "nbx-tabs");
  row.setAttribute("role", "tablist");
  const body = make("div", "nbx-body");
  body.setAttribute("role", "tabpanel");
  const built = {};
  let open = "";
  let wanted = null; // what was clicked, until the kernel has heard it

  const choose = (tab) => {
    wanted = tab === open ? "" : tab;
    send({ do: "tab", tab: wanted });
    show(wanted);
  };
  const create = () => {
    const one = button("nbx-tab", "", () => choose(one.dataset.tab));
    one.setAttribute("role", "tab");
    one.append(make("span", "", ""), make("b", "", ""));
    return one;
  };
  const show = (tab) => {
    open = tab;
    body.hidden = !tab;
    if (tab && !built[tab]) {
      built[tab] = buildTab(tab, model, send);
      body.append(built[tab].node);
    }
    for (const [name, one] of Object.entries(built)) one.node.hidden = name !== tab;
    for (const one of row.children)
      one.setAttribute("aria-selected", String(one.dataset.tab === tab));
    fill();
  };
  const fill = () => {
    const detail = model.get("detail");
    if (open && detail.tab === open) built[open].draw(detail);
  };
  const draw = (shown, answered) => {
    keep(row, shown.tabs, create, (one, tab) => {
      one.dataset.tab = tab.id;
      say(one.firstChild, tab.label);
      say(one.lastChild, tab.count);
      one.lastChild.className = `nbx-in-${tab.id}`;
    });
    if (answered) wanted = null;
    const tab = wanted === null ? shown.tab : wanted;
    if (tab !== open || row.dataset.drawn === undefined) show(tab);
    row.dataset.drawn = "";
  };
  const close = () => Object.values(built).forEach((one) => one.close && one.close());
  return { row, body, draw, fill, close };
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

  let folded = false;
  const fold = button("nbx-fold", "", () => {
    setFolded(!folded);
    send({ do: "fold", folded });
  });
  const setFolded = (now) => {
    folded = now;
    root.dataset.folded = String(now);
    fold.setAttribute("aria-expanded", String(!now));
    fold.setAttribute("aria-label", now ? "Unfold the panel" : "Fold the panel");
    say(fold, now ? "▸" : "▾");
  };
  const sign = make("span", "nbx-sign");
  sign.setAttribute("aria-hidden", "true");
  const name = make("strong", "nbx-name");
  const state = make("span", "nbx-state");
  state.setAttribute("role", "status");
  const where = make("span", "nbx-where nbx-dim");

  const workers = workerControl(send);
  const pause = button("nbx-pause", "Pause", () =>
    send({ do: model.get("snapshot").phase === "paused" ? "resume" : "pause" }),
  );
  const cancel = button("nbx-cancel", "Cancel", () => send({ do: "cancel" }));
  const retry = button("nbx-retry", "", () => send({ do: "retry" }));
  const shut = button("nbx-step", "✕", () => send({ do: "close" }));
  shut.setAttribute("aria-label", "Close the panel");
  const hands = make("span", "nbx-hands", workers.node, pause, cancel, retry, shut);

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

  const advice = make("div", "nbx-advice nbx-told");
  advice.setAttribute("role", "note");
  const deaf = make(
    "div",
    "nbx-deaf nbx-told",
    "The kernel has not heard this click yet. To stop at once, press ■ in the toolbar.",
  );
  deaf.setAttribute("role", "alert");
  deaf.hidden = true;
  const tabs = tabRow(model, send);

  const root = make(
    "section",
    "nbexec-panel",
    make("div", "nbx-head", fold, sign, name, state, where, hands),
    bar,
    numbers,
    advice,
    deaf,
    tabs.row,
    tabs.body,
  );
  // Without it JupyterLab takes Enter and Space for its own, before a button sees them.
  root.setAttribute("data-lm-suppress-shortcuts", "true");

  const draw = () => {
    const shown = model.get("snapshot");
    const news = shown.heard !== heard;
    heard = shown.heard;
    if (news) {
      answered();
      if (shown.folded !== folded) setFolded(shown.folded);
    }
    root.dataset.phase = shown.phase;
    root.dataset.idle = String(shown.idle);
    root.setAttribute("aria-label", `Run ${shown.name}`);
    say(name, shown.name);
    say(state, shown.state);
    say(where, shown.where);
    where.title = shown.where;

    const going = shown.live || shown.phase === "cancelling";
    pause.hidden = cancel.hidden = !going;
    say(retry, shown.retry);
    retry.hidden = !shown.retry;
    shut.hidden = !shown.closable;
    workers.draw(shown);
    say(pause, shown.phase === "paused" ? "Resume" : "Pause");
    pause.disabled = !shown.live;
    cancel.disabled = !shown.live;

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
    keep(facts, shown.facts, () => make("span", ""), (fact, [label, words]) => {
      fact.className = `nbx-${label}`;
      say(fact, words);
    });
    shown.meters.forEach((one, at) => {
      if (!drawn[at]) {
        drawn[at] = meter();
        meters.append(drawn[at].node);
      }
      drawn[at].draw(one);
    });
    say(advice, shown.advice);
    advice.hidden = !shown.advice;
    tabs.draw(shown, news);
    if (shown.number) model.send({ do: "drawn", number: shown.number });
  };

  setFolded(model.get("snapshot").folded);
  model.on("change:snapshot", draw);
  model.on("change:detail", tabs.fill);
  draw();
  el.append(root);
  return () => {
    clearTimeout(timer);
    model.off("change:snapshot", draw);
    model.off("change:detail", tabs.fill);
    tabs.close();
    if (!model.get("snapshot").ended) return;
    // Where the page could not be told to show the summary instead: leave the last picture.
    const place = el.closest(".jp-OutputArea-output") || el.parentElement;
    const picture = root.cloneNode(true);
    for (const one of picture.querySelectorAll(".nbx-hands, .nbx-tabs, .nbx-body, .nbx-fold")) one.remove();
    if (place) place.append(picture);
  };
}

export default { render };

// Bokeh plots: the figure is asked for when its tab is opened, its data are in the detail.

// Once a page, whatever the number of panels: a megabyte of BokehJS, kept as `window.Bokeh`.
function loadBokeh(buffers) {
  if (!window.Bokeh && buffers.length) {
    const text = new TextDecoder().decode(buffers[0]);
    // With no `module` or `define` in sight it sets window.Bokeh.
    new Function("module", "exports", "define", text).call(window);
  }
  return window.Bokeh;
}

function plotTab(tab, model, send) {
  const waiting = make("div", "nbx-dim", "Drawing the plot…");
  waiting.setAttribute("role", "status");
  const place = make("div", "nbx-plot");
  const node = make("div", "", waiting, place);
  let figure = null; // Bokeh's document
  const lines = {}; // of the figure, by the name that they had at first
  let asked = false;
  let last = null; // the detail that came last

  const fill = () => {
    if (!figure || !last) return;
    const columns = {};
    for (const [name, values] of Object.entries(last.columns))
      columns[name] = values.map((value) => (value === null ? NaN : value));
    figure.get_model_by_name("live").data = columns;
    for (const [name, who] of Object.entries(last.names)) {
      if (!lines[name]) lines[name] = figure.get_model_by_name(name);
      if (lines[name].name !== who) lines[name].name = who;
    }
  };
  const embed = async (item, buffers) => {
    if (figure) return;
    const Bokeh = loadBokeh(buffers);
    if (!Bokeh) {
      asked = false; // another view's answer, without the library
      return;
    }
    figure = "coming";
    await Bokeh.embed.embed_item(item, place);
    figure = Bokeh.documents[Bokeh.documents.length - 1];
    waiting.hidden = true;
    fill();
  };
  const onMessage = (content, buffers) => {
    if (content.plot === tab) embed(content.item, buffers || []);
  };
  model.on("msg:custom", onMessage);

  const draw = (detail) => {
    last = detail;
    if (!asked) {
      asked = true;
      send({ do: "plot", tab, library: !window.Bokeh });
    }
    if (figure && figure !== "coming") fill();
  };
  const close = () => {
    model.off("msg:custom", onMessage);
    if (figure && figure !== "coming") figure.clear();
  };
  return { node, draw, close };
}

// The small pieces that a panel is made of.
// Whatever comes from a run is set with textContent: it is text, never HTML.

const SVG = "http://www.w3.org/2000/svg";

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

// Keep as many children as there are rows; `create` makes one more, `draw` fills one.
function keep(node, rows, create, draw) {
  while (node.children.length < rows.length) node.append(create());
  while (node.children.length > rows.length) node.lastChild.remove();
  rows.forEach((row, at) => draw(node.children[at], row));
}

// What items tell with nbexec.progress: a small bar and a few words each.
function progressList() {
  const node = make("div", "nbx-progress");
  const create = () => {
    const bar = make("span", "nbx-small", make("i", ""));
    return make("div", "", make("span", "nbx-dim", ""), bar, make("span", "", ""));
  };
  const draw = (rows) => {
    node.hidden = rows.length === 0;
    keep(node, rows, create, (line, row) => {
      const [item, bar, words] = line.children;
      say(item, row.item);
      bar.style.visibility = row.share === null ? "hidden" : "visible";
      bar.firstChild.style.width = `${row.share || 0}%`;
      say(words, row.share === null ? row.text : `${Math.round(row.share)}% ${row.text}`);
    });
  };
  return { node, draw };
}

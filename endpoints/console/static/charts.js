// Charts of what a page has as data. Colours are the page's own, also after a change of theme.
const HEIGHT = 170;
const VISIBLE = 4; // a threshold of more than so many times the highest value would flatten all others

function colour(name) {
  const probe = document.createElement("span");
  probe.className = `colour-${name}`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function day(time) {
  return new Date(time * 1000).toISOString().slice(0, 10);
}

function seriesOf({ label, kind, colour: name, digits }) {
  const shape = kind === "bars" ? { paths: uPlot.paths.bars({ size: [0.7, 24] }), fill: colour(name) } : { width: 2 };
  const points = { show: kind === "line", size: 5, fill: colour(name) };
  return { label, stroke: colour(name), points, value: (_, value) => value?.toFixed(digits) ?? "", ...shape };
}

function draw(element) {
  const { times, series, thresholds, band } = JSON.parse(element.dataset.chart);
  const highest = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const lines = thresholds.filter(({ value }) => value <= highest * VISIBLE);
  const top = Math.max(highest, ...lines.map(({ value }) => value)) * 1.1 || 1;
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const options = {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    scales: { y: { range: [0, top] } },
    axes: [{ ...axis, space: 60, values: (_, shown) => shown.map((time) => day(time).slice(5)) }, { ...axis, size: 48 }],
    bands: band ? [{ series: band.between, fill: colour(band.colour).replace(/^rgb\((.*)\)$/, "rgba($1, .2)") }] : [],
    series: [
      { label: "Day", value: (_, time) => (time === null ? "" : day(time)) },
      ...series.map(seriesOf),
      ...lines.map(({ label }) => ({ label, stroke: colour("bad"), dash: [6, 4], width: 1, points: { show: false }, value: (_, value) => value ?? "" })),
    ],
  };
  element.replaceChildren();
  new uPlot(options, [times, ...series.map(({ values }) => values), ...lines.map(({ value }) => times.map(() => value))], element);
}

addEventListener("load", () => {
  for (const element of document.querySelectorAll("[data-chart]")) {
    let width = 0;
    new ResizeObserver(() => {
      if (element.clientWidth !== width) {
        width = element.clientWidth;
        draw(element);
      }
    }).observe(element);
    new MutationObserver(() => draw(element)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(element));
  }
});

// Charts of what a page has as data. Colours are the page's own, also after a change of theme.
const HEIGHT = 160;

function colour(name) {
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.className = `colour-${name}`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function day(time) {
  return new Date(time * 1000).toISOString().slice(0, 10);
}

function draw(element) {
  const { times, generations, cost_usd: cost } = JSON.parse(element.dataset.chart);
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const options = {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] }, usd: { range: (_, low, high) => [0, Math.max(0.01, high * 1.1)] } },
    axes: [{ ...axis, space: 60, values: (_, times) => times.map((time) => day(time).slice(5)) }, { ...axis, size: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }],
    series: [
      { value: (_, time) => (time === null ? "" : day(time)), label: "Day" },
      { label: "Generations", paths: uPlot.paths.bars({ size: [0.7, 24] }), fill: colour("accent"), stroke: colour("accent"), points: { show: false }, value: (_, count) => count ?? "" },
      { label: "Cost in $", scale: "usd", stroke: colour("warn"), width: 2, points: { show: false }, value: (_, usd) => (usd === null ? "" : usd.toFixed(4)) },
    ],
  };
  element.replaceChildren();
  return new uPlot(options, [times, generations, cost], element);
}

addEventListener("load", () => {
  for (const element of document.querySelectorAll("[data-chart]")) {
    draw(element);
    new ResizeObserver(() => { if (element.dataset.width !== String(element.clientWidth)) { element.dataset.width = element.clientWidth; draw(element); } }).observe(element);
    new MutationObserver(() => draw(element)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(element));
  }
});

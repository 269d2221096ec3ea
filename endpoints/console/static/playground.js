// The playground: events of a generation are read from the answer to the form, and shown as they come.
const form = document.querySelector("#playground");
const output = document.querySelector("#output");
const state = document.querySelector("#state");
const figures = document.querySelector("#figures");
const constraint = document.querySelector("#constraint");
const generate = document.querySelector("#generate");
const stop = document.querySelector("#stop");
const HINTS = { grammar: "Lark, as llguidance reads it", regex: "The whole text matches it", choice: "One a line", constraints: "A constraint set: where each one is enforced is told below" };
let running = null;

function chooseKind(radio, isFirst) {
  const labels = document.querySelector("#constraint-label");
  labels.textContent = radio.parentElement.textContent;
  document.querySelector("#constraint-hint").textContent = HINTS[radio.value] ?? "";
  document.querySelector("#constraint-field").hidden = radio.value === "none";
  if (!isFirst) {
    form.elements.prompt.value = radio.dataset.prompt;
    constraint.value = radio.dataset.example;
  }
  constraint.rows = Math.max(4, Math.min(16, constraint.value.split("\n").length + 1));
  htmx.trigger(constraint, "check");
}

function show(figure, text) {
  figures.querySelector(`[data-figure=${figure}]`).textContent = text;
}

function finish(done) {
  const { usage, timing } = done;
  const writing = timing.total_s - (timing.time_to_first_token_s ?? 0);
  show("finish", { stop: "the end", length: "the limit of tokens", abort: "a stop" }[done.finish_reason]);
  show("tokens", `${usage.completion_tokens} after ${usage.prompt_tokens} (${usage.cached_tokens} cached)`);
  show("first", timing.time_to_first_token_s === null ? "–" : `${timing.time_to_first_token_s.toFixed(2)} s`);
  show("total", `${timing.total_s.toFixed(2)} s`);
  show("rate", writing > 0 && usage.completion_tokens > 1 ? ((usage.completion_tokens - 1) / writing).toFixed(0) : "–");
  show("cost", `$${done.cost_usd.toFixed(6)}`);
  figures.hidden = false;
  state.textContent = done.finish_reason === "length" ? "It was cut: what is here is the beginning of a valid text." : "Done.";
}

function take(event, data) {
  if (event === "delta") {
    const step = document.createElement("span");
    step.textContent = data.text;
    output.append(step);
  } else if (event === "rewrite") {
    output.replaceChildren();
    state.textContent = `It broke ${data.violations.map(({ constraint }) => constraint).join(", ")}: it is written again.`;
  } else if (event === "done") {
    finish(data);
  } else if (event === "error") {
    state.textContent = data.detail;
  }
}

async function read(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (waiting + value).split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (lines.event) take(lines.event, JSON.parse(lines.data));
    }
  }
}

form.addEventListener("change", (event) => {
  if (event.target.name === "kind") chooseKind(event.target, false);
});

stop.addEventListener("click", () => running?.abort());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  running = new AbortController();
  output.replaceChildren();
  document.querySelector("#notices").replaceChildren();
  figures.hidden = true;
  state.textContent = "Waiting for the first token ...";
  generate.disabled = true;
  stop.hidden = false;
  try {
    const headers = { accept: "text/event-stream", "hx-request": "true" };
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers, signal: running.signal });
    if (response.headers.get("hx-redirect")) location.assign(response.headers.get("hx-redirect"));
    else if (response.headers.get("content-type")?.startsWith("text/event-stream")) await read(response);
    else {
      document.querySelector("#notices").innerHTML = await response.text();
      state.textContent = "Nothing was written.";
    }
  } catch (error) {
    state.textContent = error.name === "AbortError" ? "Stopped." : "The connection broke.";
  } finally {
    generate.disabled = false;
    stop.hidden = true;
  }
});

addEventListener("load", () => chooseKind(form.querySelector("[name=kind]:checked"), true));

// What every page of the console does in the browser. The pages work without it, as far as forms and links go.
const LANGUAGES = ["json", "python", "typescript"];
const YEAR_S = 60 * 60 * 24 * 365;

function switchTheme() {
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark;
  root.dataset.theme = isDark ? "light" : "dark";
  document.cookie = `lift-theme=${root.dataset.theme}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

async function copy(button) {
  const source = document.querySelector(button.dataset.copy);
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy by hand";
    getSelection().selectAllChildren(source);
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

// Loaded by the first page that shows code: most show none, and are there sooner without it.
let highlighter = null;

async function loadHighlighter() {
  const [core, ...languages] = await Promise.all(["core", ...LANGUAGES].map((name) => import(`/assets/vendor/highlightjs/${name}.min.js`)));
  languages.forEach((language, number) => core.default.registerLanguage(LANGUAGES[number], language.default));
  return core.default;
}

async function highlight(root) {
  const find = () => root.querySelectorAll("pre code[class^='language-']:not([data-highlighted])");
  if (!find().length) return;
  highlighter ??= loadHighlighter().catch(() => null);
  const hljs = await highlighter;
  if (hljs === null) highlighter = null; // the connection was lost: the next code that comes asks again
  else for (const code of find()) hljs.highlightElement(code);
}

function goToLine(field, number) {
  const start = field.value.split("\n").slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
  const end = field.value.indexOf("\n", start);
  field.focus();
  field.setSelectionRange(start, end < 0 ? field.value.length : end);
  field.scrollTop = (number - 4) * parseFloat(getComputedStyle(field).lineHeight);
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button, summary, a");
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (!target) return;
  if (target.matches("[data-theme-toggle]")) switchTheme();
  if (target.matches("[data-copy]")) copy(target);
  if (target.matches("[data-dismiss]")) target.closest(".notice").remove();
  if (target.matches("[data-go-to-line]")) goToLine(document.querySelector(target.dataset.in), Number(target.dataset.goToLine));
  if (target.matches("[data-fill]")) {
    const field = document.querySelector(target.dataset.fill);
    field.value = target.dataset.value;
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

// Rows of the form for a specification, and the fields that its check finds at fault.
function addRow(list) {
  const row = list.lastElementChild.cloneNode(true);
  for (const field of row.querySelectorAll("input")) {
    field.id = field.id.replace(/-\d+-/, `-${list.children.length}-`);
    field.value = "";
    field.removeAttribute("aria-invalid");
  }
  list.append(row);
  row.querySelector("input").focus();
}

function removeRow(row) {
  const list = row.parentElement;
  if (list.children.length === 1) for (const field of row.querySelectorAll("input")) field.value = "";
  else row.remove();
  [...list.children].forEach((each, number) => {
    for (const field of each.querySelectorAll("input")) field.id = field.id.replace(/-\d+-/, `-${number}-`);
  });
  list.querySelector("input").focus();
  htmx.trigger("#specification-form", "rows");
}

function markFaults() {
  for (const field of document.querySelectorAll("#specification-form [aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const fault of document.querySelectorAll("[data-go-to-field]")) document.getElementById(fault.dataset.goToField)?.setAttribute("aria-invalid", "true");
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-add-row], [data-remove-row], [data-go-to-field]");
  if (!target) return;
  if (target.dataset.addRow) addRow(document.getElementById(target.dataset.addRow));
  else if (target.dataset.goToField) document.getElementById(target.dataset.goToField)?.focus();
  else removeRow(target.closest("li"));
});
document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target?.id === "faults") markFaults(); });
markFaults();

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) event.target.form?.requestSubmit();
});

// How long ago something was, on a page that stays open: as the server says it.
const AGES = [[86400, "day"], [3600, "hour"], [60, "minute"]];

function age() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const [size, unit] = AGES.find(([size]) => seconds >= size) ?? [0, ""];
    const count = size && Math.floor(seconds / size);
    const words = size ? `${count} ${unit}${count > 1 ? "s" : ""} ago` : "just now";
    if (seconds >= 0 && time.textContent !== words) time.textContent = words;
  }
}
setInterval(age, 20_000);

// What is linked: a clause of the specification, its rows of the evidence, and its lines of the code.
let pinned = null;

function look(clause) {
  for (const marked of document.querySelectorAll(".looked-at")) marked.classList.remove("looked-at");
  for (const mark of document.querySelectorAll(".code-mark")) mark.remove();
  const pointer = clause?.dataset.clause;
  if (!pointer) return;
  for (const element of document.querySelectorAll("#session [data-clause]")) if (element.dataset.clause === pointer) element.classList.add("looked-at");
  const code = document.querySelector("#generated-code");
  const lines = document.querySelector(`#specification [data-clause="${pointer}"]`)?.dataset.lines;
  if (!code || !lines) return;
  const pre = code.closest("pre");
  const height = parseFloat(getComputedStyle(pre).lineHeight);
  const top = code.getBoundingClientRect().top - pre.parentElement.getBoundingClientRect().top;
  for (const number of lines.split(" ").map(Number)) {
    const mark = document.createElement("span");
    mark.className = "code-mark";
    mark.style.top = `${top + (number - 1) * height}px`;
    mark.style.height = `${height}px`;
    pre.before(mark);
  }
}

const clauseOf = (event) => event.target.closest?.("#session [data-clause]");
document.addEventListener("mouseover", (event) => { if (!pinned) look(clauseOf(event)); });
document.addEventListener("focusin", (event) => { pinned = null; look(clauseOf(event)); });
document.addEventListener("click", (event) => {
  pinned = event.target.closest("[data-show-lines]") ? clauseOf(event) : null;
  look(pinned ?? clauseOf(event));
  if (pinned) document.querySelector("#generated-code")?.scrollIntoView({ block: "nearest" });
});

// A form is sent once, however often its button is pressed; coming back to the page makes it new.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || (event.target.closest("[hx-post]") && event.target.id !== "specification-form")) return;
  setTimeout(() => { for (const button of event.target.querySelectorAll("button[type=submit]")) button.disabled = true; });
});
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("form button[disabled]")) button.disabled = false;
});

// A newer version is put in place unless that would take away what somebody is typing; then it is offered.
document.addEventListener("htmx:beforeRequest", (event) => {
  const content = document.querySelector("#session");
  if (event.detail.elt.id !== "refresh" || !content.querySelector("[data-typed]")) return;
  event.preventDefault();
  if (document.querySelector("[data-newer]")) return;
  const notice = document.createElement("div");
  notice.className = "notice info";
  notice.dataset.newer = "";
  notice.innerHTML = '<div>There is a newer version. What you are typing is kept until you load it.</div><button class="small" type="button">Load it</button>';
  notice.querySelector("button").addEventListener("click", () => {
    for (const field of document.querySelectorAll("#session [data-typed]")) delete field.dataset.typed;
    notice.remove();
    htmx.trigger("#refresh", "refresh");
  });
  document.querySelector("#notices").replaceChildren(notice);
});
document.addEventListener("input", (event) => {
  if (event.target.matches("input, textarea")) event.target.toggleAttribute("data-typed", event.target.value !== "");
});

// A menu that is open stays open when what it is in is replaced by the same in a newer version.
let menuWasOpen = false;
document.addEventListener("htmx:beforeSwap", (event) => {
  menuWasOpen = event.detail.target.id === "session" && event.detail.target.querySelector("details.menu[open]") !== null;
});
document.addEventListener("htmx:afterSwap", (event) => {
  // The answer to what was typed is the newer version, which the stream may have told of before.
  if (event.detail.target?.id === "session" && !document.querySelector("#session [data-typed]")) document.querySelector("[data-newer]")?.remove();
  const menu = document.querySelector("#session details.menu");
  if (menuWasOpen && menu) menu.open = true;
  menuWasOpen = false;
});

document.addEventListener("htmx:sseMessage", (event) => {
  if (event.detail.type === "signed-out") location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
});

document.addEventListener("htmx:afterSettle", (event) => highlight(event.detail.elt));
document.addEventListener("htmx:sendError", () => {
  document.querySelector("#notices").innerHTML = '<div class="notice bad" role="alert" data-unreachable>The server cannot be reached. What you see may be out of date.</div>';
});
document.addEventListener("htmx:afterOnLoad", () => document.querySelector("[data-unreachable]")?.remove());
highlight(document);

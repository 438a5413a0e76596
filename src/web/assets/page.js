// Keeps a page as things are, and makes it quick to use. Without it the page shows the moment at which it was opened, and its forms work.

const byId = (id) => document.getElementById(id);
const body = document.body;

// ---- What the server sends ----

const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

// What each element with an id was made of: what has not changed stays, with what is written into it and what is open in it.
const madeOf = new Map();
const note = (element) => element.id && madeOf.set(element.id, element.outerHTML);
const notes = (root) => root.querySelectorAll("[id]").forEach(note);

function put(container, html) {
  const focused = document.activeElement;
  const focus = container.contains(focused) && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  const fresh = parse(html);
  for (const element of [...fresh.children]) {
    const old = element.id && byId(element.id);
    if (old && container.contains(old) && madeOf.get(element.id) === element.outerHTML) {
      element.replaceWith(old);
    } else {
      note(element);
      notes(element);
    }
  }
  container.replaceChildren(fresh);
  if (focus) container.querySelector(focus)?.focus();
}

const MOST_ENTRIES = 1000;
const transcript = byId("transcript");
const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
const toEnd = () => scrollTo(0, document.documentElement.scrollHeight);

function add(html, isAll) {
  if (!transcript) return;
  const follow = atEnd();
  const fresh = parse(html);
  if (isAll) transcript.replaceChildren();
  for (const entry of [...fresh.children]) {
    const old = entry.id && byId(entry.id);
    const isOpen = old?.querySelector("details")?.open;
    if (isOpen) entry.querySelector("details").open = true;
    if (old) old.replaceWith(entry);
    else transcript.append(entry);
  }
  while (transcript.children.length > MOST_ENTRIES) transcript.firstElementChild.remove();
  search();
  if (follow) toEnd();
}

let known = null;
function needs() {
  const now = new Map([...document.querySelectorAll("#needs li")].map((need) => [need.dataset.need, need]));
  document.title = (now.size ? `(${now.size}) ` : "") + body.dataset.title;
  if (known && "Notification" in window && Notification.permission === "granted") {
    for (const [key, need] of now) {
      if (known.has(key)) continue;
      const notification = new Notification(need.dataset.who, { body: need.textContent, tag: key });
      notification.onclick = () => { focus(); location.assign(need.dataset.href); };
    }
  }
  known = new Set(now.keys());
}

const shownAt = new Map();
function questions() {
  for (const question of document.querySelectorAll(".question")) {
    if (!shownAt.has(question.id)) shownAt.set(question.id, performance.now());
  }
}

function lost(text) {
  body.classList.toggle("lost", Boolean(text));
  byId("said").textContent = text;
}

const since = Number(body.dataset.since);
const live = new EventSource(body.dataset.live + (body.dataset.live.includes("?") ? "&" : "?") + `since=${since}`);
for (const id of ["news", "list", "head", "questions", "page"]) {
  live.addEventListener(id, (event) => {
    const follow = id === "questions" && atEnd();
    put(byId(id), event.data);
    if (id === "news") needs();
    if (id === "questions") questions();
    if (follow) toEnd();
    times();
  });
}
live.addEventListener("transcript", (event) => add(event.data, true));
live.addEventListener("entries", (event) => add(event.data, false));
live.onopen = () => lost("");
live.onerror = () => {
  lost(live.readyState === EventSource.CLOSED
    ? "This page has ended, or was started anew: open the link that `teams web` prints now."
    : "The page is not connected; it will try again.");
};
addEventListener("pagehide", () => live.close());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// ---- Times ----

const span = (ms) => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86400)}d`;
};
function times() {
  for (const time of document.querySelectorAll("time[data-since]")) {
    const text = span(Date.now() - Number(time.dataset.since));
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(times, 1000);

// ---- What a person does ----

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.classList.contains("act")) return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  const button = event.submitter ?? form.querySelector("button");
  const sent = new URLSearchParams(new FormData(form, button));
  const text = form.querySelector("textarea");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, headers: { accept: "text/plain" } });
    byId("said").textContent = await answer.text();
    byId("said").className = answer.ok ? "" : "bad";
    if (answer.ok && text) text.value = "";
  } catch {
    byId("said").textContent = "It was not sent: the page is not connected.";
    byId("said").className = "bad";
  } finally {
    button.disabled = false;
  }
});

const write = byId("write");
write?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !matchMedia("(pointer: coarse)").matches) {
    event.preventDefault();
    if (write.value.trim()) write.form.requestSubmit();
  }
});
// What is written to one member waits for it.
if (write) {
  const draft = `draft ${body.dataset.live}`;
  write.value = sessionStorage.getItem(draft) ?? "";
  write.addEventListener("input", () => sessionStorage.setItem(draft, write.value));
  write.form.addEventListener("submit", () => sessionStorage.removeItem(draft));
}

const looked = byId("search");
function search() {
  const wanted = looked?.value.toLowerCase() ?? "";
  if (!transcript || (!wanted && !transcript.classList.contains("searched"))) return;
  transcript.classList.toggle("searched", Boolean(wanted));
  for (const entry of transcript.children) entry.hidden = Boolean(wanted) && !entry.textContent.toLowerCase().includes(wanted);
}
if (looked) {
  looked.hidden = false;
  looked.addEventListener("input", search);
}

const notify = byId("notify");
if ("Notification" in window && Notification.permission === "default") {
  notify.hidden = false;
  notify.onclick = async () => { notify.hidden = (await Notification.requestPermission()) !== "default"; };
}

// ---- Keys ----

const READ_FIRST_MS = 400;
const follow = (link) => link && location.assign(link.href);
function step(by) {
  const links = [...document.querySelectorAll("#list a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  follow(links[Math.min(links.length - 1, Math.max(0, at + by))]);
}
function answer(selector) {
  const question = document.activeElement?.closest?.(".question") ?? document.querySelector(".question");
  if (!question) return;
  const field = question.querySelector(selector);
  // A key that was meant for the question before must not answer this one.
  if (performance.now() - (shownAt.get(question.id) ?? Infinity) < READ_FIRST_MS || !shownAt.has(question.id)) {
    byId("said").textContent = "This question has only just come: read it, and press again.";
  } else if (field?.matches("button")) field.click();
  else field?.focus();
}
const tab = (number) => follow(document.querySelectorAll(".tabs a")[number]);
const KEYS = [
  [["j"], "the member below", () => step(1)],
  [["k"], "the member above", () => step(-1)],
  [["g"], "the first who needs you", () => follow(document.querySelector("#news a.need"))],
  [["1", "2", "3", "4", "5", "6", "7"], "the tabs", (key) => tab(Number(key) - 1)],
  [["a"], "allow what is asked for, this once", () => answer(".allow[value=allow]")],
  [["s"], "allow it for the session", () => answer("[value=session]")],
  [["d"], "deny it, with a reason", () => answer("[name=reason]")],
  [["r"], "answer what the model asks", () => answer("fieldset input")],
  [["i"], "write to the member", () => write?.focus()],
  [["/"], "look for text in the transcript", () => looked?.focus()],
  [["G"], "to the newest", toEnd],
  [["?"], "these keys", () => help()],
];
function help() {
  let dialog = byId("help");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.id = "help";
    const list = document.createElement("dl");
    for (const [keys, text] of KEYS) {
      const term = list.appendChild(document.createElement("dt"));
      term.textContent = keys.length > 2 ? `${keys[0]}–${keys.at(-1)}` : keys.join(", ");
      list.appendChild(document.createElement("dd")).textContent = text;
    }
    dialog.append(list);
    dialog.onclick = () => dialog.close();
    body.append(dialog);
  }
  dialog.showModal();
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.activeElement?.blur?.();
  const isWriting = event.target.closest?.("input, textarea, select, dialog");
  if (isWriting || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const binding = KEYS.find(([keys]) => keys.includes(event.key));
  if (!binding) return;
  event.preventDefault();
  binding[2](event.key);
});
byId("keys").hidden = false;
byId("keys").onclick = help;

for (const id of ["list", "questions", "page"]) notes(byId(id));
times();
needs();
questions();
if (transcript) toEnd();

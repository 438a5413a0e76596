// Keeps a page as things are, and makes it quick to use. Without it the page shows the moment at which it was opened, and its forms work.

const byId = (id) => document.getElementById(id);
const body = document.body;

// ---- What the server sends ----

const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

// What each element with an id was made of. What has not changed stays where it is, with what is written into it and what is open in it.
const madeOf = new WeakMap();
const note = (root) => {
  for (const element of [root, ...root.querySelectorAll("[id]")]) if (element.id) madeOf.set(element, element.outerHTML);
};

function reconcile(container, fresh) {
  const stays = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  for (const child of [...container.childNodes]) if (!stays.has(child.id)) child.remove();
  let at = container.firstChild;
  for (const node of [...fresh.childNodes]) {
    const old = node.id && [...container.children].find((child) => child.id === node.id);
    if (!old) {
      container.insertBefore(node, at);
      if (node.nodeType === Node.ELEMENT_NODE) note(node);
      continue;
    }
    if (old !== at) container.insertBefore(old, at);
    at = old.nextSibling;
    const html = node.outerHTML;
    if (madeOf.get(old) === html) continue;
    if (node.querySelector(":scope > [id]")) {
      reconcile(old, node);
      madeOf.set(old, html);
    } else {
      // The element itself stays: a click that has begun on it ends on it.
      for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of node.attributes) old.setAttribute(name, value);
      old.replaceChildren(...node.childNodes);
      note(old);
      madeOf.set(old, html);
    }
  }
}

function put(container, html) {
  const focused = document.activeElement;
  const link = container.contains(focused) && focused.getAttribute("href");
  reconcile(container, parse(html));
  if (link && !focused.isConnected) container.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
  else if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
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
  const before = known;
  known = new Set(now.keys());
  if (!before || !("Notification" in window) || Notification.permission !== "granted") return;
  for (const [key, need] of now) {
    if (before.has(key)) continue;
    try {
      const notification = new Notification(need.dataset.who, { body: need.textContent, tag: key });
      notification.onclick = () => { focus(); location.assign(need.dataset.href); };
    } catch {
      // Some browsers of phones let no page do that.
      byId("notify").hidden = true;
    }
  }
}

const said = byId("said");
function say(text, isBad = false) {
  said.textContent = text;
  said.className = isBad ? "bad" : "";
}

function lost(text) {
  if (text) say(text, true);
  else if (body.dataset.lost) say("");
  body.dataset.lost = text;
}

// Browsers keep few connections to a host: a page that is not seen gives its own back, unless it is the one that notifies.
let since = body.dataset.since;
let live = null;
let notifies = false;
function open() {
  live?.close();
  live = new EventSource(body.dataset.live + (body.dataset.live.includes("?") ? "&" : "?") + `since=${since}`);
  for (const id of ["news", "list", "head", "questions", "page"]) {
    live.addEventListener(id, (event) => {
      const follow = id === "questions" && atEnd();
      put(byId(id), event.data);
      if (id === "news") needs();
      if (follow) toEnd();
      times();
    });
  }
  for (const name of ["transcript", "entries"]) {
    live.addEventListener(name, (event) => {
      since = event.lastEventId;
      add(event.data, name === "transcript");
    });
  }
  live.onopen = () => lost("");
  live.onerror = () => {
    lost(live.readyState === EventSource.CLOSED
      ? "This page has ended, or was started anew: open the link that `teams web` prints now."
      : "The page is not connected; it will try again.");
  };
}
open();
navigator.locks?.request("teams", () => { notifies = true; return new Promise(() => {}); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden && !notifies) live.close();
  else if (!document.hidden && live.readyState === EventSource.CLOSED) open();
});
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
  if (form.dataset.sending || (form.dataset.confirm && !confirm(form.dataset.confirm))) return;
  const button = event.submitter ?? form.querySelector("button");
  const sent = new URLSearchParams(new FormData(form, button));
  const text = form.querySelector("textarea");
  const written = text?.value;
  form.dataset.sending = button.disabled = true;
  let isSettled = false;
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, headers: { accept: "text/plain" } });
    say(await answer.text(), !answer.ok);
    // What was answered cannot be answered again; the question goes when its agent has the answer.
    isSettled = answer.ok && Boolean(questionOf(form));
    if (answer.ok && text && text.value === written) text.value = "";
    if (text) keepDraft();
  } catch {
    say("It was not sent: the page is not connected.", true);
  } finally {
    if (!isSettled) {
      delete form.dataset.sending;
      button.disabled = false;
    }
  }
});

const write = byId("write");
write?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !matchMedia("(pointer: coarse)").matches) {
    event.preventDefault();
    if (write.value.trim() && !event.repeat) write.form.requestSubmit();
  }
});
// What is written to one member waits for it.
const draft = write && `draft ${write.form.team.value}/${write.form.member.value}`;
const keepDraft = () => sessionStorage.setItem(draft, write.value);
if (write) {
  write.value = sessionStorage.getItem(draft) ?? "";
  write.addEventListener("input", keepDraft);
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
const visit = (link) => link && location.assign(link.href);
function step(by) {
  const links = [...document.querySelectorAll("#list a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  visit(links[Math.min(links.length - 1, Math.max(0, at + by))]);
}
// Keys answer the question that the person is in, and only when they have been there long enough to read it.
const questionOf = (element) => element?.closest?.(".question");
let at = { question: null, since: 0 };
document.addEventListener("focusin", (event) => {
  const question = questionOf(event.target);
  if (question !== at.question) at = { question, since: performance.now() };
});
function nextQuestion() {
  const all = [...document.querySelectorAll(".question")];
  const next = all[(all.indexOf(questionOf(document.activeElement)) + 1) % all.length];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
function answer(selector) {
  const question = questionOf(document.activeElement);
  if (!question) return say("Go to the question first: n");
  if (question !== at.question || performance.now() - at.since < READ_FIRST_MS) return say("Read it, and press again.");
  const field = question.querySelector(selector);
  if (field?.matches("button")) field.click();
  else field?.focus();
}
// Whoever speaks to the computer, or presses keys by accident, can do without them.
const areOn = () => localStorage.getItem("keys") !== "off";
const tab = (number) => visit(document.querySelectorAll(".tabs a")[number]);
const KEYS = [
  [["j"], "the member below", () => step(1)],
  [["k"], "the member above", () => step(-1)],
  [["g"], "the first who needs you", () => visit(document.querySelector("#news a.need"))],
  [["1", "2", "3", "4", "5", "6", "7"], "the tabs", (key) => tab(Number(key) - 1)],
  [["n"], "to the next question", nextQuestion],
  [["a"], "in a question: allow it, this once", () => answer(".allow[value=allow]")],
  [["s"], "in a question: allow it for the session", () => answer("[value=session]")],
  [["d"], "in a question: deny it, with a reason", () => answer("[name=reason]")],
  [["r"], "in a question: answer it", () => answer("fieldset input")],
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
    dialog.setAttribute("aria-label", "Keys");
    const label = document.createElement("label");
    const choice = label.appendChild(document.createElement("input"));
    choice.type = "checkbox";
    choice.checked = areOn();
    choice.onchange = () => localStorage.setItem("keys", choice.checked ? "on" : "off");
    label.append(" These keys do something");
    const close = document.createElement("button");
    close.textContent = "Close";
    dialog.append(list, label, close);
    close.onclick = () => dialog.close();
    dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
    body.append(dialog);
  }
  dialog.showModal();
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.activeElement?.blur?.();
  const isWriting = event.target.closest?.("input, textarea, select, dialog");
  if (!areOn() || isWriting || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const binding = KEYS.find(([keys]) => keys.includes(event.key));
  if (!binding) return;
  event.preventDefault();
  binding[2](event.key);
});
byId("keys").hidden = false;
byId("keys").onclick = help;

for (const id of ["list", "questions", "page"]) note(byId(id));
times();
needs();
if (transcript) toEnd();

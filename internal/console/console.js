// What pages do beyond links and forms: keys, copying, sending a form only once, and saying how far
// a transfer is.
"use strict";

// Keys: / searches, ? shows help, g and a letter open a page. They don't work while somebody
// types.
const pages = { t: "tenants", s: "seeds", a: "audit", r: "reports", k: "keys" };
let last = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (event.key === "/") {
    const search = document.querySelector('input[type="search"], .search input');
    if (search) { event.preventDefault(); search.focus(); }
  } else if (event.key === "?") {
    location.assign("/console/help");
  } else if (last === "g" && pages[event.key]) {
    location.assign("/console/" + pages[event.key]);
  }
  last = event.key;
});

// Buttons that copy a text need this script, so they are hidden without it.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}

// A form is sent once, however often its button is clicked. A form with a file says how far it is.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  if (form.enctype !== "multipart/form-data") return;
  event.preventDefault();
  send(form);
});

// After going back, forms can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) unsend(form);
});

function unsend(form) {
  delete form.dataset.sent;
  const progress = form.querySelector(".sending");
  if (progress) progress.hidden = true;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1) + " MB";

function send(form) {
  const progress = form.querySelector(".sending"), [bar, sent, state] = progress.children;
  if (form.querySelector("[type=file]").files[0]?.size > form.dataset.most) { refuse(form, form.dataset.tooLarge); return; }
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    bar.max = total;
    bar.value = loaded;
    sent.textContent = `${megabytes(loaded)} of ${megabytes(total)} sent`;
  });
  request.upload.addEventListener("load", () => { bar.removeAttribute("value"); state.textContent = "Reading the document…"; });
  request.addEventListener("load", () => showAnswer(form, request));
  request.addEventListener("error", () => refuse(form, "The connection broke before the answer came. Try again."));
  request.open("POST", form.action);
  sent.textContent = "";
  state.textContent = "Sending…";
  progress.hidden = false;
  request.send(new FormData(form));
}

// Shows the answer to a form as the browser would, except that a refused form keeps its file.
function showAnswer(form, { responseURL, responseText }) {
  if (responseURL !== form.action) { location.assign(responseURL); return; }
  const page = new DOMParser().parseFromString(responseText, "text/html");
  const why = page.querySelector(`form[action="${form.getAttribute("action")}"] .alert`);
  if (why) { refuse(form, why.textContent); return; }
  document.title = page.title;
  document.body.replaceWith(page.body);
}

// Says in a form why it was refused, as the service does.
function refuse(form, text) {
  unsend(form);
  form.querySelector(".alert")?.remove();
  const why = document.createElement("p");
  Object.assign(why, { className: "alert", role: "alert", textContent: text });
  why.dataset.testid = "alert";
  form.prepend(why);
  why.scrollIntoView({ block: "nearest" });
}

// A download says how much of it has come, or why it is refused, next to its link.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-file]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (link.dataset.busy) return;
  link.dataset.busy = "yes";
  let state = link.nextElementSibling;
  if (state?.className !== "note received") {
    state = document.createElement("span");
    Object.assign(state, { className: "note received", role: "status" });
    state.dataset.testid = "received";
    link.after(state);
  }
  state.textContent = "Preparing…";
  save(link.href, state).catch((error) => { state.textContent = error.message; }).finally(() => delete link.dataset.busy);
});

async function save(address, state) {
  const answer = await fetch(address), type = answer.headers.get("Content-Type") ?? "";
  if (!answer.ok) throw new Error(whyRefused(answer.status, type, await answer.text()));
  const parts = [], reader = answer.body.getReader();
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    size += next.value.length;
    state.textContent = megabytes(size) + " received…";
  }
  const file = document.createElement("a");
  file.href = URL.createObjectURL(new Blob(parts, { type }));
  file.download = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1] ?? "";
  file.click();
  setTimeout(() => URL.revokeObjectURL(file.href), 60000);
  state.textContent = `Saved, ${megabytes(size)}`;
}

// The reason is in a page of the console or a problem document of the API.
function whyRefused(status, type, text) {
  const says = type.includes("json") ? JSON.parse(text).detail : new DOMParser().parseFromString(text, "text/html").querySelector(".alert")?.textContent;
  return says || `Refused: ${status}`;
}

// A slow part of a page comes from another page, after the rest.
for (const part of document.querySelectorAll("[data-later]")) {
  const link = part.firstElementChild, label = link.textContent;
  link.textContent = "Loading…";
  fetch(part.dataset.later).then((answer) => answer.ok ? answer.text() : Promise.reject(answer)).then((text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(part.id);
    if (fresh) part.replaceWith(fresh);
  }).catch(() => { link.textContent = label; });
}

// A page with a journal follows it: an event says that there are new requests, and the script
// loads the page's rows again, one load at a time. A hidden tab doesn't follow.
const live = document.querySelector("button[data-live]");
let events = null, loading = false, again = false;

async function refresh() {
  if (loading) { again = true; return; }
  loading = true;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live-part"), old = document.getElementById("live-part");
    if (!answer.ok || !fresh || !old) return;
    const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    old.replaceWith(fresh);
    if (focused) [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  } finally {
    loading = false;
    if (again) { again = false; setTimeout(refresh, 250); }
  }
}

function follow() {
  const on = live.getAttribute("aria-pressed") === "true" && !document.hidden;
  if (on === Boolean(events)) return;
  if (!on) { events.close(); events = null; return; }
  events = new EventSource(live.dataset.live);
  events.addEventListener("requests", refresh);
  events.addEventListener("open", () => { live.dataset.state = "open"; refresh(); });
  events.addEventListener("error", () => { live.dataset.state = "lost"; });
}

if (live) {
  live.hidden = false;
  live.addEventListener("click", () => {
    const on = live.getAttribute("aria-pressed") !== "true";
    live.setAttribute("aria-pressed", String(on));
    live.textContent = on ? "Live" : "Paused";
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  follow();
}

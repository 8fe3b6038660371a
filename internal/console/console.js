// What pages do beyond links and forms: keys, copying, and sending a form only once.
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

// A form is sent once, however often its button is clicked. Sending a file may take long, so
// the button says so.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  const button = form.querySelector("button");
  if (form.enctype === "multipart/form-data" && button) button.textContent = "Sending…";
});

// After going back, forms can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

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

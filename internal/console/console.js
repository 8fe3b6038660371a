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

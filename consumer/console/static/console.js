// Brings the changing part of a page up to date, and tells a screen reader only what matters. Pages work without it.
"use strict";

const PERIOD = 5000;
const live = document.getElementById("live");
const status = document.getElementById("status");
const pause = document.getElementById("pause");

async function refresh() {
  // Nothing is taken away from under somebody who reads or moves there.
  if (document.hidden || pause.getAttribute("aria-pressed") === "true" || live.contains(document.activeElement)) return;
  let answer;
  try {
    answer = await fetch(live.dataset.url, { credentials: "same-origin", cache: "no-store" });
  } catch {
    tell("The service does not answer.", "no");
    return;
  }
  if (answer.status === 401) {
    location.reload();
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fragment = page.getElementById("fragment");
  if (fragment === null) return;
  tell(fragment.dataset.summary, fragment.dataset.ready);
  const scrolled = [...live.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  live.replaceChildren(fragment);
  live.querySelectorAll(".scroll").forEach((each, place) => { each.scrollLeft = scrolled[place] ?? 0; });
}

function tell(words, ready) {
  if (status.textContent === words) return;
  status.textContent = words;
  status.className = ready === "yes" ? "good" : "bad";
}

if (live !== null) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(pause.getAttribute("aria-pressed") !== "true"));
  });
  setInterval(refresh, PERIOD);
}

const all = document.getElementById("all");
if (all !== null) {
  all.closest(".every").hidden = false;
  all.addEventListener("change", () => {
    document.querySelectorAll("input[name=letter]").forEach((each) => { each.checked = all.checked; });
  });
}

"use strict";
(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 20000;
  const connection = document.getElementById("connection");
  const places = new Map();
  const digests = new Map();
  const waiting = new Map();
  for (const place of document.querySelectorAll("[data-part]")) {
    places.set(place.dataset.part, place);
    digests.set(place.dataset.part, place.dataset.digest);
  }

  // A part that is being listened to or marked is exchanged later.
  function isInUse(place) {
    for (const audio of place.querySelectorAll("audio")) {
      if (!audio.paused && !audio.ended) return true;
    }
    const selection = document.getSelection();
    return !selection.isCollapsed && selection.containsNode(place, true);
  }

  // What the reader did to the old part is done to the new one.
  function carryOver(place, fresh) {
    for (const old of place.querySelectorAll("details[id]")) {
      const now = fresh.getElementById(old.id);
      if (now) now.open = old.open;
    }
    for (const old of place.querySelectorAll("audio[id]")) {
      const now = fresh.getElementById(old.id);
      if (now && old.currentTime > 0) now.replaceWith(old);
    }
  }

  function exchange(place, html) {
    const fresh = document.createRange().createContextualFragment(html);
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = new Map();
    for (const region of place.querySelectorAll(".scroll[id]")) {
      scrolled.set(region.id, region.scrollLeft);
    }
    carryOver(place, fresh);
    place.replaceChildren(fresh);
    for (const [id, left] of scrolled) {
      const region = document.getElementById(id);
      if (region) region.scrollLeft = left;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function exchangeWhatCan() {
    for (const [name, html] of waiting) {
      const place = places.get(name);
      if (isInUse(place)) continue;
      exchange(place, html);
      waiting.delete(name);
    }
    const heading = document.querySelector("[data-title]");
    if (heading) document.title = heading.dataset.title;
  }

  function take(parts) {
    for (const [name, part] of Object.entries(parts)) {
      if (!places.has(name) || part.html === null) continue;
      digests.set(name, part.digest);
      waiting.set(name, part.html);
    }
    exchangeWhatCan();
  }

  // A line that is read out: told only when it changes.
  function tell(line, isGone) {
    if (connection.textContent === line) return;
    connection.textContent = line;
    connection.classList.toggle("gone", isGone);
  }

  async function ask() {
    try {
      const known = new URLSearchParams([...digests]);
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const response = await fetch(`/parts?${known}`, { cache: "no-store", signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      take(await response.json());
      tell("Live: follows the job.", false);
    } catch {
      tell("The server of this page is gone; below is what it showed last.", true);
    }
    setTimeout(ask, EVERY_MS);
  }

  setTimeout(ask, EVERY_MS);
})();

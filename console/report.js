"use strict";
const player = document.querySelector("audio");
const head = document.querySelector(".head");
const waves = document.querySelector(".waves");
const rows = [...document.querySelectorAll(".row[data-from]")];
const words = [...document.querySelectorAll("[data-t]")];
const times = words.map((word) => Number(word.dataset.t));
let lit = null, now = null;

function show() {
  const at = player.currentTime;
  if (head) head.style.left = `${(100 * at) / Number(waves.dataset.seconds)}%`;
  const row = rows.findLast((one) => Number(one.dataset.from) <= at && at < Number(one.dataset.to)) || null;
  if (row !== now) {
    now?.classList.remove("now");
    row?.classList.add("now");
    if (row && !player.paused) row.scrollIntoView({ block: "nearest", behavior: "smooth" });
    now = row;
  }
  let word = null;
  for (let i = 0; row && i < words.length; i++)
    if (times[i] <= at && row.contains(words[i])) word = words[i];
  if (word !== lit) {
    lit?.classList.remove("lit");
    word?.classList.add("lit");
    lit = word;
  }
}

function frame() {
  show();
  if (!player.paused) requestAnimationFrame(frame);
}

function seek(seconds) {
  player.currentTime = seconds;
  show();
}

if (player) {
  player.addEventListener("play", frame);
  for (const name of ["seeked", "timeupdate", "pause"]) player.addEventListener(name, show);
  waves.addEventListener("click", (event) => {
    const box = waves.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * Number(waves.dataset.seconds));
  });
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const place = event.target.closest("[data-t]") || event.target.closest("[data-from]");
    if (place && !getSelection().toString()) seek(Number(place.dataset.t ?? place.dataset.from));
  });
  document.addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLAudioElement) return;
    if (event.key === " " && !event.target.closest?.("summary")) {
      event.preventDefault();
      player.paused ? player.play() : player.pause();
    } else if (event.key === "ArrowLeft") seek(Math.max(player.currentTime - 5, 0));
    else if (event.key === "ArrowRight") seek(player.currentTime + 5);
  });
}

const filter = document.querySelector("#filter");
filter?.addEventListener("input", () => {
  const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const one of document.querySelectorAll(".list details")) {
    const text = one.firstElementChild.textContent.toLowerCase();
    one.hidden = !wanted.every((word) => text.includes(word));
    shown += !one.hidden;
  }
  document.querySelector("#count").textContent = `${shown} shown`;
});

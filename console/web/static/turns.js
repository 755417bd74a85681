// The pane of turns: each step of a turn on a time axis, like the network tab of a browser.

import { $, make, write } from './dom.js';

const MOST_TURNS = 20;
// Seconds of the axis at least
const SHORTEST = 0.2;
// The words of the user and the sound of the answer may be long: what lies between them is shown to scale
const LONG = ['speech', 'last sample'];
const KINDS = { speech: 'words', 'silence window': 'silence', 'first sample': 'sound', 'last sample': 'sound', commit: 'server', 'response.created': 'server', 'first delta': 'server' };

export class Turns {
  #view;
  // Number -> {turn, element}
  #turns = new Map();
  #list = $('turns-list');

  constructor(view) {
    this.#view = view;
    setInterval(() => this.#grow(), 250);
  }

  change({ turns = [], fresh }) {
    if (fresh) {
      this.#turns.clear();
      this.#list.replaceChildren();
    }
    for (const turn of turns) {
      let row = this.#turns.get(turn.number);
      if (!row) {
        row = { element: make('li') };
        this.#turns.set(turn.number, row);
        this.#list.append(row.element);
      }
      row.turn = turn;
      this.#draw(row);
    }
    while (this.#turns.size > MOST_TURNS) {
      const [number, { element }] = this.#turns.entries().next().value;
      element.remove();
      this.#turns.delete(number);
    }
    if (!turns.length && !fresh) return;
    $('turns-empty').hidden = this.#turns.size > 0;
    const waits = [...this.#turns.values()].map(({ turn }) => turn.wait ?? turn.latency).filter((wait) => wait != null).sort((a, b) => a - b);
    write($('turns-count'), waits.length ? `median ${ms(waits[waits.length >> 1])}` : '');
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** A step under way lasts until now. */
  #grow() {
    const last = [...this.#turns.values()].at(-1);
    if (last?.turn.spans.some(([, , ended]) => ended == null)) this.#draw(last);
  }

  #draw({ turn, element }) {
    const now = Date.now() / 1000 + this.#view.offset;
    const end = (span) => span[2] ?? now;
    const inner = turn.spans.filter(([name]) => !LONG.includes(name));
    const shown = inner.length ? inner : turn.spans;
    const start = Math.min(...shown.map(([, began]) => began));
    const axis = Math.max(Math.max(...shown.map(end)) - start, SHORTEST) * 1.05;
    const rows = turn.spans.map((span) => {
      const from = Math.max((span[1] - start) / axis, 0);
      const to = Math.min((end(span) - start) / axis, 1);
      const bar = make('span', { class: `length ${KINDS[span[0]] ?? 'tool'}` });
      bar.style.marginLeft = `${Math.min(from, 0.99) * 100}%`;
      bar.style.width = `${Math.max(to - from, 0.01) * 100}%`;
      const took = `${ms(Math.max(end(span) - span[1], 0))}${span[2] == null && span[0] !== 'last sample' ? '…' : ''}`;
      return make('li', {}, make('span', { class: 'name' }, span[0]), make('span', { class: 'track' }, bar), make('span', { class: 'value' }, took));
    });
    element.replaceChildren(make('p', {}, title(turn)), make('ol', {}, ...rows));
  }
}

function title(turn) {
  const kind = turn.kind && turn.kind !== 'speech' ? ` (${turn.kind})` : '';
  const outcome = turn.outcome && turn.outcome !== 'completed' ? ` · ${turn.outcome}` : '';
  if (turn.wait == null) return `turn ${turn.number}${kind}${outcome}`;
  const parts = [['silence', turn.silence], ['server', turn.server], ['tools', turn.tool_seconds || null], ['sound', turn.sound]];
  const told = parts.filter(([, seconds]) => seconds != null).map(([name, seconds]) => `${name} ${Math.round(seconds * 1000)}`).join(' + ');
  return `turn ${turn.number}${kind} · you waited ${ms(turn.wait)}${told ? ` = ${told}` : ''}${outcome}`;
}

const ms = (seconds) => (seconds < 10 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

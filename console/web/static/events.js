// The pane of events: rows that fold, a filter, and the end in view until somebody scrolls up.

import { $, atEnd, make, thousands, write } from './dom.js';

const MOST_ROWS = 2000;
const ARROWS = { client: '↑', server: '↓' };

export class Events {
  #view;
  // Number of the first event of a row -> the row
  #rows = new Map();
  #list = $('events-list');
  #words = [];
  #follows = true;
  #unseen = 0;

  constructor(view) {
    this.#view = view;
    this.#list.addEventListener('scroll', () => {
      this.#follows = atEnd(this.#list);
      if (this.#follows) this.#seen();
    });
    new ResizeObserver(() => this.#follow()).observe(this.#list);
    this.#list.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) this.#fold(this.#rows.get(Number(button.dataset.number)));
    });
    $('filter').addEventListener('input', () => this.#filter($('filter').value));
    $('events-new').addEventListener('click', () => {
      this.#list.scrollTop = this.#list.scrollHeight;
    });
  }

  /** Take what has changed: [number, count, bytes, error, gist] of a known row, with time, source and type of a new one. */
  change({ events = [], fresh, head }) {
    if (fresh) {
      this.#rows.clear();
      this.#list.replaceChildren();
      this.#seen();
    }
    for (const [number, count, bytes, error, gist, seconds, source, type] of events) {
      let row = this.#rows.get(number);
      if (source === undefined) {
        if (row) this.#label(Object.assign(row, { count, bytes, error, gist }));
        continue;
      }
      row = this.#make({ number, count, bytes, error, gist, seconds, source, type });
      this.#rows.set(number, row);
      this.#list.append(row.element);
      if (!this.#follows) this.#unseen++;
    }
    while (this.#rows.size > MOST_ROWS) {
      const [number, row] = this.#rows.entries().next().value;
      row.element.remove();
      this.#rows.delete(number);
    }
    if (!fresh && !events.length && !head) return;
    if (events.length) this.#follow();
    $('events-empty').hidden = this.#rows.size > 0;
    $('events-new').hidden = !this.#unseen;
    write($('events-new'), `${this.#unseen} new ↓`);
    this.#count();
  }

  #count() {
    const { total = 0, dropped = [0] } = this.#view.head;
    const shown = this.#words.length ? [...this.#rows.values()].filter((row) => !row.element.hidden).length : 0;
    const parts = [`${thousands(total)} events`];
    if (this.#words.length) parts.unshift(`${shown} rows match`);
    if (dropped[0]) parts.push(`${thousands(dropped[0])} older dropped`);
    write($('events-count'), total ? parts.join(' · ') : '');
  }

  #make(row) {
    row.button = make('button', { type: 'button', 'aria-expanded': 'false', 'data-number': row.number });
    row.time = make('span', { class: 'time' });
    row.arrow = make('span', { class: 'arrow' }, ARROWS[row.source] ?? '·');
    // Said by the arrow too, so a narrow pane hides it from the eye
    row.from = make('span', { class: 'from' }, row.source);
    row.type_ = make('span', { class: 'type' });
    row.times = make('span', { class: 'times' });
    row.rest = make('span', { class: 'rest' });
    row.button.append(row.time, row.arrow, row.from, row.type_, row.times, row.rest);
    row.element = make('li', { class: `event ${ARROWS[row.source] ? row.source : 'here'}` }, row.button);
    const minutes = Math.floor(row.seconds / 60);
    write(row.time, `${String(minutes).padStart(2, '0')}:${(row.seconds % 60).toFixed(2).padStart(5, '0')}`);
    this.#label(row);
    row.element.hidden = !this.#matches(row);
    return row;
  }

  #label(row) {
    write(row.type_, `${row.error ? 'error! ' : ''}${row.type}`);
    write(row.times, row.count > 1 ? `×${thousands(row.count)}` : '');
    const parts = [];
    if (row.bytes) parts.push(size(row.bytes));
    if (row.gist) parts.push(row.gist);
    write(row.rest, parts.join('  '));
    row.element?.classList.toggle('error', Boolean(row.error));
    if (row.payload && !row.payload.hidden) this.#load(row);
  }

  async #fold(row) {
    const open = row.button.getAttribute('aria-expanded') !== 'true';
    row.button.setAttribute('aria-expanded', String(open));
    if (!row.payload) {
      row.payload = make('pre', { tabindex: '0', 'aria-label': `payload of ${row.type}` });
      row.element.append(row.payload);
    }
    row.payload.hidden = !open;
    if (open) await this.#load(row);
  }

  async #load(row) {
    if (row.loading) return;
    row.loading = true;
    try {
      row.payload.replaceChildren(...coloured(await this.#view.ask('payload', { number: row.number })));
    } catch (error) {
      write(row.payload, error.message);
    }
    row.loading = false;
  }

  #matches(row) {
    const text = `${ARROWS[row.source] ?? '·'} ${row.error ? 'error! ' : ''}${row.source} ${row.type} ${row.gist}`.toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  #filter(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of this.#rows.values()) row.element.hidden = !this.#matches(row);
    this.#count();
    this.#follow();
  }

  #follow() {
    if (this.#follows) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #seen() {
    this.#unseen = 0;
    $('events-new').hidden = true;
  }
}

const size = (bytes) => (bytes < 10_000 ? `${thousands(bytes)} B audio` : `${thousands(Math.round(bytes / 1000))} kB audio`);

/** JSON as spans: keys, texts and numbers look different. */
function* coloured(text) {
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/g;
  let at = 0;
  for (const found of text.matchAll(token)) {
    if (found.index > at) yield text.slice(at, found.index);
    const kind = found[2] ? 'key' : found[1] ? 'text' : 'value';
    yield make('span', { class: kind }, found[1] ?? found[0]);
    if (found[2]) yield found[2];
    at = found.index + found[0].length;
  }
  yield text.slice(at);
}

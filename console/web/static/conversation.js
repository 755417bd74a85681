// The pane of the conversation: words light up as they are heard; the cut; items played again; items deleted.

import { $, atEnd, clock, make, thousands, write } from './dom.js';

export class Conversation {
  #view;
  // Item id -> {item, element, ...}
  #rows = new Map();
  #list = $('items');
  #follows = true;
  #replay;

  constructor(view, replay) {
    this.#view = view;
    this.#replay = replay;
    replay.onmove = (id) => this.#draw(this.#rows.get(id));
    this.#list.addEventListener('scroll', () => {
      this.#follows = atEnd(this.#list);
    });
    new ResizeObserver(() => this.#follow()).observe(this.#list);
    this.#list.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      const id = event.target.closest('li')?.dataset.id;
      if (button?.classList.contains('play')) replay.toggle(id);
      else if (button?.classList.contains('delete')) view.do('delete', { id });
    });
    this.#list.addEventListener('input', (event) => {
      const row = this.#rows.get(event.target.closest('li').dataset.id);
      replay.seek(row.item.id, Number(event.target.value) * row.item.seconds);
    });
  }

  change({ items = [], gone = [], order, playing, fresh }) {
    if (fresh) {
      this.#rows.clear();
      this.#list.replaceChildren();
    }
    for (const id of gone) {
      this.#rows.get(id)?.element.remove();
      this.#rows.delete(id);
      this.#replay.forget(id);
    }
    for (const change of items) {
      const { more, ...rest } = change;
      let row = this.#rows.get(change.id);
      if (!row) {
        row = this.#make(change);
        this.#rows.set(change.id, row);
        this.#list.append(row.element);
      }
      Object.assign(row.item, rest);
      if (more) row.item.text += more;
      this.#draw(row);
      this.#tell(row, fresh);
    }
    if (playing !== undefined) this.#move(playing);
    if (order) {
      for (const id of order) {
        const row = this.#rows.get(id);
        if (row) this.#list.append(row.element);
      }
    }
    if (!fresh && !items.length && !gone.length) return;
    this.#follow();
    $('items-empty').hidden = this.#rows.size > 0;
    const dropped = this.#view.head.dropped?.[1];
    write($('conversation-count'), dropped ? `${thousands(dropped)} older dropped` : '');
  }

  /** The bar of the answer that is heard moves with the loudspeaker. */
  #move(playing) {
    for (const row of this.#rows.values()) {
      const at = playing?.[0] === row.item.id ? playing[1] : null;
      if (at === (row.item.playing ?? null)) continue;
      row.item.playing = at;
      this.#draw(row);
    }
  }

  #follow() {
    if (this.#follows) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** A screen reader hears an item once, when it is complete. */
  #tell({ item, told }, fresh) {
    if (told === undefined || item.waits || item.status === 'in_progress' || item.role === 'session') return;
    const row = this.#rows.get(item.id);
    if (row.told === item.text) return;
    row.told = item.text;
    if (!fresh) $('heard').replaceChildren(make('p', {}, `${item.role}: ${item.text}`));
  }

  #make(item) {
    const part = (name, tag = 'span') => make(tag, { class: name });
    const row = {
      item,
      told: '',
      role: part('role'),
      before: part('heard'),
      word: part('now'),
      cut: make('span', { class: 'cut', title: 'the answer was cut here' }, '|'),
      after: part('unheard'),
      play: make('button', { type: 'button', class: 'play' }),
      slider: make('input', { type: 'range', min: '0', max: '1', step: 'any', value: '0', class: 'slider' }),
      mark: part('mark'),
      time: part('time'),
      notes: part('notes'),
      remove: make('button', { type: 'button', class: 'delete', 'aria-label': 'Delete this item', title: 'delete' }, '✕'),
    };
    row.text = make('p', { class: 'text' }, row.before, row.word, row.cut, row.after);
    row.bar = make('span', { class: 'bar' }, row.slider, row.mark);
    row.audio = make('div', { class: 'audio' }, row.play, row.bar, row.time);
    row.below = make('div', { class: 'below' }, row.audio, row.notes);
    row.element = make('li', { 'data-id': item.id, class: 'item' }, row.role, row.text, row.below, row.remove);
    return row;
  }

  #draw(row) {
    if (!row) return;
    const { item } = row;
    const divider = item.role === 'session';
    row.element.className = `item ${item.role} ${item.waits ? 'waits' : ''} ${item.live ? 'live' : ''}`;
    write(row.role, divider ? '' : item.role);
    const { from, to, cut } = heard(item);
    const text = [...item.text];
    write(row.before, text.slice(0, from).join(''));
    write(row.word, text.slice(from, to).join(''));
    write(row.after, text.slice(to).join(''));
    row.element.classList.toggle('was-cut', cut);
    row.cut.hidden = !cut;
    row.remove.hidden = divider;
    row.audio.hidden = !item.seconds;
    if (item.seconds) this.#drawAudio(row);
    const notes = [];
    if (cut) notes.push(`cut: heard ${thousands(item.heard)} of ${thousands(item.received)} samples`);
    else if (item.status === 'incomplete') notes.push('incomplete');
    if (item.latency != null) notes.push(`${Math.round(item.latency * 1000)} ms`);
    write(row.notes, notes.join(' · '));
  }

  #drawAudio(row) {
    const { item } = row;
    const { playing, position } = this.#replay.state(item.id);
    const live = item.playing;
    const at = position ?? (live == null ? 0 : live / item.rate);
    write(row.play, playing ? '■' : '▶');
    row.play.setAttribute('aria-label', `${playing ? 'Stop' : 'Play'} this ${item.role} item, ${item.seconds.toFixed(1)} seconds`);
    row.slider.setAttribute('aria-label', `Position in this ${item.role} item`);
    row.slider.setAttribute('aria-valuetext', `${at.toFixed(1)} of ${item.seconds.toFixed(1)} seconds`);
    const part = Math.min(at / item.seconds, 1);
    row.slider.value = String(part);
    row.slider.style.setProperty('--part', `${part * 100}%`);
    row.mark.hidden = item.heard == null;
    if (item.heard != null) row.mark.style.left = `${Math.min((item.heard / item.rate / item.seconds) * 100, 100)}%`;
    write(row.time, at ? `${clock(at)} / ${clock(item.seconds)}` : clock(item.seconds));
  }
}

/** Where the word that is heard begins and ends, and whether the item was cut there. An answer that nobody follows is lit as a whole. */
function heard(item) {
  if (item.heard != null && !item.waits) return { from: item.heard_chars, to: item.heard_chars, cut: true };
  if (item.lit) return { from: item.lit[0], to: item.lit[1], cut: false };
  return { from: Infinity, to: Infinity, cut: false };
}

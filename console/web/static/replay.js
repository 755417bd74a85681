// Plays an item again, in this page: its audio comes as a WAV file, so the session's own sound is not disturbed.

export class Replay {
  /** Called with the id of the item whose position has changed. */
  onmove = () => {};
  #audio = new Audio();
  #source;
  #id = null;
  #address = null;

  /** `source` gives the Response with the WAV file of an item. */
  constructor(source = (id) => fetch(`/audio/${encodeURIComponent(id)}`)) {
    this.#source = source;
    for (const name of ['timeupdate', 'play', 'pause', 'ended', 'seeked']) {
      this.#audio.addEventListener(name, () => this.onmove(this.#id));
    }
  }

  /** The element, for the bars. */
  get element() {
    return this.#audio;
  }

  get playing() {
    return this.#id !== null && !this.#audio.paused;
  }

  state(id) {
    if (id !== this.#id) return { playing: false, position: null };
    const ended = this.#audio.ended || (this.#audio.paused && !this.#audio.currentTime);
    return { playing: !this.#audio.paused, position: ended ? null : this.#audio.currentTime };
  }

  async toggle(id) {
    if (id === this.#id && !this.#audio.paused) {
      this.stop();
    } else if (await this.#load(id)) {
      if (this.#audio.ended) this.#audio.currentTime = 0;
      await this.#audio.play().catch(() => {});
    }
  }

  async seek(id, seconds) {
    if (await this.#load(id)) this.#audio.currentTime = seconds;
  }

  stop() {
    this.#audio.pause();
    this.#audio.currentTime = 0;
  }

  /** The item has gone. */
  forget(id) {
    if (id === this.#id) this.#drop();
  }

  #drop() {
    const before = this.#id;
    this.#id = null;
    this.#audio.pause();
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
    if (before) this.onmove(before);
  }

  // An answer that was longer when it was loaded is loaded again: it grows, and a cut shortens it
  async #load(id) {
    const response = id === this.#id && !this.#audio.paused ? null : await this.#source(id);
    if (!response) return true;
    if (!response.ok) return false;
    const at = id === this.#id ? this.#audio.currentTime : 0;
    this.#drop();
    this.#id = id;
    this.#address = URL.createObjectURL(await response.blob());
    this.#audio.src = this.#address;
    await new Promise((resolve) => this.#audio.addEventListener('loadedmetadata', resolve, { once: true }));
    if (at && at < this.#audio.duration) this.#audio.currentTime = at;
    return true;
  }
}

// The view socket: what the console shows, and the verbs of this page. It connects again by itself.

const RETRY_MS = [250, 500, 1000, 2000, 4000];
const REPLACED = 4001;

export class View extends EventTarget {
  /** What is shown beside events and items; see console/web/mirror.py. */
  head = {};
  /** Seconds to add to this machine's clock to have that of the console. */
  offset = 0;
  #socket = null;
  #failures = 0;
  #asks = new Map();
  #number = 0;

  open() {
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/view`);
    this.#socket = socket;
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onopen = () => {
      this.#failures = 0;
      this.#tell('link', { open: true });
    };
    socket.onclose = ({ code }) => {
      for (const { reject } of this.#asks.values()) reject(new Error('the connection to the console has ended'));
      this.#asks.clear();
      this.#tell('link', { open: false, replaced: code === REPLACED });
      if (code === REPLACED) return;
      setTimeout(() => this.open(), RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)]);
    };
  }

  /** Ask for something; nothing is sent while the console is away. */
  do(verb, values = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ verb, ...values }));
    return true;
  }

  /** As do(), and wait for the answer. */
  ask(verb, values = {}) {
    const ask = ++this.#number;
    return new Promise((resolve, reject) => {
      if (this.do(verb, { ...values, ask })) this.#asks.set(ask, { resolve, reject });
      else reject(new Error('the console is away'));
    });
  }

  #take(message) {
    if (message.kind === 'answer') {
      const waiting = this.#asks.get(message.ask);
      this.#asks.delete(message.ask);
      if (message.error) waiting?.reject(new Error(message.error));
      else waiting?.resolve(message.value);
      return;
    }
    if (message.kind === 'refused') {
      console.warn(message.reason);
      return;
    }
    if (message.kind === 'snapshot') {
      this.offset = message.now - Date.now() / 1000;
      this.head = {};
    }
    Object.assign(this.head, message.head);
    if (message.total !== undefined) this.head.total = message.total;
    this.#tell('change', { ...message, fresh: message.kind === 'snapshot' });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// Behind a relay there is no console: its tools, its memory, and what its machine does about echo and files are not shown.

import { $ } from './dom.js';

const OF_THE_CONSOLE = ['weather', 'memory', 'save', 'echo-line'];

export class WeatherMap {
  constructor() {
    for (const id of OF_THE_CONSOLE) $(id).hidden = true;
  }

  zoom() {}

  change() {}
}

// The map of get_weather(): the coastline that the terminal draws too, a marker, and the weather in words.

import { $, write } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
// In hundredths of a degree, y down. Antarctica is left out.
const WORLD = [-18000, -8400, 36000, 14200];
const REGION = 4000;

export class WeatherMap {
  #map = $('map');
  #zoomed = false;
  #place = null;
  #marker = draw('g', { class: 'marker' });
  #land = draw('g', { class: 'land' });

  constructor() {
    const grid = draw('path', { class: 'grid', d: graticule() });
    this.#marker.append(draw('circle', { r: 1, class: 'halo' }), draw('circle', { r: 0.42 }));
    this.#map.append(grid, this.#land, this.#marker);
    $('zoom').addEventListener('click', () => this.zoom());
    this.#load();
  }

  zoom() {
    this.#zoomed = !this.#zoomed;
    $('zoom').setAttribute('aria-pressed', String(this.#zoomed));
    this.#frame();
  }

  change({ head = {} }) {
    if (!head.place) return;
    const { latitude, longitude, name, state, temperature, wind } = head.place;
    this.#place = head.place;
    const north = `${Math.abs(latitude).toFixed(3)}° ${latitude >= 0 ? 'N' : 'S'}`;
    const east = `${Math.abs(longitude).toFixed(3)}° ${longitude >= 0 ? 'E' : 'W'}`;
    write($('place'), `${name || 'no place yet'}  ·  ${north} ${east}`);
    write($('forecast'), temperature == null ? state : `${temperature.toFixed(1)} °C   wind ${wind.toFixed(1)} km/h`);
    $('forecast').classList.toggle('known', temperature != null);
    this.#frame();
  }

  #frame() {
    if (!this.#place) return;
    const x = this.#place.longitude * 100;
    const y = -this.#place.latitude * 100;
    const box = this.#zoomed ? [x - REGION / 2, y - REGION / 4, REGION, REGION / 2] : WORLD;
    this.#map.setAttribute('viewBox', box.join(' '));
    this.#map.classList.toggle('zoomed', this.#zoomed);
    this.#marker.setAttribute('transform', `translate(${x} ${y}) scale(${box[2] / 60})`);
  }

  async #load() {
    const response = await fetch('/land.json');
    if (!response.ok) return;
    const lines = await response.json();
    let d = '';
    for (const line of lines) {
      for (let i = 0; i < line.length; i += 2) d += `${i ? 'L' : 'M'}${line[i]} ${-line[i + 1]}`;
      d += 'Z';
    }
    this.#land.append(draw('path', { d }));
  }
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function graticule() {
  let d = '';
  for (let x = -180; x <= 180; x += 30) d += `M${x * 100} -9000V9000`;
  for (let y = -60; y <= 60; y += 30) d += `M-18000 ${y * 100}H18000`;
  return d;
}

// Makes and changes elements. Text is always written as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** A new element: make('li', {class: 'row'}, 'text', child). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Write text where it differs: an element that stays as it is costs no layout. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function clock(seconds) {
  const whole = Math.max(seconds, 0);
  return `${Math.floor(whole / 60)}:${(whole % 60).toFixed(1).padStart(4, '0')}`;
}

/** 12345 as 12 345, with a space that does not break. */
export const thousands = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** True while the end of a list is in view. */
export const atEnd = (list) => list.scrollHeight - list.scrollTop - list.clientHeight < 40;

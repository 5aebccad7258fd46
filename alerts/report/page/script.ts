/**
 * The page's program: filters, opening and closing, paper. It takes nothing from anywhere but the page's own elements, and writes only texts and attributes.
 * Plain JavaScript for browsers.
 */
export const SCRIPT = `
(() => {
  'use strict';
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const form = one('#filters');
  const said = one('#said');
  const entries = all('.entries > li');
  const hits = all('.tree .hit');
  const texts = new Map();
  const textOf = (element) => {
    let text = texts.get(element);
    if (text === undefined) {
      text = element.textContent.toLowerCase();
      texts.set(element, text);
    }
    return text;
  };
  const own = (node) => {
    const title = one(':scope > details > summary, :scope > .leaf', node);
    return title === null ? '' : textOf(title);
  };
  const stamp = (value) => (value.length === 16 ? value + ':00' : value);
  const wanted = () => {
    const value = (name) => form.elements[name].value.trim();
    return { rule: value('rule'), priority: value('priority'), kind: value('kind'), text: value('text').toLowerCase(), from: stamp(value('from')), until: stamp(value('until')) };
  };
  const fits = (data, w) =>
    (w.rule === '' || data.rule === w.rule) &&
    (w.priority === '' || data.priority === w.priority) &&
    (w.kind === '' || data.kind === w.kind || (w.kind === 'tried' && data.kind === 'done')) &&
    (w.from === '' || (data.last || data.time) >= w.from) &&
    (w.until === '' || data.time < w.until);
  const filter = () => {
    const w = wanted();
    const isAny = Object.values(w).some((value) => value !== '');
    let shown = 0;
    for (const each of entries) {
      const fit = fits(each.dataset, w) && (w.text === '' || textOf(each).includes(w.text));
      each.hidden = !fit;
      if (fit) shown++;
    }
    let places = 0;
    for (const each of hits) {
      const line = [textOf(each)];
      for (let at = each.parentElement.closest('li.node'); at !== null; at = at.parentElement.closest('li.node')) line.push(own(at));
      const fit = fits(each.dataset, w) && (w.text === '' || line.some((text) => text.includes(w.text)));
      each.hidden = !fit;
      if (fit) places++;
    }
    for (const node of all('.tree li.node').reverse()) node.hidden = isAny && all('.hit', node).every((hit) => hit.hidden);
    const nothing = one('#nothing');
    if (nothing !== null) nothing.hidden = shown > 0;
    if (said !== null) {
      const of = (count, whole, noun) => count.toLocaleString('en-US') + ' of ' + whole.toLocaleString('en-US') + ' ' + noun;
      said.textContent = isAny
        ? 'Filtered: ' + of(shown, entries.length, 'entries shown in full') + ', ' + of(places, hits.length, 'lines of the process tree') + '.'
        : 'No filter is set: all ' + entries.length.toLocaleString('en-US') + ' entries shown in full and the whole process tree are listed.';
    }
  };
  if (form !== null) {
    let timer;
    form.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(filter, 60); });
    form.addEventListener('change', filter);
    form.addEventListener('submit', (event) => { event.preventDefault(); filter(); });
    form.addEventListener('reset', () => setTimeout(filter, 0));
    form.hidden = false;
    filter();
  }
  for (const each of all('[data-open]'))
    each.addEventListener('click', () => {
      const open = each.dataset.open === 'yes';
      for (const part of all('details', document.getElementById(each.dataset.of))) part.open = open;
    });
  const range = (each) => {
    if (form === null) return;
    form.elements.from.value = each.dataset.from;
    form.elements.until.value = each.dataset.until;
    filter();
    one('#processes').scrollIntoView();
  };
  for (const each of all('button.range')) each.addEventListener('click', () => range(each));
  for (const each of all('svg g.bar')) each.addEventListener('click', () => range(each));
  for (const each of all('.screen[hidden]')) each.hidden = false;
  const reveal = () => {
    const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (target === null) return;
    for (let at = target; at !== null; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    const inner = one('details', target);
    if (inner !== null) inner.open = true;
    target.hidden = false;
    target.scrollIntoView();
  };
  addEventListener('hashchange', reveal);
  reveal();
  let closed = [];
  addEventListener('beforeprint', () => {
    closed = all('details:not([open]):not(.raw)');
    for (const each of closed) each.open = true;
  });
  addEventListener('afterprint', () => {
    for (const each of closed) each.open = false;
    closed = [];
  });
})();
`;

import { nearest } from '../../engine/text/index.ts';
import { parseNetwork } from './address.ts';
import type { Constant, Span } from './ast.ts';
import { EVENT_TYPES } from './events.ts';
import type { Field } from './fields.ts';
import { type Problem, problem } from './problems.ts';

const NUMBER = /^[+-]?(?:0[xX][0-9A-Fa-f]+|\d+)$/;

/** Falco's event types that stand for no system call and that no hook of ours reports. */
const OTHER_EVENTS: ReadonlySet<string> = new Set([
  'switch',
  'signaldeliver',
  'page_fault',
  'pluginevent',
  'container',
  'drop',
  'procinfo',
  'asyncevent',
  'notification',
  'infra',
  'k8s',
  'mesos',
  'tracer',
  'scapevent',
  'cpu_hotplug',
  'useradded',
  'userdeleted',
  'groupadded',
  'groupdeleted',
]);

/** Fields that are compared with networks, each under the field that takes a single address. */
const NETWORK_FIELD: ReadonlyMap<string, string> = new Map([
  ['fd.ip', 'fd.net'],
  ['fd.cip', 'fd.cnet'],
  ['fd.sip', 'fd.snet'],
  ['fd.lip', 'fd.lnet'],
  ['fd.rip', 'fd.rnet'],
]);

/** A number of a condition: decimal or 0x, with or without a sign. */
export const parseNumber = (text: string): bigint | undefined => {
  if (!NUMBER.test(text)) return undefined;
  const negative = text.startsWith('-');
  const magnitude = BigInt(text.replace(/^[+-]/, ''));
  return negative ? -magnitude : magnitude;
};

type Typed = { readonly constant: Constant; readonly warning?: Problem } | { readonly problem: Problem };

/** The constant that a text is for a field of this type, or why it is none. */
export const typeConstant = (field: Field, name: string, text: string, span: Span): Typed => {
  const detail = { field: name, value: text };
  switch (field.type) {
    case 'number': {
      const value = parseNumber(text);
      return value === undefined
        ? { problem: problem('bad-number', span, detail) }
        : { constant: Object.freeze({ type: 'number', value }) };
    }
    case 'boolean':
      return text === 'true' || text === 'false'
        ? { constant: Object.freeze({ type: 'boolean', value: text === 'true' }) }
        : { problem: problem('bad-boolean', span, detail) };
    case 'address':
      return typeAddress(name, text, span);
    case 'string':
    case 'list':
      return field.name === 'evt.type'
        ? typeEvent(text, span)
        : { constant: Object.freeze({ type: 'string', value: text }) };
  }
};

const typeAddress = (field: string, text: string, span: Span): Typed => {
  const network = parseNetwork(text);
  if (network === undefined) return { problem: problem('bad-address', span, { field, value: text }) };
  const instead = NETWORK_FIELD.get(field);
  if (instead !== undefined && network.prefix < network.bytes.length * 8) {
    return { problem: problem('network-not-allowed', span, { field, value: text, nearest: instead }) };
  }
  return { constant: Object.freeze({ type: 'network', value: text, bytes: network.bytes, prefix: network.prefix }) };
};

const typeEvent = (text: string, span: Span): Typed => {
  const constant: Constant = Object.freeze({ type: 'string', value: text });
  if (EVENT_TYPES.has(text)) return { constant };
  if (OTHER_EVENTS.has(text)) return { constant, warning: problem('event-never-seen', span, { value: text }) };
  const near = nearest(text, EVENT_TYPES.keys());
  return { problem: problem('unknown-event', span, { value: text, ...(near === undefined ? {} : { nearest: near }) }) };
};

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { alertJson } from '../../alerts/alert-json.ts';
import type { Alert } from '../../alerts/index.ts';
import { count, seed } from '../support/counts.ts';

/** Texts of all kinds: ASCII, quotes and backslashes, control characters, any code units, lone surrogates among them. */
const text = fc.oneof(
  fc.constantFrom('', 'cat /etc/shadow', '"', '\\', 'a\nb', '\u007f', '\u2028', '\ud800', 'x\udc00y', '\u{1f980}'),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
);
const optional = fc.option(text);
const number = fc.nat(2 ** 31);
const executable = { pid: number, exe: optional, cmdline: optional };
const json = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), fc.array(text, { maxLength: 3 }));
const trusts = fc.dictionary(text, fc.constantFrom('resolved', 'as passed', 'contestable', 'unknown'), { maxKeys: 4 });
/** Few heads, so that those before come again. */
const heads = fc.constantFrom(
  ...[['a'], []].flatMap((tags) =>
    ['openat', 'o"pen'].map((event) => ({
      ...{ host: 'h\u00f6st', policy: 'p', policyHash: '0'.repeat(64), rule: 'Rule "1"', priority: 'warning' },
      ...{ tags, hook: 'tp_btf/sys_exit', event },
    })),
  ),
);
const alerts = fc
  .record({
    time: text,
    head: heads,
    output: text,
    fields: fc.dictionary(text, json, { maxKeys: 4 }),
    trust: trusts,
    process: fc.tuple(fc.record(executable), number, number, fc.array(fc.record(executable), { maxLength: 3 })),
    kernel: text,
    id: text,
    seq: fc.nat(Number.MAX_SAFE_INTEGER),
  })
  .map(({ time, head, output, fields, trust, process: [own, start, uid, ancestors], kernel, id, seq }) => {
    const { pid, exe, cmdline } = own;
    const its = { pid, start, exe, cmdline, uid, ancestors };
    return { v: 1, time, ...head, output, fields, trust, process: its, kernel, id, seq } as Alert;
  });

it('says of an alert what JSON.stringify does, each time', () => {
  fc.assert(
    fc.property(alerts, (alert) => {
      expect(alertJson(alert)).toBe(JSON.stringify(alert));
      const next = { ...alert, seq: 7, output: 'other', tags: [...alert.tags, 'b'] };
      expect(alertJson(next)).toBe(JSON.stringify(next));
    }),
    { numRuns: count(20_000), seed: seed('alert json') },
  );
});

it('leaves alerts with other members, and what is none, to JSON.stringify', () => {
  const [alert] = fc.sample(alerts, { numRuns: 1, seed: 1 });
  const { seq: _seq, ...rest } = alert as Alert;
  for (const body of [rest, { ...alert, pending: [] }, { seq: 1, ...alert }, {}, [], null, undefined, 'text', 1])
    expect(alertJson(body)).toBe(undefined);
});

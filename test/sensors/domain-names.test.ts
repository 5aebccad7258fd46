import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { parseTemplate } from '../../rules/index.ts';
import { createDomainNames, createSimHost, type Resolve } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('domain names of addresses', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are those that have been looked up, in the order of the alphabet, whatever way an address is written', async () => {
    const addresses: Readonly<Record<string, readonly string[]>> = {
      'b.test': ['192.0.2.1', '2001:db8:0:0::1'],
      'a.test': ['192.0.2.1'],
      'none.test': [],
      'odd.test': ['not an address'],
    };
    const names = createDomainNames({ names: Object.keys(addresses), resolve: async (name) => addresses[name] ?? [] });
    expect(names.of('192.0.2.1')).toEqual({ known: [], open: ['a.test', 'b.test', 'none.test', 'odd.test'] });
    await settle();
    expect(names.of('192.0.2.1')).toEqual({ known: ['a.test', 'b.test'], open: [] });
    expect(names.of('::ffff:192.0.2.1').known).toEqual(['a.test', 'b.test']);
    expect(names.of('2001:DB8::1').known).toEqual(['b.test']);
    expect(names.of('192.0.2.2')).toEqual({ known: [], open: [] });
    names.close();
  });

  it('are asked for two at once, and again after 10 s, 20 s and so on up to 320 s', async () => {
    const asked: string[] = [];
    let answer: (() => void)[] = [];
    const resolve: Resolve = (name) => {
      asked.push(name);
      return new Promise((done) => answer.push(() => done([])));
    };
    const names = createDomainNames({ names: ['a', 'b', 'c'], resolve });
    expect(asked).toEqual(['a', 'b']);
    answer[0]?.();
    await settle();
    expect(asked).toEqual(['a', 'b', 'c']);
    for (const each of answer) each();
    await settle();
    const counts: number[] = [];
    for (const seconds of [9, 2, 18, 3, 320, 320, 320, 320, 320]) {
      answer = [];
      const before = asked.length;
      await vi.advanceTimersByTimeAsync(seconds * 1000);
      for (let turn = 0; turn < 4; turn++) {
        for (const each of answer) each();
        await settle();
      }
      counts.push(asked.length - before);
    }
    expect(counts.slice(0, 4)).toEqual([0, 3, 0, 3]);
    expect(counts.at(-1)).toBe(3);
    names.close();
    const total = asked.length;
    await vi.advanceTimersByTimeAsync(10_000_000);
    expect(asked).toHaveLength(total);
  });

  it('stay what they were where a lookup fails, and are unknown until the first succeeds', async () => {
    let fails = true;
    let address = '192.0.2.1';
    const resolve: Resolve = async () => {
      if (fails) throw Object.assign(new Error('try again'), { code: 'EAI_AGAIN' });
      return [address];
    };
    const names = createDomainNames({ names: ['a.test'], resolve });
    await settle();
    expect(names.of('192.0.2.1')).toEqual({ known: [], open: ['a.test'] });
    fails = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(names.of('192.0.2.1')).toEqual({ known: ['a.test'], open: [] });
    fails = true;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(names.of('192.0.2.1').known).toEqual(['a.test']);
    fails = false;
    address = '192.0.2.9';
    await vi.advanceTimersByTimeAsync(40_000);
    expect(names.of('192.0.2.1')).toEqual({ known: [], open: [] });
    names.close();
  });

  it('may come at once, and a resolver that throws is asked again', async () => {
    let broken = true;
    const resolve: Resolve = () => {
      if (broken) throw new Error('broken');
      return ['192.0.2.1'];
    };
    const names = createDomainNames({ names: ['a.test'], resolve });
    expect(names.of('192.0.2.1').open).toEqual(['a.test']);
    broken = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(names.of('192.0.2.1').known).toEqual(['a.test']);
    names.close();
  });

  it('beyond a thousand are not looked up and stay unknown', () => {
    const warnings: string[] = [];
    const wanted = Array.from({ length: 1002 }, (_, index) => `n${String(index).padStart(4, '0')}`);
    const names = createDomainNames({
      names: wanted,
      resolve: () => [],
      warn: (sentence) => warnings.push(sentence),
    });
    expect(names.of('192.0.2.1')).toEqual({ known: [], open: ['n1000', 'n1001'] });
    expect(warnings).toEqual([
      'the rules name 1,002 domains, and 1,000 are looked up: it stays unknown which addresses the others have',
    ]);
    names.close();
  });
});

describe('a rule about a domain name', () => {
  const AF_INET = 2;
  /** The alerts of rules over a connection to 203.0.113.5. */
  const alertsOf = async (conditions: readonly string[], resolve: Resolve | undefined): Promise<readonly string[]> => {
    const host = createSimHost({ memory: 32 * 1024 * 1024 });
    host.network.declareRemote('203.0.113.5', 443);
    const task = host.spawn({ exepath: '/usr/bin/curl' });
    const alerts: string[] = [];
    const { template: output } = parseTemplate('%fd.sip.name %fd.cip.name');
    await runAgent({
      policies: [policyOf(conditions.map((each) => ruleOf(each, `evt.type = connect and ${each}`, { output })))],
      host: 'sim',
      enforce: false,
      log: memoryLog().log,
      onAlert: (alert) => alerts.push(`${alert.rule}: ${alert.output}`),
      sensor: {
        kind: 'sim',
        scope: '/',
        kernel: host.kernel,
        ...(resolve && { resolve }),
        run: async (pump) => {
          const { result } = host.call(task, 'socket', [AF_INET, 1, 0]);
          host.call(task, 'connect', [result, { address: '203.0.113.5', port: 443 }]);
          pump();
          return { calls: host.calls, problems: [] };
        },
      },
    });
    return alerts;
  };
  const addresses: Readonly<Record<string, readonly string[]>> = {
    'api.test': ['203.0.113.5'],
    'b.test': ['203.0.113.5'],
    'web.test': ['203.0.113.6'],
  };
  const CONDITIONS = [
    'fd.sip.name = api.test',
    'fd.rip.name in (web.test, b.test)',
    'fd.sip.name = web.test',
    'fd.sip.name != web.test',
    'fd.sip.name != b.test',
    'not fd.sip.name = web.test',
    'fd.cip.name = api.test',
    'fd.lip.name != api.test',
    'fd.sip.name exists',
  ];

  it('compares the address of the socket with those of the name', async () => {
    const found = await alertsOf(CONDITIONS, (name) => addresses[name] ?? []);
    expect(found).toEqual(
      [
        'fd.sip.name = api.test',
        'fd.rip.name in (web.test, b.test)',
        'fd.sip.name != web.test',
        'not fd.sip.name = web.test',
        'fd.lip.name != api.test',
        'fd.sip.name exists',
      ].map((rule) => `${rule}: api.test <NA>`),
    );
  });

  it('may match while a name has not been looked up, or where none can be', async () => {
    const names: readonly (readonly [Resolve | undefined, string])[] = [
      [() => new Promise<never>(() => undefined), '<NA> <NA>'],
      [undefined, '<unknown> <unknown>'],
    ];
    for (const [resolve, text] of names) {
      const rules = ['fd.sip.name = api.test', 'not fd.sip.name = web.test', 'fd.sip.name != web.test'];
      expect(await alertsOf(rules, resolve)).toEqual(rules.map((rule) => `${rule}: ${text}`));
    }
  });

  it('is no match for certain by names that are known, though others are not', async () => {
    const resolve: Resolve = (name) =>
      name === 'web.test' ? (addresses[name] ?? []) : new Promise<never>(() => undefined);
    expect(await alertsOf(['fd.sip.name = web.test', 'fd.sip.name = api.test'], resolve)).toEqual([
      'fd.sip.name = api.test: <NA> <NA>',
    ]);
  });
});

import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runPolicyTests } from '../../../agent/index.ts';
import { loadPolicies } from '../../../policies/index.ts';
import { EVENT_TYPES } from '../../../rules/index.ts';
import { expectedTrust } from '../../../sensors/index.ts';

const policies = ['credential-files', 'log-tampering', 'enforce/credential-files'];
const paths = policies.map((name) => fileURLToPath(new URL(`../../../policies/library/${name}.yaml`, import.meta.url)));

it('what explain says of a field is what alerts say', async () => {
  const seen = new Set<string>();
  for (const policy of loadPolicies(paths).policies) {
    for await (const { alerts } of runPolicyTests(policy)) {
      for (const { hook, event, trust } of alerts) {
        const type = EVENT_TYPES.get(event);
        if (type === undefined) throw new Error(`there is no event type ${event}`);
        for (const [text, value] of Object.entries(trust)) {
          const [, name = text, argument] = /^([^[]+)(?:\[(.*)\])?$/.exec(text) ?? [];
          const field = argument === undefined ? { name } : { name, argument };
          const expected = expectedTrust(field, {
            hook: hook as Parameters<typeof expectedTrust>[1]['hook'],
            event: type,
          });
          if (value !== 'unknown') expect(expected, `${text} of ${event} at ${hook}`).toContain(value);
          seen.add(`${name} ${value}`);
        }
      }
    }
  }
  for (const each of [
    'fd.name contestable',
    'fd.name resolved',
    'fs.path.name as passed',
    'proc.cmdline as passed',
    'proc.name resolved',
  ])
    expect(seen).toContain(each);
}, 60_000);

import { expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { ecsRecord } from '../../alerts/formats/ecs.ts';
import { falcoJson } from '../../alerts/formats/falco.ts';
import {
  type Alert,
  alertJsonSchema,
  auditJsonSchema,
  openAuditLog,
  parseAlert,
  readAuditLog,
} from '../../alerts/index.ts';
import { loadPolicies } from '../../policies/index.ts';
import { createSimSensor, loadScenario } from '../../sensors/index.ts';
import { anAlert } from '../support/alert.ts';
import { schemaProblems, validatorOf } from '../support/alert-schema.ts';
import { at } from '../support/cli.ts';
import { suiteSize } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { ecsProblems } from './formats/ecs-fields.ts';

type Schema = { readonly properties?: Record<string, Schema>; readonly items?: Schema; readonly description?: string };

/** Members that no description explains. */
const unexplained = (schema: Schema, path: string): readonly string[] => [
  ...Object.entries(schema.properties ?? {}).flatMap(([name, member]) => [
    ...(member.description === undefined ? [`${path}${name}`] : []),
    ...unexplained(member, `${path}${name}.`),
  ]),
  ...(schema.items ? unexplained(schema.items, path) : []),
];

it('explains every member of an alert', () => {
  expect(unexplained(alertJsonSchema() as Schema, '')).toEqual([]);
  expect(alertJsonSchema()).toMatchObject({ $id: 'urn:shrike:alert:1', type: 'object' });
});

it.each([
  [{ seq: 0 }, '/seq must be > 0'],
  [{ priority: 'urgent' }, '/priority must be equal to one of the allowed values'],
  [{ kernel: undefined }, " must have required property 'kernel'"],
  [{ trust: { 'fd.name': 'blind' } }, '/trust/fd.name must be equal to one of the allowed values'],
])('refuses what subscribers refuse: %j', (more, problem) => {
  const alert = JSON.parse(JSON.stringify({ ...anAlert(1), ...more })) as unknown;
  expect(schemaProblems(alert).map((text) => text.replace(/ \{.*$/, ''))).toEqual([problem]);
  expect(parseAlert(JSON.stringify(alert))).toHaveProperty('problem');
});

it('lets members pass that a later version may add, and names them where it is asked to be strict', () => {
  const alert = { ...anAlert(1), later: 1 };
  expect(validatorOf(alertJsonSchema())(alert)).toBe(true);
  expect(schemaProblems(alert)).toEqual([' must NOT have additional properties {"additionalProperty":"later"}']);
});

const isQuick = suiteSize === 'quick';
const scenarios = isQuick ? ['webshell'] : ['webshell', 'container-escape', 'supply-chain', 'lateral-movement'];
const paths = isQuick
  ? ['credential-files', 'break-in', 'persistence', 'enforce'].map((name) =>
      at(`policies/library/${name}${name === 'enforce' ? '' : '.yaml'}`),
    )
  : [at('policies/library'), at('policies/library/enforce')];

it.each(scenarios)(
  'describes what %s raises, in every format, and each entry of its log',
  { timeout: 60_000 },
  async (name) => {
    const { scenario } = loadScenario(name);
    const { policies } = loadPolicies(paths);
    const folder = temporaryFolder();
    const log = await openAuditLog({ folder, host: 'web-1' });
    const sensor = createSimSensor({ scenario: scenario! });
    await runAgent({ policies, sensor, host: 'web-1', enforce: true, log });
    await log.close();
    const isEntry = validatorOf(auditJsonSchema());
    const kinds = new Set<string>();
    const alerts: Alert[] = [];
    for await (const { entry } of readAuditLog(folder)) {
      const { bodyText: _text, ...line } = entry;
      expect(isEntry(line) ? [] : isEntry.errors).toEqual([]);
      kinds.add(entry.kind);
      if (entry.kind === 'alert') alerts.push(entry.body as Alert);
    }
    expect([...kinds]).toEqual(expect.arrayContaining(['start', 'policy', 'alert', 'stop']));
    expect(alerts.length).toBeGreaterThan(0);
    for (const alert of alerts) {
      expect(schemaProblems(alert)).toEqual([]);
      expect(ecsProblems(ecsRecord(alert))).toEqual([]);
      expect(JSON.parse(falcoJson(alert))).toMatchObject({ rule: alert.rule, hostname: 'web-1', time: alert.time });
    }
  },
);

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, loadPolicies, type Policy } from '../../policies/index.ts';
import { planRules, type Rule } from '../../rules/index.ts';

const folder = fileURLToPath(new URL('../../policies/library', import.meta.url));
const shipped = loadPolicies([folder]);
const enforcing = loadPolicies([`${folder}/enforce`]);
const everything: readonly Policy[] = [...shipped.policies, ...enforcing.policies];

/** MITRE ATT&CK's technique ids, with or without a sub-technique. */
const TECHNIQUE = /^T1\d{3}(\.\d{3})?$/;
/** Its tactics, as tags. */
const TACTICS = new Set(
  'initial_access execution persistence privilege_escalation defense_evasion credential_access discovery lateral_movement collection command_and_control exfiltration impact'.split(
    ' ',
  ),
);

describe('the library', () => {
  it('has one policy a file, named as the file, and nothing is wrong with any', () => {
    const diagnostics = [...shipped.diagnostics, ...enforcing.diagnostics];
    expect(diagnostics.map((found) => formatDiagnostic(found, { colour: false }))).toStrictEqual([]);
    const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    expect(shipped.policies.map(({ name }) => `${name}.yaml`)).toStrictEqual(files.sort());
    expect(shipped.policies.length).toBeGreaterThanOrEqual(14);
  });

  it('only watches unless its enforcing variants are asked for', () => {
    expect(shipped.policies.map(({ mode }) => mode).filter((mode) => mode !== 'monitor')).toStrictEqual([]);
    expect(shipped.policies.flatMap(({ rules }) => rules).filter(({ action }) => action !== 'alert')).toStrictEqual([]);
  });

  it('has no two policies and no two rules of the same name', () => {
    const isLaterStep = ({ correlation }: Rule): boolean => correlation?.kind === 'sequence' && correlation.step > 1;
    const names = everything.flatMap(({ name, rules }) => [
      `policy ${name}`,
      ...rules.filter((rule) => !isLaterStep(rule)).map((rule) => rule.name),
    ]);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toStrictEqual([]);
  });

  describe.each(everything.map((policy) => [policy.name, policy] as const))('%s', (_, policy) => {
    it('says what it is for, and so does each rule', () => {
      expect(policy.description).toMatch(/^[A-Z].{20,}\.$/);
      expect(policy.rules.length).toBeGreaterThan(0);
      for (const rule of policy.rules) expect(rule.description, rule.name).toMatch(/^[A-Z].{20,}\.$/);
    });

    it('has techniques and tactics of MITRE ATT&CK at each rule, and nothing else', () => {
      for (const { name, tags } of policy.rules) {
        expect(
          tags.some((tag) => TECHNIQUE.test(tag)),
          name,
        ).toBe(true);
        expect(
          tags.some((tag) => TACTICS.has(tag)),
          name,
        ).toBe(true);
        expect(
          tags.filter((tag) => !TECHNIQUE.test(tag) && !TACTICS.has(tag)),
          name,
        ).toStrictEqual([]);
      }
    });

    it('has tests of its own: attacks that raise and near misses that do not', () => {
      expect(policy.tests.filter(({ expect: alerts }) => alerts.length > 0).length).toBeGreaterThan(0);
      expect(policy.tests.filter(({ expect: alerts }) => alerts.length === 0).length).toBeGreaterThan(0);
    });

    it('tells in each output who did it', () => {
      for (const { name, output } of policy.rules) {
        const fields = output.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.name]));
        expect(fields, name).toEqual(expect.arrayContaining(['proc.cmdline']));
        expect(fields.length, name).toBeGreaterThanOrEqual(3);
      }
    });
  });
});

describe('every rule of the library', () => {
  it('is raised by a test of its policy', () => {
    const raised = new Set(everything.flatMap(({ tests }) => tests.flatMap((test) => test.expect)));
    const rules = everything.flatMap((policy) => policy.rules.map(({ name }) => name));
    expect(rules.filter((name) => !raised.has(name))).toStrictEqual([]);
  });

  it('can match: no diagnostic comes of planning', () => {
    const plan = planRules(everything.flatMap(({ rules }) => rules));
    expect(plan.diagnostics.map((found) => formatDiagnostic(found, { colour: false }))).toStrictEqual([]);
  });
});

describe('an enforcing variant', () => {
  const rules = enforcing.policies.flatMap((policy) => policy.rules);
  const plan = planRules(rules);

  it('has a scope, a monitoring twin and rules that act', () => {
    for (const { name, mode, scope } of enforcing.policies) {
      expect({ name, mode }).toStrictEqual({ name, mode: 'enforce' });
      expect(scope.cgroup, name).toBeDefined();
      expect(shipped.policies.map((policy) => policy.name)).toContain(name.replace(/-enforce$/, ''));
    }
    expect(rules.filter(({ action }) => action === 'alert')).toStrictEqual([]);
  });

  it('is decided wholly in the kernel, before the effect', () => {
    const late = plan.placements.filter(({ placed }) => placed.kind === 'user');
    expect(late.map(({ rule, predicate }) => `${rules[rule]?.name}: ${predicate.field.name}`)).toStrictEqual([]);
    const hooks = new Set(plan.placements.map(({ hook }) => hook));
    for (const hook of hooks) {
      expect(['lsm/file_open', 'lsm/socket_connect', 'tp_btf/sched_process_exec']).toContain(hook);
    }
  });
});

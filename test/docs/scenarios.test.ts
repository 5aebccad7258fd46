import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatDiagnostic } from '../../policies/index.ts';
import { createSimSensor, listScenarios, loadScenario } from '../../sensors/index.ts';
import { readInline } from '../sensors/sim/scenario/play.ts';
import { temporaryFolder } from '../support/folder.ts';

const document = readFileSync(new URL('../../docs/scenarios.md', import.meta.url), 'utf8');
const section = (title: string): string => document.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

describe('docs/scenarios.md', () => {
  it('has an example that goes as it says', async () => {
    const [, text = ''] = /^```yaml\n(.*?)^```$/ms.exec(document) ?? [];
    const path = join(temporaryFolder(), 'example.yaml');
    writeFileSync(path, text);
    const { scenario, diagnostics } = loadScenario(path);
    expect(diagnostics.map((found) => formatDiagnostic(found, { colour: false }))).toStrictEqual([]);
    if (scenario === undefined) throw new Error('the example can not be read');
    const { problems } = await createSimSensor({ scenario }).run(() => {}, new AbortController().signal);
    expect(problems).toStrictEqual([]);
  });

  const steps = [...section('Steps').matchAll(/`(\{.+?\})`(?=,| \|)/g)].map(([, step = '']) => step);

  it('shows every form of a step', () => {
    expect(steps.length).toBeGreaterThanOrEqual(20);
  });

  it.each(steps)('has a step that can be read: %s', (step) => {
    const before = [{ openat: '/etc/passwd' }, { connect: '203.0.113.5:1' }, { memfd_create: 'payload' }];
    const { diagnostics } = readInline([...before, parse(step)]);
    expect(diagnostics.map(({ message }) => message)).toStrictEqual([]);
  });

  it('names the scenarios that ship', () => {
    const named = [...section('Scenarios that ship').matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
    const names = [...listScenarios(), ...listScenarios('enforcement')].map(({ name }) => name);
    expect(named.toSorted()).toStrictEqual(names.toSorted());
  });
});

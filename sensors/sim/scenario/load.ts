import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type DocumentKind, near, type PolicyTest, packageFolder, readYaml } from '../../../policies/index.ts';
import { nearest, type Position } from '../../../rules/index.ts';
import { scenarioDiagnostic } from './messages.ts';
import { parseScenario, type ScenarioResult } from './parse.ts';

/** A scenario that ships. */
export interface ShippedScenario {
  readonly name: string;
  readonly description: string;
  readonly file: string;
}

const SCENARIO: DocumentKind = {
  noun: 'scenario',
  whole: 'a scenario: a mapping with name and steps',
  insteadOfAlias: 'write the value out',
};

const folder = (): string => packageFolder('sensors', 'sim', 'scenarios');

const shippedFiles = (): readonly string[] =>
  readdirSync(folder())
    .filter((name) => name.endsWith('.yaml'))
    .sort();

const nameOf = (file: string): string => basename(file).replace(/\.ya?ml$/, '');

/** Reads a scenario file's text; `file` is the name that diagnostics give. */
const parseScenarioText = (file: string, bytes: Uint8Array): ScenarioResult => {
  const { documents, diagnostics } = readYaml(file, bytes, SCENARIO);
  const [document, second] = documents;
  if (document === undefined) return { scenario: undefined, diagnostics };
  const read = parseScenario(document.data, document, { form: 'file' });
  const all = [...diagnostics, ...read.diagnostics.filter(document.isCertain)];
  if (second !== undefined) {
    const expected = 'one scenario a file';
    all.push(scenarioDiagnostic('several-documents', second.valueAt([]), undefined, { expected }));
  }
  all.sort((one, other) => one.line - other.line || one.column - other.column);
  const wrong = all.some(({ severity }) => severity === 'error');
  return { scenario: wrong || !document.sound ? undefined : read.scenario, diagnostics: all };
};

const loadFile = (path: string): ScenarioResult => {
  try {
    return parseScenarioText(path, readFileSync(path));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
    const position = { file: path, line: 1, column: 1 };
    const found = scenarioDiagnostic('file-unreadable', position, undefined, { path, reason });
    return { scenario: undefined, diagnostics: [found] };
  }
};

/** The scenarios that ship, by name. */
export const listScenarios = (): readonly ShippedScenario[] =>
  shippedFiles().map((name) => {
    const file = join(folder(), name);
    const { scenario } = loadFile(file);
    return { name: nameOf(file), description: scenario?.description ?? '', file };
  });

const isPath = (text: string): boolean => text.includes('/') || /\.ya?ml$/.test(text);

/**
 * Loads a scenario that ships by its name, or any by its file's path (with a slash, or ending in .yaml or .yml). Never throws.
 * @param from where the name was written, for the diagnostic of an unknown one
 */
export const loadScenario = (nameOrPath: string, from?: Position): ScenarioResult => {
  if (isPath(nameOrPath)) return loadFile(nameOrPath);
  const names = shippedFiles().map(nameOf);
  if (names.includes(nameOrPath)) return loadFile(join(folder(), `${nameOrPath}.yaml`));
  const position = from ?? { file: nameOrPath, line: 1, column: 1 };
  const expected = `one of ${names.join(', ')}, or a file's path such as ./${nameOrPath}.yaml`;
  const detail = { scenario: nameOrPath, expected, ...near(nearest(nameOrPath, names)) };
  return { scenario: undefined, diagnostics: [scenarioDiagnostic('unknown-scenario', position, undefined, detail)] };
};

/** The scenario of a policy's test, named or inline; an inline one happens within the policy's scope. A recording is none. */
export const loadTestScenario = (test: Pick<PolicyTest, 'scenario' | 'scope' | 'position'>): ScenarioResult => {
  const { scenario, scope, position } = test;
  if ('recording' in scenario) return { scenario: undefined, diagnostics: [] };
  if ('name' in scenario) return loadScenario(scenario.name, position);
  return parseScenario(scenario.inline, scenario.places, scope.cgroup === undefined ? {} : { cgroup: scope.cgroup });
};

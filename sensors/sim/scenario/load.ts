import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type DocumentKind, near, type PolicyTest, packageFolder, readYaml } from '../../../policies/index.ts';
import { type Diagnostic, nearest, type Position } from '../../../rules/index.ts';
import { scenarioDiagnostic } from './messages.ts';
import { parseScenario, type ScenarioResult } from './parse.ts';
import { isMapping } from './parse-host.ts';
import type { Scenario } from './scenario.ts';

/** A scenario that ships. */
export interface ShippedScenario {
  readonly name: string;
  readonly description: string;
  readonly file: string;
  /** Rules that it raises; undefined where nothing is said of them. */
  readonly expect: readonly string[] | undefined;
  /** Names of its variants. */
  readonly variants: readonly string[];
}

const SCENARIO: DocumentKind = {
  noun: 'scenario',
  whole: 'a scenario: a mapping with name and steps',
  insteadOfAlias: 'write the value out',
};

/** Groups of scenarios that ship, and the folders that they are in. */
const GROUPS = { stories: [], enforcement: ['enforcement'], falco: ['falco'] } as const;
export type ScenarioGroup = keyof typeof GROUPS;
export const SCENARIO_GROUPS = Object.keys(GROUPS) as readonly ScenarioGroup[];

const shippedIn = (group: ScenarioGroup): readonly string[] => {
  const folder = packageFolder('sensors', 'sim', 'scenarios', ...GROUPS[group]);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => join(folder, name));
};

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

/**
 * The scenarios that ship, by name: stories, those about how policies are enforced, or one for each public rule of Falco. Only what is listed of them is read.
 */
export const listScenarios = (group: ScenarioGroup = 'stories'): readonly ShippedScenario[] =>
  shippedIn(group).map((file) => {
    const { documents } = readYaml(file, readFileSync(file), SCENARIO);
    const data = isMapping(documents[0]?.data) ? documents[0].data : {};
    const variants = (Array.isArray(data.but) ? data.but : []).filter(isMapping);
    return {
      name: nameOf(file),
      description: String(data.description ?? '').trim(),
      file,
      expect: Array.isArray(data.expect) ? data.expect.map(String) : undefined,
      variants: variants.map(({ name }) => String(name)),
    };
  });

const isPath = (text: string): boolean => text.includes('/') || /\.ya?ml$/.test(text);

/** `webshell/refused`, `./mine.yaml/refused`: a scenario, and one of its variants. */
const splitName = (text: string): { readonly scenario: string; readonly variant: string | undefined } => {
  const slash = text.lastIndexOf('/');
  const [scenario, variant] = [text.slice(0, slash), text.slice(slash + 1)];
  const isVariant = slash > 0 && /^[\w.-]+$/.test(variant) && (/\.ya?ml$/.test(scenario) || !/[/.]/.test(scenario));
  return isVariant && !existsSync(text) ? { scenario, variant } : { scenario: text, variant: undefined };
};

const variantOf = (result: ScenarioResult, variant: string, from: Position): ScenarioResult => {
  const { scenario, diagnostics } = result;
  if (scenario === undefined) return result;
  const found = scenario.variants.find(({ name }) => name === `${scenario.name}/${variant}`);
  if (found !== undefined) return { scenario: found, diagnostics };
  const known = scenario.variants.map(({ name }) => name.slice(scenario.name.length + 1));
  const expected =
    known.length === 0 ? `"${scenario.name}" alone, which has no variants` : `one of ${known.join(', ')}`;
  const detail = { scenario: scenario.name, variant, expected, ...near(nearest(variant, known)) };
  return { scenario: undefined, diagnostics: [scenarioDiagnostic('no-such-variant', from, undefined, detail)] };
};

/**
 * Loads a scenario that ships by its name, or any by its file's path (with a slash, or ending in .yaml or .yml); with `/` and a name after it, one of
 * its variants. Never throws.
 * @param from where the name was written, for the diagnostic of an unknown one
 */
export const loadScenario = (nameOrPath: string, from?: Position): ScenarioResult => {
  const position = from ?? { file: nameOrPath, line: 1, column: 1 };
  const { scenario, variant } = splitName(nameOrPath);
  if (isPath(scenario)) {
    const result = loadFile(scenario);
    return variant === undefined ? result : variantOf(result, variant, position);
  }
  const shipped = SCENARIO_GROUPS.flatMap(shippedIn);
  const file = shipped.find((each) => nameOf(each) === scenario);
  if (file === undefined) {
    const names = [...shippedIn('stories'), ...shippedIn('enforcement')].map(nameOf);
    const expected = `one of ${names.join(', ')}, or a file's path such as ./${scenario}.yaml`;
    const detail = { scenario, expected, ...near(nearest(scenario, shipped.map(nameOf))) };
    return { scenario: undefined, diagnostics: [scenarioDiagnostic('unknown-scenario', position, undefined, detail)] };
  }
  const result = loadFile(file);
  return variant === undefined ? result : variantOf(result, variant, position);
};

/** What reading several scenarios came to: those that are right, and what is wrong with the others. */
export interface ScenariosResult {
  readonly scenarios: readonly Scenario[];
  readonly diagnostics: readonly Diagnostic[];
}

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(folder, name));

/** Loads scenarios by name or path; a folder stands for the files below it, `stories`, `enforcement` and `falco` for all of that group that ship. Never throws. */
export const loadScenarios = (namesOrPaths: readonly string[]): ScenariosResult => {
  const results = namesOrPaths.flatMap((each): readonly ScenarioResult[] => {
    if (Object.hasOwn(GROUPS, each)) return shippedIn(each as ScenarioGroup).map(loadFile);
    const isFolder = existsSync(each) && statSync(each).isDirectory();
    return isFolder ? filesBelow(each).map(loadFile) : [loadScenario(each)];
  });
  return {
    scenarios: results.flatMap(({ scenario }) => scenario ?? []),
    diagnostics: results.flatMap(({ diagnostics }) => diagnostics),
  };
};

/** The scenario of a policy's test, named or inline; an inline one happens within the policy's scope. A recording is none. */
export const loadTestScenario = (test: Pick<PolicyTest, 'scenario' | 'scope' | 'position'>): ScenarioResult => {
  const { scenario, scope, position } = test;
  if ('recording' in scenario) return { scenario: undefined, diagnostics: [] };
  if ('name' in scenario) return loadScenario(scenario.name, position);
  return parseScenario(scenario.inline, scenario.places, scope.cgroup === undefined ? {} : { cgroup: scope.cgroup });
};

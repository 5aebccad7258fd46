import { dirname, resolve } from 'node:path';
import {
  describe,
  ExpectedEnforcementSchema,
  expectedEnforcement,
  killBudgetIn,
  type Path,
  type SourcePlaces,
  schemaDiagnostics,
} from '../../../policies/index.ts';
import type { Diagnostic } from '../../../rules/index.ts';
import { createAgentState } from './agent-state.ts';
import { createKnownNames } from './known-names.ts';
import { scenarioDiagnostic } from './messages.ts';
import { checkHost, checkProcesses, declaredNames, hostOf, isMapping, type Report } from './parse-host.ts';
import { readStep } from './read-step.ts';
import type { Scenario, ScenarioEnforcement, Step } from './scenario.ts';
import { InlineSchema, ScenarioSchema } from './schema.ts';
import { variantsOf, type Written } from './variants.ts';

/** What reading a scenario came to; it is there when no diagnostic is an error. */
export interface ScenarioResult {
  readonly scenario: Scenario | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

const INLINE_EXPECTED = 'a list of steps, or a mapping with steps';
const FILE_EXPECTED = 'a scenario: a mapping with name and steps';

/** A list of steps as the mapping that it stands for. */
const asMapping = (data: unknown, places: SourcePlaces): { readonly data: unknown; readonly places: SourcePlaces } => {
  if (!Array.isArray(data)) return { data, places };
  const inList = (path: Path): Path => path.slice(path[0] === 'steps' ? 1 : 0);
  return {
    data: { steps: data },
    places: {
      file: places.file,
      valueAt: (path) => places.valueAt(inList(path)),
      keyAt: (path) => places.keyAt(inList(path)),
    },
  };
};

/** How a scenario is written, and where it is to happen. */
export interface ScenarioForm {
  readonly form?: 'inline' | 'file';
  /** The control group that the usual processes are in; default those of a login. */
  readonly cgroup?: string;
}

const textsIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];

/** What a scenario says of how policies are enforced; where it is wrong the schema has told. */
const enforcementOf = (written: unknown, file: string): ScenarioEnforcement | undefined => {
  if (!isMapping(written)) return undefined;
  return {
    policies: textsIn(written.policies).map((path) => resolve(dirname(file), path)),
    budget: typeof written.budget === 'string' ? killBudgetIn(written.budget) : undefined,
    protect: textsIn(written.protect),
  };
};

/** Audit records that are expected; undefined where nothing is said, or it is wrong, which the schema has told. */
const enforcedOf = (written: unknown): Scenario['enforced'] => {
  const read = ExpectedEnforcementSchema.safeParse(written);
  return read.success ? expectedEnforcement(read.data) : undefined;
};

/** What is written, read as one scenario: mistakes are reported, in the order in which they are found. */
const readScenario = (
  { data, places }: Written,
  { form = 'inline', cgroup }: ScenarioForm,
  report: Report,
): Omit<Scenario, 'expected' | 'variants'> => {
  const schema = form === 'inline' ? InlineSchema : ScenarioSchema;
  const base: Path = form === 'inline' ? [] : ['host'];
  const checked = schema.safeParse(data);
  if (!checked.success) {
    const document = { ...places, data };
    report(...schemaDiagnostics(checked.error.issues, { document, schema, base: [], unknownKeys: 'error' }));
  }
  const inner = form === 'inline' ? data : data.host;
  const written = isMapping(inner) ? inner : {};
  const host = hostOf(written, base, places);
  checkProcesses(written, base, places, report);
  checkHost(host, base, places, report);
  const names = createKnownNames(declaredNames(written).filter((name) => name !== undefined));
  const context = { places, names, agent: createAgentState(), report };
  const steps = (Array.isArray(data.steps) ? data.steps : []).flatMap((step: unknown, index): readonly Step[] => {
    return readStep(step, index + 1, ['steps', index], context);
  });
  const { name, description } = data;
  return {
    name: typeof name === 'string' ? name : '',
    description: typeof description === 'string' ? description.trim() : '',
    file: places.file,
    position: places.valueAt(['name']),
    host,
    steps,
    enforcement: enforcementOf(data.enforcement, places.file),
    enforced: enforcedOf(data.enforced),
    cgroup,
    provides: form === 'inline',
  };
};

const keyOf = ({ code, line, column, message }: Diagnostic): string => `${line}:${column} ${code} ${message}`;

/** The scenario with its variants; what is wrong with one that isn't with the scenario is reported. */
const withVariants = (
  whole: Written,
  scenario: Omit<Scenario, 'expected' | 'variants'>,
  found: readonly Diagnostic[],
  report: Report,
): Scenario => {
  if (whole.data.enforced !== undefined && whole.data.enforcement === undefined) {
    const detail = { where: 'The document', key: 'enforcement', expected: 'the policies under which "enforced" is so' };
    report(scenarioDiagnostic('missing-key', whole.places.keyAt(['enforced']), undefined, detail));
  }
  const written = variantsOf(whole, report);
  const raised = Array.isArray(whole.data.expect) ? textsIn(whole.data.expect) : undefined;
  const named = [...new Set([...(raised ?? []), ...written.flatMap(({ expect }) => expect)])];
  const known = new Set(found.map(keyOf));
  const { but: _but, expect: _expect, ...rest } = whole.data;
  const variants = written.map(({ name, description, expect, enforced, data, places, position }): Scenario => {
    const { but: _variants, expect: _raised, enforced: _records, ...own } = data;
    const read = readScenario({ data: own, places }, { form: 'file' }, (...diagnostics) => {
      const fresh = diagnostics.filter((each) => !known.has(keyOf(each)));
      for (const each of fresh) known.add(keyOf(each));
      report(...fresh);
    });
    const full = `${String(rest.name)}/${name}`;
    const expected = { raised: expect, named };
    return { ...read, name: full, description, position, expected, enforced: enforcedOf(enforced), variants: [] };
  });
  return { ...scenario, expected: raised && { raised, named }, variants };
};

/**
 * Reads a scenario: `file` is a document of its own with name, host, steps, what rules it raises, and variants; `inline` a policy test's list of
 * steps or mapping with steps. Never throws; every mistake has its place.
 */
export const parseScenario = (given: unknown, source: SourcePlaces, how: ScenarioForm = {}): ScenarioResult => {
  const { form = 'inline' } = how;
  const { data, places } = form === 'inline' ? asMapping(given, source) : { data: given, places: source };
  const diagnostics: Diagnostic[] = [];
  const report: Report = (...found) => void diagnostics.push(...found);
  if (!isMapping(data)) {
    const expected = form === 'inline' ? INLINE_EXPECTED : FILE_EXPECTED;
    report(scenarioDiagnostic('not-a-scenario', places.valueAt([]), undefined, { found: describe(data), expected }));
    return { scenario: undefined, diagnostics };
  }
  const alone = readScenario({ data, places }, how, report);
  const scenario: Scenario =
    form === 'inline'
      ? { ...alone, expected: undefined, variants: [] }
      : withVariants({ data, places }, alone, [...diagnostics], report);
  const inOrder = diagnostics.toSorted((one, other) => one.line - other.line || one.column - other.column);
  const wrong = inOrder.some(({ severity }) => severity === 'error');
  return { scenario: wrong ? undefined : scenario, diagnostics: inOrder };
};

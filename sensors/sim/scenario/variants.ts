import { formatPath, near, type Path, type SourcePlaces } from '../../../policies/index.ts';
import { nearest, type Position } from '../../../rules/index.ts';
import { CALLS, OWN_WORDS } from './forms.ts';
import { scenarioDiagnostic } from './messages.ts';
import { isMapping, type Mapping, type Report } from './parse-host.ts';
import { VariantSchema } from './schema.ts';

/** A scenario as data, with the places that it was read from. */
export interface Written {
  readonly data: Mapping;
  readonly places: SourcePlaces;
}

/** A variant of a scenario as data: the scenario with one thing changed. */
interface WrittenVariant extends Written {
  readonly name: string;
  readonly description: string;
  readonly expect: readonly string[];
  readonly enforced: unknown;
  readonly position: Position;
}

/** What a variant says to change, and where it says so. */
interface Change {
  readonly name: string;
  readonly index: number;
  readonly of: string | undefined;
  readonly written: Mapping;
}

/** The keys that say what is changed: a variant has one of them. */
const TARGETS = ['step', 'without', 'add', 'process', 'file', 'container'] as const;
type Target = (typeof TARGETS)[number];
/** Those beside which `change` says how. */
const CHANGED: readonly Target[] = ['step', 'process', 'file', 'container'];
const WORDS: ReadonlySet<string> = new Set([...OWN_WORDS, ...CALLS]);

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** What stands at a path of data; undefined where nothing does. */
const at = (data: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<string | number, unknown> | undefined | null)?.[key], data);

/** A mapping with another one's keys in it: null takes a key away, mappings are changed inside. */
const merge = (before: Mapping, change: Mapping, keeps: (key: string) => boolean = () => false): Mapping => {
  const merged: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(change)) {
    const old = merged[key];
    if (value === null && !keeps(key)) delete merged[key];
    else merged[key] = isMapping(old) && isMapping(value) ? merge(old, value) : value;
  }
  return merged;
};

/** A step with some of it changed; another call takes the place of its own. */
const changedStep = (step: unknown, change: Mapping): unknown => {
  const before = isMapping(step) ? step : typeof step === 'string' ? { [step]: null } : {};
  const call = Object.keys(change).find((key) => WORDS.has(key));
  const kept = Object.entries(before).filter(([key]) => call === undefined || key === call || !WORDS.has(key));
  return merge(Object.fromEntries(kept), change, (key) => WORDS.has(key));
};

const idsOf = ({ data }: Written): readonly (string | undefined)[] =>
  listOf(data.steps).map((step) => (isMapping(step) && typeof step.id === 'string' ? step.id : undefined));

const isWithin = (path: Path, target: Path): boolean => target.every((part, index) => path[index] === part);

/** Places of a document in which what is at `target` was changed by what is written at `source`. */
const withChange = (before: SourcePlaces, whole: SourcePlaces, target: Path, change: unknown, source: Path) => {
  const place =
    (of: 'valueAt' | 'keyAt') =>
    (path: Path): ReturnType<SourcePlaces['valueAt']> => {
      const rest = path.slice(target.length);
      const isChanged = isWithin(path, target) && at(change, rest) !== undefined;
      return isChanged ? whole[of]([...source, ...rest]) : before[of](path);
    };
  return { file: before.file, valueAt: place('valueAt'), keyAt: place('keyAt') };
};

/** Places of a document whose steps from one on are those that were `by` further on. */
const shifted = (before: SourcePlaces, from: number, by: number): SourcePlaces => {
  const back = (path: Path): Path => {
    const [key, index, ...rest] = path;
    return key === 'steps' && typeof index === 'number' && index >= from ? [key, index + by, ...rest] : path;
  };
  return {
    file: before.file,
    valueAt: (path) => before.valueAt(back(path)),
    keyAt: (path) => before.keyAt(back(path)),
  };
};

interface Making {
  readonly whole: SourcePlaces;
  readonly report: Report;
}

/** Where the step of a name is; tells where there is none. */
const stepAt = (before: Written, id: unknown, path: Path, { whole, report }: Making): number | undefined => {
  const ids = idsOf(before);
  const index = ids.indexOf(String(id));
  if (index >= 0) return index;
  const known = ids.filter((each) => each !== undefined);
  const expected = known.length === 0 ? 'a step with "id"' : `one of ${known.join(', ')}`;
  const detail = { step: String(id), expected, ...near(nearest(String(id), known)) };
  report(scenarioDiagnostic('unknown-step', whole.valueAt(path), formatPath(path), detail));
  return undefined;
};

/** Where a host's process or container of a name is; tells where there is none. */
const memberAt = (
  before: Written,
  list: 'processes' | 'containers',
  name: string,
  path: Path,
  { whole, report }: Making,
): number | undefined => {
  const names = listOf(at(before.data, ['host', list])).map((each) => (isMapping(each) ? String(each.name) : ''));
  const index = names.indexOf(name);
  if (index >= 0) return index;
  const expected = names.length === 0 ? `host.${list} with that name` : `one of ${names.join(', ')}`;
  const detail = {
    noun: list === 'processes' ? 'process' : 'container',
    name,
    expected,
    ...near(nearest(name, names)),
  };
  report(scenarioDiagnostic('not-in-host', whole.valueAt(path), formatPath(path), detail));
  return undefined;
};

const replaced = (before: Written, key: 'processes' | 'containers', index: number, change: Mapping): Mapping => {
  const host = before.data.host as Mapping;
  const list = listOf(host[key]);
  return { ...before.data, host: { ...host, [key]: list.with(index, merge(list[index] as Mapping, change)) } };
};

/** A scenario with what a variant says changed; undefined where it names what isn't there. */
const changed = (before: Written, { written, index }: Change, making: Making): Written | undefined => {
  const { whole } = making;
  const base: Path = ['but', index];
  const change = isMapping(written.change) ? written.change : {};
  const source: Path = [...base, 'change'];
  const steps = listOf(before.data.steps);
  const within = (data: Mapping, target: Path): Written => ({
    data,
    places: withChange(before.places, whole, target, change, source),
  });
  const target = TARGETS.find((key) => written[key] !== undefined);
  switch (target) {
    case 'step': {
      const found = stepAt(before, written.step, [...base, 'step'], making);
      if (found === undefined) return undefined;
      const data = { ...before.data, steps: steps.with(found, changedStep(steps[found], change)) };
      return within(data, ['steps', found]);
    }
    case 'without': {
      const gone: readonly unknown[] = Array.isArray(written.without) ? written.without : [written.without];
      let left: Written | undefined = before;
      for (const [place, id] of gone.entries()) {
        const path: Path = Array.isArray(written.without) ? [...base, 'without', place] : [...base, 'without'];
        const found: number | undefined = left && stepAt(left, id, path, making);
        if (left === undefined || found === undefined) return undefined;
        const data: Mapping = { ...left.data, steps: listOf(left.data.steps).toSpliced(found, 1) };
        left = { data, places: shifted(left.places, found, 1) };
      }
      return left;
    }
    case 'add': {
      const found =
        written.before === undefined ? steps.length : stepAt(before, written.before, [...base, 'before'], making);
      if (found === undefined) return undefined;
      const places = withChange(shifted(before.places, found + 1, -1), whole, ['steps', found], written.add, [
        ...base,
        'add',
      ]);
      return { data: { ...before.data, steps: steps.toSpliced(found, 0, written.add) }, places };
    }
    case 'process': {
      const found = memberAt(before, 'processes', String(written.process), [...base, 'process'], making);
      if (found === undefined) return undefined;
      return within(replaced(before, 'processes', found, change), ['host', 'processes', found]);
    }
    case 'container': {
      const found = memberAt(before, 'containers', String(written.container), [...base, 'container'], making);
      if (found === undefined) return undefined;
      return within(replaced(before, 'containers', found, change), ['host', 'containers', found]);
    }
    case 'file': {
      const path = String(written.file);
      const host = isMapping(before.data.host) ? before.data.host : {};
      const files = isMapping(host.files) ? host.files : {};
      const old = files[path];
      const file = merge(isMapping(old) ? old : { content: old ?? '' }, change);
      return within({ ...before.data, host: { ...host, files: { ...files, [path]: file } } }, ['host', 'files', path]);
    }
    default:
      return undefined;
  }
};

/** What of the written variants can be made; the rest is reported. */
const soundChanges = (data: Mapping, { whole, report }: Making): readonly Change[] => {
  const lines = new Map<string, number>();
  return listOf(data.but).flatMap((written, index): readonly Change[] => {
    if (!isMapping(written) || !VariantSchema.safeParse(written).success) return [];
    const path: Path = ['but', index];
    const where = formatPath(path);
    const name = String(written.name);
    const place = whole.valueAt(path);
    const line = lines.get(name);
    if (line !== undefined) {
      const detail = { variant: name, line, expected: 'another name' };
      report(scenarioDiagnostic('duplicate-variant', whole.valueAt([...path, 'name']), where, detail));
      return [];
    }
    lines.set(name, place.line);
    const targets = TARGETS.filter((key) => written[key] !== undefined);
    const [target, second] = targets;
    if (target === undefined || second !== undefined) {
      const detail = { where, targets, expected: `one of ${TARGETS.join(', ')}` };
      const at = second === undefined ? place : whole.keyAt([...path, second]);
      report(scenarioDiagnostic('not-one-change', at, where, detail));
      return [];
    }
    const wantsChange = CHANGED.includes(target);
    if (wantsChange !== isMapping(written.change)) {
      const expected = wantsChange ? `what of the ${target} is other` : `no "change" beside "${target}"`;
      const at = wantsChange ? place : whole.keyAt([...path, 'change']);
      report(scenarioDiagnostic('change-misplaced', at, where, { where, target, wanted: wantsChange, expected }));
      return [];
    }
    if (written.before !== undefined && target !== 'add') {
      const detail = { key: 'before', where, expected: 'it beside "add" only' };
      report(scenarioDiagnostic('unknown-key', whole.keyAt([...path, 'before']), where, detail));
      return [];
    }
    return [{ name, index, of: typeof written.of === 'string' ? written.of : undefined, written }];
  });
};

/** Steps of the same name. */
const checkIds = (scenario: Written, { report }: Making): void => {
  const lines = new Map<string, number>();
  for (const [index, id] of idsOf(scenario).entries()) {
    if (id === undefined) continue;
    const path: Path = ['steps', index, 'id'];
    const position = scenario.places.valueAt(path);
    const line = lines.get(id);
    if (line === undefined) lines.set(id, position.line);
    else {
      const detail = { step: id, line, expected: 'another name' };
      report(scenarioDiagnostic('duplicate-step', position, formatPath(path), detail));
    }
  }
};

/** The variants of a scenario file, each as a scenario of its own; what is wrong with one is reported, and it is left out. */
export const variantsOf = (scenario: Written, report: Report): readonly WrittenVariant[] => {
  const making: Making = { whole: scenario.places, report };
  checkIds(scenario, making);
  const changes = soundChanges(scenario.data, making);
  const byName = new Map(changes.map((change) => [change.name, change]));
  const made = new Map<string, Written | undefined>();
  const make = (change: Change, above: readonly string[]): Written | undefined => {
    const { name, of, index } = change;
    if (made.has(name)) return made.get(name);
    const path: Path = ['but', index, 'of'];
    const tell = (code: 'unknown-variant' | 'variants-in-circle', circle: readonly string[] = []): undefined => {
      const known = [...byName.keys()].filter((each) => each !== name);
      const expected = known.length === 0 ? 'no "of"' : `one of ${known.join(', ')}`;
      const detail =
        code === 'variants-in-circle'
          ? { variant: of ?? name, circle, expected: 'one that builds on none of them' }
          : { variant: of ?? name, circle, expected, ...near(nearest(of ?? '', known)) };
      report(scenarioDiagnostic(code, scenario.places.valueAt(path), formatPath(path), detail));
      made.set(name, undefined);
    };
    const under = of === undefined ? undefined : byName.get(of);
    if (of !== undefined && under === undefined) return tell('unknown-variant');
    const line = [...above, name];
    if (of !== undefined && line.includes(of)) return tell('variants-in-circle', [...line.slice(line.indexOf(of)), of]);
    const before = under === undefined ? scenario : make(under, [...above, name]);
    const result = before && changed(before, change, making);
    if (!made.has(name)) made.set(name, result);
    return result;
  };
  return changes.flatMap((change) => {
    const result = make(change, []);
    if (result === undefined) return [];
    const { name, description, expect, enforced } = change.written;
    return [
      {
        ...result,
        name: String(name),
        description: typeof description === 'string' ? description : '',
        expect: listOf(expect).map(String),
        enforced,
        position: scenario.places.valueAt(['but', change.index]),
      },
    ];
  });
};

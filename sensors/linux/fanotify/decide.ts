import { readFileSync, readlinkSync } from 'node:fs';
import {
  evaluate,
  type FieldRef,
  type FieldSource,
  type FieldValue,
  type Placement,
  type Predicate,
  type Rule,
  SCOPE_FIELD,
  scopedCondition,
  Truth as TRUTHS,
  type Truth,
  truthOn,
} from '../../../rules/index.ts';

/** A rule that denies opens or execs, as the process that answers for them has it. */
export interface FanotifyRule {
  readonly name: string;
  readonly on: 'open' | 'exec';
  readonly condition: ReturnType<typeof scopedCondition>;
  /** What is known of predicates before any event. */
  readonly known: ReadonlyMap<Predicate, Truth>;
}

/** What is asked about: a file that a process opens, or executes. */
export interface Question {
  readonly pid: number;
  readonly path: string;
  readonly on: 'open' | 'exec';
}

/** The rules of a plan that deny at lsm/file_open or lsm/bprm_check_security, for fanotify to decide instead. */
export const fanotifyRules = (plan: {
  readonly rules: readonly Rule[];
  readonly placements: readonly Placement[];
}): readonly FanotifyRule[] =>
  (
    [
      ['lsm/file_open', 'open'],
      ['lsm/bprm_check_security', 'exec'],
    ] as const
  ).flatMap(([hook, on]) =>
    plan.rules.flatMap((rule, index): FanotifyRule[] => {
      const placed = plan.placements.filter((each) => each.rule === index && each.hook === hook);
      if (rule.action !== 'deny' || rule.mode !== 'enforce' || placed.length === 0) return [];
      const known = new Map(
        placed.flatMap(({ predicate, placed: what }) =>
          what.kind === 'constant' ? [[predicate, what.truth] as const] : [],
        ),
      );
      return [{ name: rule.name, on, condition: scopedCondition(rule), known }];
    }),
  );

const UNKNOWN: FieldValue = { state: 'unknown' };
const present = (value: string | bigint | undefined): FieldValue =>
  value === undefined ? UNKNOWN : { state: 'present', value, trust: 'contestable' };

const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined;
  }
};

/** What /proc says of a process; what is gone or can't be read is unknown. */
const processFields = (pid: number): Readonly<Record<string, () => FieldValue>> => {
  const status = (name: string, column: number): bigint | undefined =>
    attempt(() => {
      const line = readFileSync(`/proc/${pid}/status`, 'utf8')
        .split('\n')
        .find((each) => each.startsWith(`${name}:`));
      const text = line?.split(/\s+/)[column];
      return text === undefined ? undefined : BigInt(text);
    });
  const argv = (): readonly string[] | undefined =>
    attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1));
  return {
    'proc.pid': () => present(BigInt(pid)),
    'proc.ppid': () => present(status('PPid', 1)),
    'proc.name': () => present(attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd())),
    'proc.exepath': () => present(attempt(() => readlinkSync(`/proc/${pid}/exe`))),
    'proc.exe': () => present(argv()?.[0]),
    'proc.args': () => present(argv()?.slice(1).join(' ')),
    'user.uid': () => present(status('Uid', 2)),
    'group.gid': () => present(status('Gid', 2)),
  };
};

/** The cgroup v2 path of a process. */
const cgroupOf = (pid: number): string | undefined =>
  attempt(() => /^0::(\/.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1]);

const isBelow = (path: string, top: string): boolean => top === '/' || `${path}/`.startsWith(`${top}/`);

const fieldsOf = ({ pid, path, on }: Question): FieldSource => {
  const ofProcess = processFields(pid);
  const ofFile: Readonly<Record<string, string>> =
    on === 'exec'
      ? { 'proc.exepath': path }
      : {
          'fd.name': path,
          'fd.directory': path.slice(0, Math.max(1, path.lastIndexOf('/'))),
          'fd.filename': path.slice(path.lastIndexOf('/') + 1),
        };
  return ({ name }: FieldRef): FieldValue => {
    const text = ofFile[name];
    if (text !== undefined) return { state: 'present', value: text, trust: 'resolved' };
    return ofProcess[name]?.() ?? UNKNOWN;
  };
};

/**
 * The first rule that certainly holds of a process in the scope; undefined where the file may be opened. What is not known, of the process or of its
 * cgroup, denies nothing.
 */
export const deniedBy = (rules: readonly FanotifyRule[], scope: string, question: Question): string | undefined => {
  const cgroup = cgroupOf(question.pid);
  if (cgroup === undefined || !isBelow(cgroup, scope) || question.pid === 1) return undefined;
  const source = fieldsOf(question);
  const found = rules.find(({ on, condition, known }) => {
    if (on !== question.on) return false;
    const truthOf = (predicate: Predicate): Truth => {
      const before = known.get(predicate);
      if (before !== undefined) return before;
      if (predicate.field.name !== SCOPE_FIELD) return truthOn(predicate, source);
      const [wanted] = predicate.constants;
      return wanted?.type === 'string' && isBelow(cgroup, wanted.value) ? TRUTHS.TRUE : TRUTHS.FALSE;
    };
    return evaluate(condition, truthOf, 'certain');
  });
  return found?.name;
};

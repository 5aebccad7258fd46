import { fieldOf, type Predicate } from '../language/index.ts';
import { type FactSource, type Placed, user } from './placed.ts';

/** A test of facts that user space knows: its truth is a column in the rows of its source. */
export interface FactTest {
  readonly key: string;
  readonly source: FactSource;
  readonly predicate: Predicate;
  /** The condition's text of its first use, for listings. */
  readonly text: string;
}

/** Columns of a source's rows at most; tests beyond them are user space's. */
export const MAX_FACT_COLUMNS = 1000;

/** Names that the host's files of users and groups give to ids. */
const OF_IDS: Readonly<Record<string, FactSource>> = {
  'user.name': 'user',
  'user.homedir': 'user',
  'user.shell': 'user',
  'user.loginname': 'login',
  'group.name': 'group',
};

/** Where a field's value comes from where it is a fact that user space tells the kernel of; undefined for other fields. */
export const factSourceOf = (field: string): FactSource | undefined => {
  if (Object.hasOwn(OF_IDS, field)) return OF_IDS[field];
  const known = fieldOf(field);
  return known?.rate === 'container' && known.place === 'kernel' ? 'container' : undefined;
};

const keys = new WeakMap<Predicate, string>();

/** Identity of a test of facts: what it says, wherever it is written. */
export const factKey = (source: FactSource, predicate: Predicate): string => {
  let key = keys.get(predicate);
  if (key === undefined) {
    key = JSON.stringify(predicate, (name, part: unknown) => {
      if (name === 'span') return undefined;
      return typeof part === 'bigint' ? `${part}n` : part instanceof Uint8Array ? [...part] : part;
    });
    keys.set(predicate, key);
  }
  return `${source} ${key}`;
};

/** What the rows of each source are about, for messages. */
export const FACT_SOURCES: Readonly<Record<FactSource, string>> = {
  container: 'containers',
  user: 'users',
  group: 'groups',
  login: 'login users',
};

/** Gives tests of facts their columns. */
export interface FactColumns {
  /** The place, or user space's where its source has no column left. */
  take(placed: Placed, text: () => string): Placed;
  readonly tests: readonly FactTest[];
}

export const createFactColumns = (): FactColumns => {
  const tests = new Map<string, FactTest>();
  const columns = new Map<FactSource, number>();
  return {
    take: (placed, text) => {
      if (placed.kind !== 'kernel' || placed.kernel.place !== 'facts') return placed;
      const { of: source, predicate } = placed.kernel;
      const key = factKey(source, predicate);
      if (tests.has(key)) return placed;
      const taken = columns.get(source) ?? 0;
      if (taken === MAX_FACT_COLUMNS)
        return user(
          `the kernel is told ${MAX_FACT_COLUMNS.toLocaleString('en-US')} truths of ${FACT_SOURCES[source]} at most, and the rules have more`,
        );
      columns.set(source, taken + 1);
      tests.set(key, { key, source, predicate, text: text() });
      return placed;
    },
    get tests() {
      return [...tests.values()];
    },
  };
};

import {
  type Compiled,
  type EventRecord,
  type FactRows,
  type FactSource,
  type FieldSource,
  type FieldValue,
  factRow,
  factRowKey,
  truthOn,
} from '../rules/index.ts';
import {
  type Accounts,
  type ContainerAnswer,
  type ContainerSource,
  containerValue,
  isContainerField,
  type Kernel,
  type KernelMap,
  NO_CONTAINERS,
  NO_ID,
} from '../sensors/index.ts';

/** Tells the kernel what user space knows of containers, users and groups: a row of truths each, as soon as their ids are seen. */
export interface FactFill {
  /** Rows of what is there before the first event: the cgroups of processes, and users and groups that have names. */
  begin(cgroups: Iterable<string>): void;
  /** The ids of a record that have no row yet get one. */
  apply(record: EventRecord): void;
  /** Facts of containers have come: rows of those that were not known as a whole are written again. */
  recheck(): void;
  /** Rows of users and groups are written again where their names have changed. */
  poll(): void;
  /** Looks at some rows of cgroups: those of cgroups that are gone go, those whose facts have changed are written again. */
  sweep(): void;
  /** Sentences about what found no room, for people. */
  readonly problems: readonly string[];
}

export interface FactFillOptions {
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  /** The object's maps by name. */
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly containers?: ContainerSource | undefined;
  readonly accounts?: Accounts | undefined;
  readonly warn?: ((sentence: string) => void) | undefined;
}

/** Rows that are looked at in one sweep. */
const SWEEP_ROWS = 200;
const UNKNOWN: FieldValue = { state: 'unknown' };

/** A source's map, and how many of its ids found no room there. */
interface Rows<Id extends bigint | number> {
  put(id: Id, read: FieldSource): void;
  remove(id: Id): void;
  readonly refused: ReadonlySet<Id>;
}

const openRows = <Id extends bigint | number>(
  rows: FactRows,
  map: KernelMap,
  warn: (sentence: string) => void,
): Rows<Id> => {
  const refused = new Set<Id>();
  return {
    put: (id, read) => {
      const row = factRow(rows, (test) => truthOn(test.predicate, read));
      if (map.update(factRowKey(rows, id), row) === 0) refused.delete(id);
      else {
        if (refused.size === 0) warn(`${fullText(rows, map)}: the rules are decided after the kernel there`);
        refused.add(id);
      }
    },
    remove: (id) => {
      refused.delete(id);
      map.delete(factRowKey(rows, id));
    },
    refused,
  };
};

const fullText = ({ map: name }: FactRows, map: KernelMap): string =>
  `the kernel's map "${name}" has no room for more than ${map.spec.maxEntries.toLocaleString('en-US')} rows of facts`;

/** What a source knows of an id; undefined where nobody can tell. */
type FactsOf<Id> = (id: Id) => FieldSource | undefined;

const present = (value: string): FieldValue => ({ state: 'present', value, trust: 'resolved' });

/** What is known of ids by the host's files. */
const namesOf = (source: Exclude<FactSource, 'container'>, accounts: Accounts): FactsOf<number> => {
  if (source === 'group')
    return (gid) => {
      const name = accounts.group(gid);
      return name === undefined ? undefined : () => present(name);
    };
  return (uid) => {
    const user = accounts.user(uid);
    if (user === undefined) return undefined;
    return ({ name }) =>
      present(name === 'user.homedir' ? user.homedir : name === 'user.shell' ? user.shell : user.name);
  };
};

const idOf = (source: Exclude<FactSource, 'container'>, record: EventRecord): number =>
  source === 'group' ? record.gid : source === 'user' ? record.uid : record.loginuid >>> 0;

type Fill = Omit<FactFill, 'problems'> & { readonly problem: () => string | undefined };

const createNames = (
  rows: FactRows & { readonly source: Exclude<FactSource, 'container'> },
  map: KernelMap,
  accounts: Accounts,
  warn: (sentence: string) => void,
): Fill => {
  const { source } = rows;
  const open = openRows<number>(rows, map, warn);
  const factsOf = namesOf(source, accounts);
  const seen = new Set<number>();
  let version = -1;
  const write = (id: number): void => {
    const facts = factsOf(id);
    if (facts === undefined) open.remove(id);
    else open.put(id, facts);
  };
  const add = (id: number): void => {
    if (seen.has(id)) return;
    seen.add(id);
    write(id);
  };
  const poll = (): void => {
    const now = accounts.version();
    if (now === version) return;
    version = now;
    for (const id of seen) write(id);
    for (const id of source === 'group' ? accounts.gids() : accounts.uids()) add(id);
  };
  return {
    begin: () => {
      if (source === 'login') add(NO_ID);
      poll();
    },
    apply: (record) => add(idOf(source, record)),
    recheck: () => undefined,
    poll,
    sweep: () => undefined,
    problem: () => problemOf(rows, map, open.refused.size),
  };
};

const problemOf = (rows: FactRows, map: KernelMap, refused: number): string | undefined =>
  refused === 0 ? undefined : `${fullText(rows, map)}; ${refused.toLocaleString('en-US')} found none`;

interface Cgroup {
  readonly id: bigint;
  path: string | undefined;
  /** What the row says; undefined where there is none. */
  answer: ContainerAnswer | undefined;
}

const isSame = (a: ContainerAnswer | undefined, b: ContainerAnswer): boolean =>
  a?.state === b.state &&
  (a.state !== 'known' || b.state !== 'known' || (a.facts === b.facts && a.partial === b.partial));

/** Whether more may be known later. */
const isOpen = (answer: ContainerAnswer): boolean =>
  answer.state === 'known' ? answer.partial : answer.state !== 'host';

const createCgroups = (
  rows: FactRows,
  map: KernelMap,
  kernel: Kernel,
  containers: ContainerSource,
  warn: (sentence: string) => void,
): Fill => {
  const open = openRows<bigint>(rows, map, warn);
  const cgroups = new Map<bigint, Cgroup>();
  /** Those whose facts may come yet. */
  const waiting = new Set<Cgroup>();
  /** Goes through the cgroups once, sweep by sweep. */
  let walk: Iterator<Cgroup> = cgroups.values();

  const write = (cgroup: Cgroup): void => {
    if (cgroup.path === undefined) return;
    const answer = containers.facts(cgroup.path);
    if (isOpen(answer)) waiting.add(cgroup);
    else waiting.delete(cgroup);
    if (isSame(cgroup.answer, answer) && !open.refused.has(cgroup.id)) return;
    cgroup.answer = answer;
    open.put(cgroup.id, ({ name, argument }) => {
      if (!isContainerField(name)) return UNKNOWN;
      return containerValue(argument === undefined ? { name } : { name, argument }, answer, 0n).value;
    });
  };
  const add = (id: bigint, path: string | undefined): void => {
    if (cgroups.has(id)) return;
    const cgroup: Cgroup = { id, path, answer: undefined };
    cgroups.set(id, cgroup);
    write(cgroup);
  };
  const look = (cgroup: Cgroup): void => {
    cgroup.path ??= kernel.cgroupPath(cgroup.id);
    if (cgroup.path !== undefined && kernel.cgroupId(cgroup.path) === cgroup.id) write(cgroup);
    else {
      cgroups.delete(cgroup.id);
      waiting.delete(cgroup);
      open.remove(cgroup.id);
    }
  };
  return {
    begin: (paths) => {
      for (const path of paths) {
        const id = kernel.cgroupId(path);
        if (id !== undefined) add(id, path);
      }
    },
    apply: ({ cgroup }) => {
      if (!cgroups.has(cgroup)) add(cgroup, kernel.cgroupPath(cgroup));
    },
    recheck: () => {
      for (const cgroup of [...waiting]) write(cgroup);
    },
    poll: () => undefined,
    sweep: () => {
      for (let looked = 0; looked < SWEEP_ROWS; looked++) {
        const next = walk.next();
        if (next.done === true) {
          walk = cgroups.values();
          return;
        }
        look(next.value);
      }
    },
    problem: () => problemOf(rows, map, open.refused.size),
  };
};

const isOfNames = (rows: FactRows): rows is FactRows & { readonly source: Exclude<FactSource, 'container'> } =>
  rows.source !== 'container';

/** The ids that rows are looked up by. */
type Ids = Pick<EventRecord, 'cgroup' | 'uid' | 'gid' | 'loginuid'>;

const isLike = (a: Ids | undefined, b: Ids): boolean =>
  a !== undefined && a.cgroup === b.cgroup && a.uid === b.uid && a.gid === b.gid && a.loginuid === b.loginuid;

/** Fills the maps of facts that a compiled object has; where nobody can tell names there are no rows of them. */
export const createFactFill = (options: FactFillOptions): FactFill => {
  const { kernel, compiled, maps, containers = NO_CONTAINERS, accounts, warn = () => undefined } = options;
  const fills = compiled.facts.flatMap((rows): readonly Fill[] => {
    const map = maps.get(rows.map);
    if (map === undefined) return [];
    if (!isOfNames(rows)) return [createCgroups(rows, map, kernel, containers, warn)];
    return accounts === undefined ? [] : [createNames(rows, map, accounts, warn)];
  });
  /** The ids of the record before: nothing has to be looked up again. */
  let last: Ids | undefined;
  return {
    begin: (cgroups) => {
      const paths = [...cgroups];
      for (const fill of fills) fill.begin(paths);
    },
    apply: (record) => {
      if (fills.length === 0 || isLike(last, record)) return;
      const { cgroup, uid, gid, loginuid } = record;
      last = { cgroup, uid, gid, loginuid };
      for (const fill of fills) fill.apply(record);
    },
    recheck: () => {
      for (const fill of fills) fill.recheck();
    },
    poll: () => {
      for (const fill of fills) fill.poll();
    },
    sweep: () => {
      last = undefined;
      for (const fill of fills) fill.sweep();
    },
    get problems() {
      return fills.flatMap((fill) => fill.problem() ?? []);
    },
  };
};

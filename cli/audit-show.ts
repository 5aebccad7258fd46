import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  AUDIT_KINDS,
  type AuditEntry,
  type AuditKind,
  type EntryFilters,
  entryFilter,
  mayBeBelow,
  nanosecondsOf,
  processesOf,
  treeOf,
  walkAuditLog,
} from '../alerts/index.ts';
import { PRIORITIES, type Priority } from '../rules/index.ts';
import { timeOf, wholeNumber } from './arguments.ts';
import { chosenAuditFolder } from './audit-folder.ts';
import { entryLine } from './entry-text.ts';
import { printTree } from './entry-tree.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { untilInterrupt } from './interrupt.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';
import { createPolicyRegister } from './policy-register.ts';
import { createProgress } from './progress.ts';

/** Entries from one number to another. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** A process by pid, and start where it is given; or by an entry that is about it. */
type Wanted = { readonly seq: number } | { readonly pid: number; readonly start: number };

interface ShowOptions {
  readonly kind?: readonly AuditKind[];
  readonly rule?: string;
  readonly policy?: string;
  readonly priority?: Priority;
  readonly minPriority?: Priority;
  readonly tag?: readonly string[];
  readonly container?: string;
  readonly where?: readonly string[];
  readonly pid?: number;
  readonly exe?: string;
  readonly command?: string;
  readonly user?: number;
  readonly file?: string;
  readonly outcome?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly seq?: Range;
  readonly newest?: number;
  readonly oldest?: number;
  readonly tree?: Wanted;
  readonly up: number;
  readonly policiesAt?: Date | number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

const MILLION = 1_000_000n;
/** Entries of one process tree that are kept in memory. */
const MOST_IN_TREE = 100_000;

/** `12`, `12..`, `..40`, `12..40`. */
const rangeOf = (text: string): Range => {
  const [, first = '', dots, last = ''] = /^(\d*)(\.\.)?(\d*)$/.exec(text) ?? [];
  const [from, to] = [
    Number(first || 1),
    dots === undefined ? Number(first) : Number(last || Number.POSITIVE_INFINITY),
  ];
  const isSafe = Number.isSafeInteger(from) && (to === Number.POSITIVE_INFINITY || Number.isSafeInteger(to));
  if (first + last === '' || !isSafe || from < 1 || to < from)
    throw new InvalidArgumentError('Expected the number of an entry, or two: 12, 12..40, 12.. or ..40.');
  return { from, to };
};

const wantedOf = (text: string): Wanted => {
  const [, pid = '', start] = /^(\d{1,15})(?:@(\d{1,19}))?$/.exec(text) ?? [];
  if (pid === '' || Number(pid) < 1)
    throw new InvalidArgumentError(
      'Expected the number of an entry (24), or a process by its pid and start (309@5185084516), as --json has them.',
    );
  return start === undefined ? { seq: Number(pid) } : { pid: Number(pid), start: Number(start) };
};

/** The number of an entry, or a time. */
const momentOf = (text: string): Date | number => (/^\d+$/.test(text) ? wholeNumber(1)(text) : timeOf(text));

const kindsOf = (text: string, before: readonly AuditKind[] = []): readonly AuditKind[] => {
  const kind = AUDIT_KINDS.find((each) => each === text);
  if (kind === undefined) throw new InvalidArgumentError(`Expected one of ${AUDIT_KINDS.join(', ')}.`);
  return [...before, kind];
};

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

const nanoseconds = (time: Date): bigint => BigInt(time.getTime()) * MILLION;

const filtersOf = ({ kind, tag, since, until, ...rest }: ShowOptions): EntryFilters => {
  const { rule, policy, priority, minPriority, container, where, pid, exe, command, user, file, outcome } = rest;
  return {
    ...(kind && { kinds: kind }),
    ...(tag && { tags: tag }),
    ...(since && { since: nanoseconds(since) }),
    ...(until && { until: nanoseconds(until) + MILLION - 1n }),
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy }),
    ...(priority !== undefined && { priority }),
    ...(minPriority !== undefined && { minPriority }),
    ...(container !== undefined && { container }),
    ...(where !== undefined && { where }),
    ...(pid !== undefined && { pid }),
    ...(exe !== undefined && { exe }),
    ...(command !== undefined && { command }),
    ...(user !== undefined && { user }),
    ...(file !== undefined && { file }),
    ...(outcome !== undefined && { outcome }),
  };
};

/** What a walk over a log came to. */
interface Account {
  /** The first entry that was read, and the last; 0 where there is none. */
  first: number;
  last: number;
  /** Entries that are missing or damaged. */
  wrong: number;
  /** The last entry that retention says it removed. */
  removedUpTo: number;
}

/** Reads a log and hands over its entries; says on stderr at once what is wrong. */
async function* entriesOf(
  folder: string,
  { seq, follow = false }: Pick<ShowOptions, 'seq' | 'follow'>,
  signal: AbortSignal,
  account: Account,
): AsyncGenerator<AuditEntry> {
  const progress = createProgress();
  const say = (sentence: string): void => {
    progress.clear();
    process.stderr.write(`shrike: ${sentence}\n`);
  };
  const onProgress = (done: number, all: number): void =>
    progress.say(`reading the log: ${all === 0 ? 100 : Math.round((100 * done) / all)} %`);
  const walk = walkAuditLog(folder, { ...seq, follow, signal, ...(!follow && { onProgress }) });
  try {
    for await (const found of walk) {
      if (signal.aborted) return;
      switch (found.type) {
        case 'entry':
          account.first ||= found.entry.seq;
          account.last = found.entry.seq;
          if (found.entry.kind === 'shed') {
            const { segment, to } = found.entry.body as { segment?: string; to?: number };
            if (segment !== undefined && typeof to === 'number')
              account.removedUpTo = Math.max(account.removedUpTo, to);
          }
          yield found.entry;
          progress.clear();
          break;
        case 'damaged':
          account.wrong++;
          say(found.message);
          break;
        case 'missing':
          account.wrong += found.last - found.first + 1;
          say(
            found.first === found.last
              ? `entry ${found.first} is missing: no segment has it`
              : `entries ${found.first} to ${found.last} are missing: no segment has them`,
          );
          break;
        case 'torn':
          say(
            `${found.path}: the last line is not whole (${count(found.bytes, 'byte')}): it is being written, or a crash tore it`,
          );
          break;
      }
    }
  } finally {
    progress.clear();
  }
}

/** What there was to show, and whether it is all. */
const accountText = ({ first, last, wrong, removedUpTo }: Account, shown: number, wasCut: boolean): string => {
  if (first === 0) return 'no entries';
  const before =
    first === 1 || wasCut
      ? ''
      : removedUpTo >= first - 1
        ? `; those before ${first} were removed to make room, as entries of the kind shed say`
        : `; those before ${first} are not there`;
  const lost =
    wrong === 0 ? 'none of them is missing or damaged' : `${wrong} missing or damaged, "shrike audit verify" says more`;
  return `${count(shown, 'entry', 'entries')} of ${first} to ${last}; ${lost}${before}`;
};

const emptyAccount = (): Account => ({ first: 0, last: 0, wrong: 0, removedUpTo: 0 });

const exitOf = ({ wrong }: Account): ExitCode => (wrong === 0 ? EXIT.fine : EXIT.findings);

const showEntries = async (
  folder: string,
  options: ShowOptions,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> => {
  const { newest, oldest, json = false, follow = false } = options;
  const isWanted = entryFilter(filtersOf(options));
  const account = emptyAccount();
  const kept: AuditEntry[] = [];
  let shown = 0;
  const print = (entry: AuditEntry): void => {
    shown++;
    const { bodyText: _text, ...record } = entry;
    if (json) output.json(record);
    else output.line(entryLine(entry, output.paint));
  };
  for await (const entry of entriesOf(folder, options, signal, account)) {
    if (!isWanted(entry)) continue;
    if (newest === undefined) print(entry);
    else if (kept.push(entry) > newest) kept.shift();
    if (oldest !== undefined && shown >= oldest) break;
  }
  for (const entry of kept) print(entry);
  if (!json && !follow) output.line(output.paint.dim(accountText(account, shown, options.seq !== undefined)));
  return exitOf(account);
};

/** The root of the tree that is asked for: the process, or so many of its ancestors up. */
const rootOf = async (
  folder: string,
  wanted: Wanted,
  up: number,
  signal: AbortSignal,
): Promise<{ readonly pid: number; readonly start?: number }> => {
  const seq = 'seq' in wanted ? { from: wanted.seq, to: wanted.seq } : undefined;
  if (seq === undefined && up === 0) return wanted as { pid: number; start: number };
  const place = seq === undefined ? '' : `entry ${seq.from}`;
  for await (const entry of entriesOf(folder, seq ? { seq } : {}, signal, emptyAccount())) {
    const processes = processesOf(entry);
    const [own] = processes ?? [];
    if ('pid' in wanted && (own?.pid !== wanted.pid || own.start !== wanted.start)) continue;
    if (processes === undefined || own === undefined)
      throw new CliError(
        `${place} is about no process, but of the kind ${entry.kind}; "shrike audit show --kind alert" lists entries that are`,
        EXIT.usage,
      );
    const root = processes[Math.min(up, processes.length - 1)] ?? own;
    return { pid: root.pid, ...(root.start !== undefined && { start: root.start }) };
  }
  throw new CliError(
    seq === undefined
      ? `no entry is about the process ${'pid' in wanted ? `${wanted.pid}@${wanted.start}` : ''}; "shrike audit show --json --kind alert" has pid and start of those that are`
      : `${folder} has no ${place}`,
    EXIT.usage,
  );
};

const showTree = async (
  folder: string,
  options: ShowOptions & { readonly tree: Wanted },
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> => {
  const root = await rootOf(folder, options.tree, options.up, signal);
  const account = emptyAccount();
  const isWanted = entryFilter(filtersOf(options));
  const entries: AuditEntry[] = [];
  for await (const entry of entriesOf(folder, options, signal, account)) {
    if (!mayBeBelow(entry, root.pid) && !(entry.kind === 'enforcement' && entries.length > 0)) continue;
    if (entries.length >= MOST_IN_TREE) {
      process.stderr.write(
        `shrike: the tree has more than ${MOST_IN_TREE} entries, of which the first are shown: give --since, --until or --seq\n`,
      );
      break;
    }
    entries.push(entry);
  }
  const tree = treeOf(entries, root.pid, root.start);
  const steps = (tree?.steps ?? []).filter(({ entry }) => entry === undefined || isWanted(entry));
  if (tree === undefined || !steps.some(({ entry }) => entry !== undefined))
    throw new CliError(
      `no entry is about the process ${root.pid}${root.start === undefined ? '' : `@${root.start}`} or one that it started; "shrike audit show --json --kind alert" has pid and start of those that are`,
      EXIT.usage,
    );
  if (options.json) {
    for (const { type, depth, process: of, again, entry } of steps)
      output.json({
        type,
        depth,
        process: of,
        ...(again && { again }),
        ...(entry && { seq: entry.seq, kind: entry.kind, body: entry.body }),
      });
  } else printTree({ above: tree.above, steps }, output);
  return exitOf(account);
};

const showPolicies = async (
  folder: string,
  options: ShowOptions & { readonly policiesAt: Date | number },
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> => {
  const { policiesAt: at } = options;
  const register = createPolicyRegister();
  const account = emptyAccount();
  const isBehind = (entry: AuditEntry): boolean =>
    typeof at === 'number' ? entry.seq > at : nanosecondsOf(entry.time) > nanoseconds(at) + MILLION - 1n;
  for await (const entry of entriesOf(folder, {}, signal, account)) {
    if (isBehind(entry)) break;
    register.take(entry);
  }
  const policies = register.inForce();
  for (const entry of policies) {
    const { bodyText: _text, ...record } = entry;
    if (options.json) output.json(record);
    else output.line(entryLine(entry, output.paint));
  }
  const when = typeof at === 'number' ? `entry ${at}` : at.toISOString();
  const doubt =
    register.hasStart() || policies.length > 0 || account.first <= 1
      ? ''
      : '; the start of that run is not kept any more';
  if (!options.json)
    output.line(output.paint.dim(`${count(policies.length, 'policy', 'policies')} in force at ${when}${doubt}`));
  return exitOf(account);
};

const show = async (folder: string, options: ShowOptions, output: Output, signal: AbortSignal): Promise<ExitCode> => {
  try {
    const { tree, policiesAt } = options;
    if (tree !== undefined) return await showTree(folder, { ...options, tree }, output, signal);
    if (policiesAt !== undefined) return await showPolicies(folder, { ...options, policiesAt }, output, signal);
    return await showEntries(folder, options, output, signal);
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(messageOf(error), EXIT.usage);
  }
};

const HELP = `
One line an entry: its number, when it happened (UTC; for alerts and attempts the time of the event), its kind, and what it says. All
filters given have to hold; an entry that can't have what is asked for is not shown. Each line's checksum and number are checked: what
is damaged or missing is said on stderr, and reading goes on behind it. Whether somebody rewrote the log says "shrike audit verify".

--tree shows what became of a process and of those that it started: in the order of time, with alerts (#24), denials and kills (✗) and
attempts that came to nothing (○). "now" is another program in the same process, "…" the return to a branch. The log knows processes
by what rules found: those that nothing was found in are missing, unless others were started below them.

--where compares a field of the rule's output, or a member of the record, by = != ^= (begins with) $= (ends with) or *= (contains).

Exit codes: 0 shown, 1 entries are damaged or missing, 2 wrong usage, or there is no log.

Examples:
  shrike audit show                                              the newest log of a run without a folder of its own
  shrike audit show /var/lib/shrike/audit --follow --min-priority error
  shrike audit show --file /etc/shadow --since 2026-01-02T03:00:00Z --until 2026-01-02T04:00:00Z
  shrike audit show --kind enforcement --outcome suppressed      what guards kept back
  shrike audit show --kind loss --kind shed                      what was lost, held back or removed
  shrike audit show --policies-at 35                             the policies in force at entry 35
  shrike audit show --tree 24 --up 2                             the process of entry 24, two ancestors up, and all below
`;

export const addAuditShow = (audit: Command): void => {
  audit
    .command('show')
    .summary('show entries, and timelines of process trees')
    .description('Show entries of an audit log, or the timeline of a process tree.')
    .argument('[folder]', "the audit log's folder (default: the newest that a run without --audit left)")
    .option('--kind <kind>', `only entries of this kind: ${AUDIT_KINDS.join(', ')}; several: of one of them`, kindsOf)
    .option('--rule <name>', 'only of this rule')
    .option('--policy <name>', 'only of this policy')
    .addOption(new Option('--priority <priority>', 'only alerts of this priority').choices(PRIORITIES))
    .addOption(
      new Option('--min-priority <priority>', 'alerts of this priority and more urgent ones').choices(PRIORITIES),
    )
    .option('--tag <tag>', 'only alerts with this tag; several: with all of them', collect)
    .option('--container <id>', 'only alerts of this container, by its name or the beginning of its id')
    .option('--pid <pid>', 'only of this process', wholeNumber(1))
    .option('--exe <path>', 'only of processes with this executable: a path, or the name at its end')
    .option('--command <text>', 'only of processes whose command line contains this')
    .option('--user <uid>', 'only of processes with this effective user id', wholeNumber(0))
    .option('--file <path>', 'only about this file; with a slash at its end about all below the folder')
    .option('--outcome <outcome>', 'only attempts to deny or kill that came to this: denied, killed, would have, ...')
    .option(
      '--where <comparison>',
      'only entries for which it holds, such as proc.name=cat; several: all hold',
      collect,
    )
    .option('--since <time>', 'only what happened from then on: a time, or 2h for so long ago', timeOf)
    .option('--until <time>', 'only what happened up to then', timeOf)
    .option('--seq <from..to>', 'only entries with these numbers: 12, 12..40, 12.. or ..40', rangeOf)
    .option('--newest <n>', 'the last n of them', wholeNumber(1))
    .addOption(new Option('--oldest <n>', 'the first n of them').argParser(wholeNumber(1)).conflicts('newest'))
    .addOption(
      new Option('--tree <process>', 'the tree below a process: of an entry by its number, or PID@START')
        .argParser(wantedOf)
        .conflicts(['follow', 'newest', 'oldest', 'policiesAt']),
    )
    .option('--up <n>', 'with --tree: begin so many ancestors further up', wholeNumber(0), 0)
    .addOption(
      new Option('--policies-at <when>', 'the policies in force at an entry, by its number, or at a time')
        .argParser(momentOf)
        .conflicts('follow'),
    )
    .addOption(new Option('--follow', 'go on with what is appended').conflicts(['newest']))
    .option('--json', 'one record a line, as in the log')
    .addHelpText('after', HELP)
    .action(async (folder: string | undefined, options: ShowOptions) => {
      await untilInterrupt((signal) => show(chosenAuditFolder(folder), options, openStdout(), signal));
    });
};

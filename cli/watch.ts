import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { type Alert, escapeControl, formatAlert } from '../alerts/index.ts';
import { type EventRecord, PRIORITIES, type Priority, type RuleMatching } from '../rules/index.ts';
import { createOwnCgroup, type OwnCgroup } from '../sensors/index.ts';
import { raisingOption } from './arguments.ts';
import { type AuditOptions, auditOptions, freshAuditFolder, keptOf } from './audit-folder.ts';
import { commandProblem, NOT_FOUND, type Command as RunningCommand, startCommand } from './command.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { onInterrupt } from './interrupt.ts';
import { agentOptionsOf, LIVE_LIMITS, liveOptions, openLive, startRecord } from './live.ts';
import { createLog, type LogLevel, logLevelOption } from './log.ts';
import { type Output, openFile, openStderr } from './output.ts';
import { libraryFolder } from './package.ts';
import { count } from './paint.ts';
import { policiesAt } from './run.ts';
import { runSession, type SessionResult } from './session.ts';
import { runRecord, summaryLines } from './summary.ts';

export interface WatchOptions extends AuditOptions {
  readonly policies?: readonly string[];
  readonly output?: string;
  readonly json?: boolean;
  readonly failOn?: Priority;
  readonly killRest?: boolean;
  readonly waitRest?: boolean;
  readonly nats?: string;
  readonly host?: string;
  readonly audit?: string;
  readonly ringSize?: number;
  readonly rateLimit?: number;
  readonly stormLimit?: number;
  readonly ruleMatching?: RuleMatching;
  readonly logLevel: LogLevel;
}

/** Exit code where Ctrl-C came before the command was started. */
const INTERRUPTED = 130;

/** What became of processes that the command left behind. */
interface Rest {
  readonly killed: boolean;
  readonly pids: readonly number[];
}

/** How the command ended. */
interface Outcome {
  readonly exitCode: number;
  readonly rest: Rest;
}

const checkCommand = (name: string): void => {
  const problem = commandProblem(name);
  if (problem === 0) return;
  const why = problem === NOT_FOUND ? 'there is no such command' : 'it may not be executed';
  throw new CliError(`${name}: ${why}`, problem);
};

const ownCgroup = (): OwnCgroup => {
  try {
    return createOwnCgroup();
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.environment);
  }
};

/** Whatever is still in it goes on where this process is. */
const removeCgroup = (cgroup: OwnCgroup): void => {
  cgroup.release();
  try {
    cgroup.remove();
  } catch (error) {
    process.stderr.write(`shrike: the cgroup ${cgroup.folder} stays: ${messageOf(error)}\n`);
  }
};

const endRest = async (cgroup: OwnCgroup, { killRest, waitRest }: WatchOptions, signal: AbortSignal): Promise<Rest> => {
  if (waitRest) await cgroup.empty(signal);
  if (!killRest) return { killed: false, pids: cgroup.release() };
  const pids = cgroup.pids();
  await cgroup.kill();
  return { killed: true, pids };
};

const restText = ({ killed, pids }: Rest): string => {
  const [verb, goes] = pids.length === 1 ? ['was', 'goes on and is'] : ['were', 'go on and are'];
  const what = count(pids.length, 'process', 'processes');
  return killed ? `${what} ${verb} killed` : `${what} ${goes} not watched any more: ${pids.join(', ')}`;
};

const exitText = (exitCode: number): string =>
  exitCode > 128 ? `ended by signal ${exitCode - 128}` : `exit code ${exitCode}`;

/** Counts alerts of a priority or a higher one. */
const createThreshold = (least: Priority | undefined) => {
  const threshold = {
    reached: 0,
    count: ({ priority }: Alert): void => {
      if (least !== undefined && PRIORITIES.indexOf(priority) <= PRIORITIES.indexOf(least)) threshold.reached++;
    },
  };
  return threshold;
};

/** Passes over what the shell does that becomes the command: everything before its exec. */
const createLauncherFilter = (pid: () => number): ((record: EventRecord) => boolean) => {
  let started = false;
  return (record) => {
    if (started || record.pid !== pid()) return false;
    started = record.kind === 'exec';
    return !started;
  };
};

/** Runs a command in a cgroup of its own under the policies; gives its exit code. @throws CliError */
export const watch = async (command: readonly string[], options: WatchOptions): Promise<number> => {
  const [name = ''] = command;
  checkCommand(name);
  const policies = policiesAt(options.policies ?? [libraryFolder()]);
  const output: Output = options.output === undefined ? openStderr() : openFile(options.output);
  const log = createLog(options.logLevel);
  const auditFolder = options.audit ?? freshAuditFolder();
  const early = onInterrupt();
  const cgroup = ownCgroup();
  const threshold = createThreshold(options.failOn);
  let running: RunningCommand | undefined;
  let outcome: Outcome | undefined;
  const source = async (): Promise<void> => {
    if (early.signal.aborted) return;
    running = startCommand(cgroup.folder, command);
    early.release();
    const exitCode = await running.ended;
    const late = onInterrupt();
    try {
      outcome = { exitCode, rest: await endRest(cgroup, options, late.signal) };
    } finally {
      late.release();
    }
  };
  let result: SessionResult;
  try {
    const sensor = openLive({ scope: cgroup.path, source }, (sentence) => log.warn(sentence));
    try {
      result = await runSession(
        {
          policies,
          sensor,
          host: options.host ?? hostname(),
          enforce: false,
          auditFolder,
          kept: keptOf(options),
          warn: (sentence) => log.warn(sentence),
          ...agentOptionsOf({ ...LIVE_LIMITS, ...options }),
          ...(options.nats !== undefined && { nats: options.nats }),
          ...(options.ruleMatching !== undefined && { ruleMatching: options.ruleMatching }),
          ignore: createLauncherFilter(() => running?.pid ?? 0),
          onAttached: () => {
            if (options.json) output.json(startRecord(sensor));
          },
          onAlert: (alert) => {
            threshold.count(alert);
            if (options.json) output.json(alert);
            else output.line(formatAlert(alert, { colour: output.paint.colour }));
          },
        },
        early.signal,
      );
    } catch (error) {
      await running?.ended.catch(() => undefined);
      throw error;
    } finally {
      sensor.kernel.close();
    }
  } finally {
    early.release();
    removeCgroup(cgroup);
  }
  const { exitCode, rest } = outcome ?? { exitCode: INTERRUPTED, rest: { killed: false, pids: [] } };
  for (const problem of result.summary.problems) process.stderr.write(`shrike: ${problem}\n`);
  if (options.json) {
    output.json({ ...runRecord(result), command, exitCode, rest: rest.pids, restKilled: rest.killed });
  } else {
    output.line();
    output.line(`${output.paint.bold('command'.padEnd(12))}${escapeControl(command.join(' '))}: ${exitText(exitCode)}`);
    if (rest.pids.length > 0) output.line(`${output.paint.bold('left behind'.padEnd(12))}${restText(rest)}`);
    for (const line of summaryLines(result, undefined, false, output.paint)) output.line(line);
  }
  return exitCode === 0 && threshold.reached > 0 ? EXIT.findings : exitCode;
};

const HELP = `
The command runs in a cgroup of its own, below the one this is run in, and only what happens there is seen: the command, what it
starts, and what that starts, also after it has become a daemon. stdin, stdout and stderr are the command's own; alerts go to stderr
as they come, or to a file with --output. SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to it.

What the command leaves running when it ends is put back into the cgroup this is run in and goes on without being watched; the
summary names it. --wait-rest waits for it first, --kill-rest kills it. The cgroup is then removed.

Without --policies the shipped library runs. Policies only alert here: nothing is denied or killed. Needs root or a few capabilities,
and Linux 6.1 or newer ("shrike doctor").

Exit code: the command's own, 128 and the signal's number where one ended it, 126 and 127 where it can't be started. With --fail-on: 1
where the command ended with 0 and an alert of that priority or a higher one was raised. 2 wrong usage, 3 this machine does not let it
work; then the command did not run.

Examples:
  shrike watch -- ./configure
  shrike watch --fail-on warning --output shrike.log -- npm install
  shrike watch --policies my-policies/ --json --output alerts.jsonl --kill-rest -- make test
`;

export const addWatch = (program: Command): void => {
  const command = program
    .command('watch')
    .summary('run a command and watch only it, in the running kernel')
    .description('Run a command in a cgroup of its own, raise alerts on what it does, and exit with its exit code.')
    .argument('<command...>', 'the command with its arguments, after --')
    .usage('[options] -- COMMAND...')
    .passThroughOptions()
    .option('--policies <path>', 'a policy file, or a folder of them; may be given more than once', append)
    .option('--output <file>', 'where alerts and the summary go (default: stderr)')
    .option('--json', 'one JSON object a line: a start record, alert records, then a summary')
    .addOption(
      new Option(
        '--fail-on <priority>',
        'exit with 1 where an alert of this priority or a higher one was raised',
      ).choices(PRIORITIES),
    )
    .addOption(new Option('--kill-rest', 'kill what the command leaves running').conflicts('waitRest'))
    .option('--wait-rest', 'wait for what the command leaves running')
    .option('--nats <url>', 'publish alerts to this NATS server, several separated by commas')
    .option('--host <name>', "the host's name in alerts and subjects (default: this host's)")
    .option('--audit <folder>', "the audit log's folder (default: a new one below the state folder, which is printed)");
  for (const option of [...auditOptions(), ...liveOptions()]) command.addOption(option);
  command
    .addOption(raisingOption())
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (words: readonly string[], options: WatchOptions) => {
      process.exitCode = await watch(words, options);
    });
};

const append = (path: string, before: readonly string[] = []): readonly string[] => [...before, path];

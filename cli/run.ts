import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { compareEnforced, type EnforcementBody, type KillBudget } from '../agent/index.ts';
import { escapeControl, formatAlert } from '../alerts/index.ts';
import { loadPolicies, type Policy } from '../policies/index.ts';
import type { RuleMatching } from '../rules/index.ts';
import {
  createReplaySensor,
  createSimSensor,
  type Scenario,
  type ScenarioObserver,
  type Sensor,
} from '../sensors/index.ts';
import { raisingOption, wholeNumber } from './arguments.ts';
import { type AuditOptions, auditOptions, freshAuditFolder, keptOf } from './audit-folder.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { compareRaised, expectedText, unexpectedLines } from './expected-rules.ts';
import { untilInterrupt } from './interrupt.ts';
import { killBudgetOption } from './kill-budget.ts';
import { agentOptionsOf, attachedText, LIVE_LIMITS, liveOptions, openLive, startRecord } from './live.ts';
import { createLog, type LogLevel, logLevelOption } from './log.ts';
import { type MetricsAddress, metricsOptions } from './metrics-server.ts';
import { type NatsFiles, natsAddressOf, natsFileOptions } from './nats-options.ts';
import { type Output, openStdout } from './output.ts';
import { enforcingFolder, libraryFolder } from './package.ts';
import { count, wrap } from './paint.ts';
import { createProcessTree } from './process-tree.ts';
import { createReloader } from './reloader.ts';
import { scenarioOf } from './scenario-file.ts';
import { runSession, type SessionOptions, type SessionResult } from './session.ts';
import { createRefrained, runRecord, summaryLines } from './summary.ts';
import { createTimeline } from './timeline.ts';
import { type WitnessedOptions, witnessedOptions, witnessOf } from './witness-options.ts';

export interface RunOptions extends AuditOptions, NatsFiles, WitnessedOptions {
  readonly policies?: readonly string[];
  readonly sensor: 'sim' | 'replay' | 'linux';
  readonly scope?: string;
  readonly ringSize?: number;
  readonly rateLimit?: number;
  readonly stormLimit?: number;
  readonly scenario?: string;
  readonly input?: string;
  readonly onProblem: 'skip' | 'stop';
  readonly enforce?: boolean;
  readonly nats?: string;
  readonly publish?: readonly string[];
  readonly host?: string;
  readonly audit?: string;
  readonly protect?: readonly string[];
  readonly fanotifyMount?: readonly string[];
  readonly killBudget?: KillBudget;
  readonly ruleMatching?: RuleMatching;
  readonly json?: boolean;
  readonly tree?: boolean;
  /** A scenario is told as a story, with a timeline at its end. */
  readonly story?: boolean;
  /** Of a story only its end. */
  readonly quiet?: boolean;
  readonly watchPolicies?: boolean;
  readonly metrics?: MetricsAddress;
  readonly programCost?: boolean;
  readonly pace: number;
  readonly logLevel: LogLevel;
}

const DEFAULT_SCENARIO = 'webshell';
/** Problems of a recording that are printed; the others are counted. */
const SHOWN_PROBLEMS = 10;

const SCOPE_NEEDED =
  '--sensor linux needs --scope: the cgroup to watch with all below it, for example --scope /system.slice/nginx.service; --scope / is the whole host';

/** The policies at some paths; fails with all diagnostics where one has an error. @throws CliError */
export const policiesAt = (paths: readonly string[]): readonly Policy[] => {
  const { policies, diagnostics } = loadPolicies(paths);
  const printed = createDiagnosticPrinter(false);
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) {
    const list = diagnostics.map(printed).join('\n');
    throw new CliError(`the policies have ${count(errors, 'error')}\n${list}`, EXIT.usage);
  }
  for (const diagnostic of diagnostics) process.stderr.write(`${printed(diagnostic)}\n`);
  return policies;
};

/** What was asked for goes together; fails with the option that doesn't. */
const checkOptions = (options: RunOptions): void => {
  const { sensor, scope, input, scenario, tree, json, pace } = options;
  const wrong = (message: string): never => {
    throw new CliError(message, EXIT.usage);
  };
  if (sensor === 'replay' && input === undefined)
    wrong('--sensor replay needs a recording; give one with --input FILE');
  if (sensor === 'replay' && scenario !== undefined)
    wrong('--scenario is for --sensor sim; a recording comes with --input');
  if (sensor === 'sim' && input !== undefined) wrong('--input is for --sensor replay; a simulation takes --scenario');
  if (sensor === 'replay' && pace > 0) wrong('--pace is for --sensor sim');
  if (sensor === 'linux' && scope === undefined) wrong(SCOPE_NEEDED);
  if (sensor === 'linux' && !scope?.startsWith('/'))
    wrong(`a scope is a path that begins with "/", below the cgroup v2 mount; "${scope}" does not`);
  if (sensor === 'linux' && (input !== undefined || scenario !== undefined || pace > 0))
    wrong('--input, --scenario and --pace are for what is played; --sensor linux watches what happens');
  if (sensor !== 'linux' && scope !== undefined) wrong('--scope is for --sensor linux');
  if (sensor !== 'linux' && options.fanotifyMount !== undefined) wrong('--fanotify-mount is for --sensor linux');
  if (sensor === 'replay' && options.watchPolicies)
    wrong('--watch-policies is for --sensor linux and sim; a recording is played with the policies it begins with');
  if (options.programCost && options.metrics === undefined)
    wrong('--program-cost is for --metrics, where the costs are shown');
  if (tree && json) wrong('--tree and --json exclude each other');
};

const sensorOf = (
  options: RunOptions,
  scenario: Scenario | undefined,
  observer: ScenarioObserver | undefined,
): Sensor => {
  if (scenario !== undefined) {
    return createSimSensor({ scenario, pace: options.pace, ...(observer && { observer }) });
  }
  try {
    return createReplaySensor({ path: options.input ?? '', onProblem: options.onProblem });
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.usage);
  }
};

/** Prints what did not go well in a recording or scenario; the exit code says whether the run is worth something. */
const reportProblems = ({ summary }: SessionResult, options: RunOptions): ExitCode => {
  const { problems, calls } = summary;
  for (const problem of problems.slice(0, SHOWN_PROBLEMS)) process.stderr.write(`shrike: ${problem}\n`);
  if (problems.length > SHOWN_PROBLEMS)
    process.stderr.write(`shrike: ... and ${count(problems.length - SHOWN_PROBLEMS, 'more problem')}\n`);
  if (problems.length === 0 || options.sensor === 'linux') return EXIT.fine;
  if (options.sensor === 'sim') return EXIT.findings;
  if (calls > 0 && options.onProblem === 'skip') return EXIT.fine;
  const why =
    calls === 0 ? 'nothing in the recording could be played' : 'stopped at the first problem (--on-problem stop)';
  process.stderr.write(`shrike: ${why}\n`);
  return EXIT.usage;
};

/** Says whether the rules were raised that a scenario expects. What policies kept from happening raises nothing: it is not asked with enforcement on. */
const reportUnexpected = (
  scenario: Scenario,
  policies: readonly Policy[],
  { summary }: SessionResult,
  { json, tree }: RunOptions,
  { line, paint }: Output,
): ExitCode => {
  const found = compareRaised(scenario, policies, new Set(summary.byRule.keys()));
  if (found === undefined) return EXIT.fine;
  const lines = unexpectedLines(found);
  for (const text of lines) process.stderr.write(`shrike: ${scenario.name}: ${text}\n`);
  if (lines.length > 0) return EXIT.findings;
  if (!json && tree) line(`${paint.bold('expected'.padEnd(12))}${paint.green(expectedText(found))}`);
  return EXIT.fine;
};

const worse = (one: ExitCode, other: ExitCode): ExitCode => (one === EXIT.fine ? other : one);

/** What is played, under what. */
const printTitle = (
  { name, description }: Scenario,
  policies: readonly Policy[],
  enforce: boolean,
  { line, paint, columns }: Output,
): void => {
  const width = Math.min(columns, 100);
  const rules = policies.reduce((sum, policy) => sum + policy.rules.length, 0);
  const [first = '', ...more] = wrap(escapeControl(description), width - 12);
  if (name.length > 11) line(paint.bold(name));
  line(`${name.length > 11 ? ' '.repeat(12) : paint.bold(name.padEnd(12))}${first}`);
  for (const text of more) line(`${' '.repeat(12)}${text}`);
  const acting = policies.filter(({ mode }) => mode === 'enforce').length;
  const enforcement = enforce ? `on, ${count(acting, 'policy denies or kills', 'policies deny or kill')}` : 'off';
  line(`${paint.bold('policies'.padEnd(12))}${count(rules, 'rule')}; enforcement is ${enforcement}`);
  line();
};

/** Whose alerts they are where nobody says. */
const defaultHost = ({ sensor }: RunOptions): string => (sensor === 'linux' ? hostname() : sensor);

/** Runs policies on what a sensor sees, and prints alerts as they come and a summary. */
export const run = async (options: RunOptions, output: Output, signal: AbortSignal): Promise<ExitCode> => {
  checkOptions(options);
  const nats = natsAddressOf(options.nats, options);
  const witness = witnessOf(options);
  const log = createLog(options.logLevel);
  const warn = (sentence: string): void => log.warn(sentence);
  const scenario = options.sensor === 'sim' ? scenarioOf(options.scenario ?? DEFAULT_SCENARIO) : undefined;
  const own = options.policies === undefined ? scenario?.enforcement : undefined;
  const enforce = options.enforce === true || own !== undefined;
  const defaults = [libraryFolder(), ...(enforce ? [enforcingFolder()] : [])];
  const paths = options.policies ?? own?.policies ?? defaults;
  const policies = policiesAt(paths);
  const reloader = createReloader({ paths, policies: () => policiesAt(paths), watch: options.watchPolicies === true });
  const tree =
    options.tree && options.quiet !== true
      ? createProcessTree(output, options.story === undefined ? {} : { story: options.story })
      : undefined;
  const timeline = options.story && options.tree ? createTimeline() : undefined;
  if (scenario !== undefined && timeline !== undefined) printTitle(scenario, policies, enforce, output);
  const observer: ScenarioObserver = (event) => {
    tree?.observe(event);
    timeline?.observe(event);
  };
  const live = options.sensor === 'linux' ? openLive({ scope: options.scope ?? '' }, warn) : undefined;
  const sensor = live ?? sensorOf(options, scenario, tree || timeline ? observer : undefined);
  const budget = options.killBudget ?? own?.budget;
  const enforced: EnforcementBody[] = [];
  const refrained = createRefrained();
  const session: SessionOptions = {
    policies,
    sensor,
    host: options.host ?? defaultHost(options),
    enforce,
    protect: options.protect ?? own?.protect ?? [],
    ...(budget && { budget }),
    auditFolder: options.audit ?? freshAuditFolder(),
    kept: keptOf(options),
    warn,
    ...agentOptionsOf({ ...(options.sensor === 'linux' && LIVE_LIMITS), ...options }),
    ...(nats && { nats }),
    ...(witness && { witness }),
    ...(options.publish !== undefined && { publish: options.publish }),
    ...(options.metrics && {
      metrics: options.metrics,
      programCost: options.programCost === true,
      onServing: (url: string) => log.info(`metrics are served at ${url}/metrics`),
    }),
    ...(options.fanotifyMount && { fanotifyMounts: options.fanotifyMount }),
    ...(options.ruleMatching !== undefined && { ruleMatching: options.ruleMatching }),
    ...(tree && { onRecord: tree.record }),
    onAttached: () => {
      if (live === undefined) return;
      const started = startRecord(live);
      if (options.json) output.json(started);
      else output.line(attachedText(started));
    },
    ...((live !== undefined || options.watchPolicies === true) && { onReloadable: reloader.begin }),
    onEnforcement: (body) => {
      enforced.push(body);
      timeline?.enforced(body);
      tree?.enforced(body);
    },
    onAlert: (alert) => {
      refrained.count(alert);
      timeline?.alert(alert);
      if (options.json) output.json(alert);
      else if (tree !== undefined) tree.alert(alert);
      else if (timeline === undefined) output.line(formatAlert(alert, { colour: output.paint.colour }));
    },
  };
  let result: SessionResult;
  try {
    result = await runSession(session, signal);
  } finally {
    reloader.close();
    live?.kernel.close();
  }
  tree?.end();
  if (timeline !== undefined) {
    if (tree !== undefined) output.line();
    timeline.print(output);
  }
  if (options.json) {
    output.json(runRecord(result));
  } else {
    if (signal.aborted && options.sensor !== 'linux') output.line('interrupted');
    output.line();
    for (const line of summaryLines(result, refrained, enforce, output.paint)) output.line(line);
  }
  const code = reportProblems(result, options);
  if (scenario === undefined || signal.aborted || (enforce && own === undefined)) return code;
  const records = own && scenario.enforced ? compareEnforced(scenario.enforced, enforced) : [];
  for (const text of records) process.stderr.write(`shrike: ${scenario.name}: ${text}\n`);
  const raised = reportUnexpected(scenario, policies, result, options, output);
  return worse(code, records.length > 0 ? EXIT.findings : raised);
};

const HELP = `
Without --policies the shipped library runs; with --enforce its enforcing variants (policies/library/enforce) are loaded too. Where
--policies is given, --enforce only flips the switch: the same rules are raised with it and without, and without it alerts of rules
that deny or kill say what would have been done. A policy acts only if its own mode is enforce and it has a scope.

With --rule-matching first, as Falco has it by default, files and rules in their order, an event that several rules match raises one
alert. Rules that deny or kill act and are raised all the same, and thresholds and sequences count all events.

--sensor linux watches the processes of one cgroup in the running kernel until Ctrl-C; it needs root or a few capabilities, and
Linux 6.1 or newer ("shrike doctor"). --scope is required, so that nobody watches a whole host by accident. "shrike watch -- COMMAND"
is the shorter way for one command. What finds no room in the ring buffer (--ring-size), or is more than --rate-limit lets through, is
counted, logged and raised as an alert.

SIGHUP has the policies read again, and --watch-policies does so whenever a file changes: the new ones take over from one event to
the next, nothing is missed and nothing raised twice. Where they have an error it is printed, and the old ones run on.

Every alert is first in the audit log; with --nats it is published from there, to a JetStream stream where the server has one. A
server that can't be reached delays nothing. The last line of --json is {"type": "summary", ...}, all others are alert records; with
--sensor linux the first is {"type": "start", ...} once programs are attached.

Exit codes: 0 fine, 1 the scenario did not go as it says, 2 wrong usage, policies or recording, 3 the audit log can't
be written, or this machine does not let --sensor linux work.

Examples:
  shrike run --tree
  shrike run --scenario webshell --enforce --tree --pace 150
  shrike run --scenario ./my-scenario.yaml --policies my-policies/ --json
  shrike run --sensor replay --input app.strace --on-problem stop
  shrike run --sensor linux --scope /system.slice/nginx.service --json
  shrike run --nats nats://127.0.0.1:4222 --audit /var/lib/shrike/audit
  shrike run --nats nats://127.0.0.1:4222 --publish native falco
  shrike run --nats tls://nats.example.com --nats-nkey /etc/shrike/web-1.nk --nats-ca /etc/shrike/ca.pem
  shrike run --sensor linux --scope / --metrics 9273
`;

/** The options of `run`, which `scenarios run` shares. */
export const addRunOptions = (command: Command): Command => {
  command
    .option(
      '--policies <paths...>',
      'policy files, Falco rules files, or folders of them (default: the shipped library)',
    )
    .option('--enforce', 'let enforcing policies deny calls and kill processes')
    .option('--nats <url>', 'publish alerts to this NATS server, several separated by commas');
  for (const option of natsFileOptions()) command.addOption(option);
  command
    .option(
      '--publish <formats...>',
      'native, falco or ecs, each also with its subject: falco=falco.<priority>.<rule> (default: native)',
    )
    .option(
      '--host <name>',
      "the host's name in alerts and subjects (default: the sensor's kind, with linux the host's name)",
    )
    .option('--audit <folder>', "the audit log's folder (default: a new one below the state folder, which is printed)");
  for (const option of auditOptions()) command.addOption(option);
  return command
    .option('--protect <paths...>', 'executables that are never denied or killed')
    .addOption(killBudgetOption())
    .addOption(raisingOption())
    .option('--json', 'one JSON object a line: alert records, then a summary')
    .addOption(
      new Option('--pace <ms>', 'milliseconds before each step of a scenario, to watch it')
        .argParser(wholeNumber(0))
        .default(0),
    )
    .addOption(logLevelOption());
};

/** Runs with Ctrl-C and SIGTERM ending the run early but in order. */
export const runInterruptibly = async (options: RunOptions): Promise<void> => {
  await untilInterrupt((signal) => run(options, openStdout(), signal));
};

export const addRun = (program: Command): void => {
  const command = program
    .command('run')
    .summary('run policies on this host, a simulated one or a recording, and raise alerts')
    .description(
      'Run policies on this host, a simulated one or a recording, raise alerts, and act on them where told to.',
    )
    .addOption(
      new Option('--sensor <kind>', 'where events come from').choices(['sim', 'replay', 'linux']).default('sim'),
    )
    .option(
      '--scope <cgroup>',
      'with --sensor linux: the cgroup v2 path to watch, with all below it; "/" is the whole host',
    )
    .option(
      '--fanotify-mount <paths...>',
      'with --sensor linux: mounts whose files fanotify asks about before they are opened or executed, where the kernel has no LSM hook (docs/live.md)',
    )
    .option('--scenario <name>', `a scenario by name (shrike scenarios) or file (default: "${DEFAULT_SCENARIO}")`)
    .option('--input <file>', 'a recording: what "strace -f -ttt -yy -o FILE" wrote')
    .addOption(
      new Option('--on-problem <what>', 'what to do at a line of the recording that is cut off or no strace line')
        .choices(['skip', 'stop'])
        .default('skip'),
    );
  for (const option of [...liveOptions(), ...metricsOptions(), ...witnessedOptions()]) command.addOption(option);
  addRunOptions(command)
    .option('--watch-policies', 'run the policies anew whenever one of their files changes (SIGHUP does so, too)')
    .option('--tree', 'print processes as a tree, with alerts where they happen')
    .addHelpText('after', HELP)
    .action((options: RunOptions) => runInterruptibly(options));
};

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  type Alert,
  type AlertFilters,
  escapeControl,
  formatAlert,
  type Position,
  type SubscribeOptions,
  subscribeAlerts,
} from '../alerts/index.ts';
import { PRIORITIES } from '../rules/index.ts';
import { type Since, sinceOf, timeOf, wholeNumber } from './arguments.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { untilInterrupt } from './interrupt.ts';
import { createLog, type LogLevel, logLevelOption } from './log.ts';
import { type NatsFiles, natsAddressOf, natsFileOptions } from './nats-options.ts';
import { type Output, openStdout } from './output.ts';

interface AlertsOptions extends Omit<AlertFilters, 'tags'>, NatsFiles {
  readonly nats: string;
  readonly subject?: string;
  readonly tag?: readonly string[];
  readonly since?: Since;
  readonly fromSeq?: number;
  readonly until?: Date;
  readonly follow: boolean;
  readonly position?: string;
  readonly failOnGap?: boolean;
  readonly count?: number;
  readonly format?: string;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
}

/** How often the position is written while alerts come. */
const KEEP_MS = 1_000;

const readPosition = (path: string): Position | undefined => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Position;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError(`${path} is no position that can be read: ${messageOf(error)}`, EXIT.usage);
  }
};

/** Replaces the file as a whole: an end at any moment leaves the position of before or the new one. */
const writePosition = (path: string, position: Position): void => {
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(position)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new CliError(`${path} can't be written: ${messageOf(error)}`, EXIT.environment);
  }
};

const filtersOf = ({
  host,
  priority,
  minPriority,
  rule,
  policy,
  tag,
  container,
  where,
}: AlertsOptions): AlertFilters => ({
  ...(host !== undefined && { host }),
  ...(priority !== undefined && { priority }),
  ...(minPriority !== undefined && { minPriority }),
  ...(rule !== undefined && { rule }),
  ...(policy !== undefined && { policy }),
  ...(tag !== undefined && { tags: tag }),
  ...(container !== undefined && { container }),
  ...(where !== undefined && { where }),
});

/** Where to begin: a position that was kept comes before all else. */
const startOf = ({ since, fromSeq, position, follow }: AlertsOptions): NonNullable<SubscribeOptions['from']> => {
  const kept = position === undefined ? undefined : readPosition(position);
  if (kept !== undefined) return kept;
  if (fromSeq !== undefined) return { seq: fromSeq };
  return since ?? (follow ? 'new' : 'all');
};

/** A text with `%` and members: `%time %rule: %output`. */
const fill = (format: string, alert: Alert): string =>
  format.replace(/%(%|[a-zA-Z][\w.]*(?:\[[^\]]*\])?)/g, (whole, name: string) => {
    if (name === '%') return '%';
    const value = Object.hasOwn(alert.fields, name)
      ? alert.fields[name]
      : name
          .split('.')
          .reduce<unknown>((at, part) => (at as Record<string, unknown> | null | undefined)?.[part], alert);
    if (value === undefined) return whole;
    return typeof value === 'string' ? escapeControl(value) : JSON.stringify(value);
  });

/** Prints alerts from NATS until `count` of them came, all were read that are wanted, or somebody interrupts. */
export const alerts = async (options: AlertsOptions, output: Output, signal: AbortSignal): Promise<ExitCode> => {
  const log = createLog(options.logLevel);
  const { count: wanted = Number.POSITIVE_INFINITY, position } = options;
  if (options.fromSeq !== undefined && options.host === undefined)
    throw new CliError("--from-seq is a number of one host's log: give the host with --host", EXIT.usage);
  if (options.fromSeq !== undefined && options.since !== undefined)
    throw new CliError('--since and --from-seq exclude each other', EXIT.usage);
  const from = startOf(options);
  let printed = 0;
  let kept = 0;
  let close = (): void => undefined;
  const keep = (): void => {
    if (position !== undefined) writePosition(position, subscription.position);
    kept = performance.now();
  };
  const print = (alert: Alert): void => {
    if (printed >= wanted) return;
    printed++;
    if (options.json) output.json(alert);
    else if (options.format !== undefined) output.line(fill(options.format, alert));
    else output.line(formatAlert(alert, { colour: output.paint.colour, host: true }));
    if (printed >= wanted) close();
  };
  const subscription = await subscribeAlerts({
    servers: natsAddressOf(options.nats, options) ?? options.nats,
    filters: filtersOf(options),
    from,
    follow: options.follow,
    report: (sentence) => log.warn(sentence),
    ...(options.until !== undefined && { until: options.until }),
    ...(options.subject !== undefined && { subject: options.subject }),
    ...(options.failOnGap && { gaps: true }),
  }).catch((error: unknown) => {
    const isUsage = error instanceof Error && error.cause === undefined;
    throw new CliError(messageOf(error), isUsage ? EXIT.usage : EXIT.environment);
  });
  let isClosing = false;
  close = () => {
    isClosing = true;
    void subscription.close();
  };
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  log.info(`subscribed at ${options.nats}`);
  for await (const alert of subscription) {
    print(alert);
    if (isClosing) break;
    if (position !== undefined && performance.now() - kept > KEEP_MS) keep();
  }
  await subscription.ended;
  keep();
  const { missing } = subscription;
  if (!options.failOnGap || missing.length === 0) return EXIT.fine;
  for (const { host, after, upTo } of missing)
    process.stderr.write(`shrike: alerts of ${host} are missing: those after ${host}-${after} up to ${host}-${upTo}\n`);
  return EXIT.findings;
};

const HELP = `
Prints alerts, each once and in the order of its host; subjects are shrike.alerts.<host>.<priority>.<rule>. Where the server keeps a
stream, a lost connection loses nothing: reading goes on behind the last alert, also where the stream went back. An alert whose
predecessors have not come waits 2 seconds for them; then it is said on stderr what is missing.

--since takes: all; 30s, 5m, 2h, 7d ago; a time, 2026-01-02T03:04:05Z; or the number of a message in the stream. Times are those at
which the server took the alert. --where compares a field of the rule's output, or a member of the record, by = != ^= (begins with)
$= (ends with) or *= (contains). In --format, %NAME is a field of the output or a member of the record, %% a per cent sign.

Exit codes: 0 all that was wanted was printed, or interrupted, 1 with --fail-on-gap: alerts did not arrive, 2 wrong usage, 3 no
server, or no stream to read again.

Examples:
  shrike alerts --nats nats://127.0.0.1:4222
  shrike alerts --min-priority error --since 2h
  shrike alerts --since all --no-follow --fail-on-gap --json > alerts.jsonl
  shrike alerts --host web-1 --from-seq 1200 --until 2026-01-02T03:04:05Z
  shrike alerts --where proc.name=cat --where process.exe^=/tmp/ --format '%time %host %output'
  shrike alerts --position last.json --no-follow     what came since the last time
  shrike alerts --nats tls://nats.example.com --nats-creds me.creds --nats-ca ca.pem
`;

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export const addAlerts = (program: Command): void => {
  const command = program
    .command('alerts')
    .summary('subscribe to alerts over NATS and print them')
    .description('Subscribe to alerts over NATS and print them.')
    .addOption(
      new Option('--nats <url>', 'NATS server, several separated by commas')
        .env('NATS_URL')
        .default('nats://127.0.0.1:4222'),
    );
  for (const option of natsFileOptions()) command.addOption(option);
  command
    .option('--subject <template>', 'where alerts are published, as given to "shrike run --publish native=..."')
    .option('--host <name>', 'only alerts of this host')
    .addOption(new Option('--priority <priority>', 'only alerts of this priority').choices(PRIORITIES))
    .addOption(new Option('--min-priority <priority>', 'of this priority and more urgent ones').choices(PRIORITIES))
    .option('--rule <name>', 'only alerts of this rule')
    .option('--policy <name>', 'only alerts of this policy')
    .option('--tag <tag>', 'only alerts with this tag; several: with all of them', collect)
    .option('--container <id>', 'only alerts of this container, by its name or the beginning of its id')
    .option('--where <comparison>', 'only alerts for which it holds, such as proc.name=cat; several: all hold', collect)
    .option('--since <from>', "begin with those of the stream: all, 2h, a time, or a message's number", sinceOf)
    .option('--from-seq <n>', "begin with this number of the host's log", wholeNumber(1))
    .option('--until <time>', 'end with what the server took by then: a time, or 2h for so long ago', timeOf)
    .option('--no-follow', 'end behind what there is, from the beginning unless told otherwise')
    .option('--position <file>', 'go on where the file says, and keep there how far it came')
    .option('--fail-on-gap', 'look for alerts that did not arrive, and end with exit code 1 if there are')
    .option('--count <n>', 'end after this many alerts', wholeNumber(1))
    .option('--format <text>', "one line an alert: '%time %rule: %output'")
    .option('--json', 'one alert record a line')
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (options: AlertsOptions) => {
      await untilInterrupt((signal) => alerts(options, openStdout(), signal));
    });
};

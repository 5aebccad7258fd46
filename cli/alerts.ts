import { type Command, Option } from 'commander';
import { type Alert, type AlertFilters, formatAlert, subscribeAlerts } from '../alerts/index.ts';
import { PRIORITIES, type Priority } from '../rules/index.ts';
import { sinceOf, wholeNumber } from './arguments.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { onInterrupt } from './interrupt.ts';
import { createLog, type LogLevel, logLevelOption } from './log.ts';
import { type Output, openStdout } from './output.ts';

interface AlertsOptions {
  readonly nats: string;
  readonly host?: string;
  readonly priority?: Priority;
  readonly rule?: string;
  readonly since?: 'all' | number;
  readonly count?: number;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
}

/** Prints alerts from NATS until `count` of them came, the connection ends for good, or somebody interrupts. */
export const alerts = async (options: AlertsOptions, output: Output, signal: AbortSignal): Promise<void> => {
  const log = createLog(options.logLevel);
  const { host, priority, rule, since, count: wanted = Number.POSITIVE_INFINITY } = options;
  const filters: AlertFilters = {
    ...(host !== undefined && { host }),
    ...(priority !== undefined && { priority }),
    ...(rule !== undefined && { rule }),
  };
  let printed = 0;
  let close = (): void => undefined;
  const print = (alert: Alert): void => {
    if (printed >= wanted) return;
    printed++;
    if (options.json) output.json(alert);
    else output.line(formatAlert(alert, { colour: output.paint.colour, host: true }));
    if (printed >= wanted) close();
  };
  const subscription = await subscribeAlerts(
    {
      servers: options.nats,
      filters,
      report: (sentence) => log.warn(sentence),
      ...(since !== undefined && { from: since === 'all' ? since : { sequence: since } }),
    },
    print,
  ).catch((error: unknown) => {
    throw new CliError(messageOf(error), EXIT.environment);
  });
  close = () => void subscription.close();
  if (signal.aborted || printed >= wanted) close();
  signal.addEventListener('abort', close, { once: true });
  log.info(`subscribed at ${options.nats}`);
  await subscription.ended;
};

const HELP = `
Prints alerts as they are published, each once and in the order of its host. Subjects are shrike.alerts.<host>.<priority>.<rule>.
What is lost on the way (gaps, messages that are no alerts, connections) is said on stderr; a lost connection is tried again.

Exit codes: 0 --count reached or interrupted, 2 wrong usage, 3 no server, or no stream for --since.

Examples:
  shrike alerts --nats nats://127.0.0.1:4222
  shrike alerts --priority critical --since all
  shrike alerts --json --count 10 | jq .output
`;

export const addAlerts = (program: Command): void => {
  program
    .command('alerts')
    .summary('subscribe to alerts over NATS and print them')
    .description('Subscribe to alerts over NATS and print them.')
    .addOption(
      new Option('--nats <url>', 'NATS server, several separated by commas')
        .env('NATS_URL')
        .default('nats://127.0.0.1:4222'),
    )
    .option('--host <name>', 'only alerts of this host')
    .addOption(new Option('--priority <priority>', 'only alerts of this priority').choices(PRIORITIES))
    .option('--rule <name>', 'only alerts of this rule')
    .option(
      '--since <from>',
      "first the alerts that the server's stream has: all, or from a sequence number on",
      sinceOf,
    )
    .option('--count <n>', 'end after this many alerts', wholeNumber(1))
    .option('--json', 'one alert record a line')
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (options: AlertsOptions) => {
      const interrupt = onInterrupt();
      try {
        await alerts(options, openStdout(), interrupt.signal);
      } finally {
        interrupt.release();
      }
    });
};

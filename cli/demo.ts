import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Alert,
  type NatsAddress,
  type NatsServer,
  readAuditLog,
  startNatsServer,
  subscribeAlerts,
} from '../alerts/index.ts';
import { createSimSensor } from '../sensors/index.ts';
import { freshAuditFolder } from './audit-folder.ts';
import { EXIT, type ExitCode, messageOf } from './exit.ts';
import { createLog } from './log.ts';
import type { Output } from './output.ts';
import { enforcingFolder, libraryFolder } from './package.ts';
import { count } from './paint.ts';
import { createProcessTree } from './process-tree.ts';
import { policiesAt } from './run.ts';
import { scenarioOf } from './scenario-file.ts';
import { runSession } from './session.ts';
import { createRefrained, summaryLines } from './summary.ts';

/** The scenario of the demonstration. */
export const DEMO_SCENARIO = 'webshell';
/** The enforcing variants that take part: they let the intrusion go far enough to be worth watching. */
const ENFORCING = ['credential-files.yaml', 'execution-from-tmp.yaml'];
/** Milliseconds before each step on a terminal: slow enough to follow. */
const PACE_MS = 110;
/** What to try afterwards. */
const nextCommands = ([first]: readonly Alert[]): readonly string[] => [
  ...(first === undefined ? [] : [`audit show --tree ${first.seq}`]),
  'audit verify',
  'run --scenario supply-chain --tree --pace 100',
];
/** How long the subscriber may take for the last alert. */
const RECEIVE_MS = 5_000;

/** The policies of the demonstration, by path. */
export const demoPolicies = (): readonly string[] => [
  libraryFolder(),
  ...ENFORCING.map((name) => join(enforcingFolder(), name)),
];

export interface DemoOptions {
  /** A running NATS server; left out: a private one is started. */
  readonly nats?: NatsAddress;
  readonly enforce: boolean;
  /** How the `shrike` command is called here, for the commands to try next. */
  readonly command: string;
}

/** The broker of a demonstration, and what came out of it at the other end. */
interface Broker {
  readonly address: NatsAddress;
  readonly received: ReadonlySet<string>;
  /** Waits until `wanted` alerts came, or for a while. */
  settle(wanted: number): Promise<void>;
  stop(): Promise<void>;
}

const subscribe = async (
  address: NatsAddress,
  host: string,
  warn: (sentence: string) => void,
  server?: NatsServer,
): Promise<Broker> => {
  const received = new Set<string>();
  const subscription = await subscribeAlerts({ servers: address, filters: { host }, report: warn }, (alert) =>
    received.add(alert.id),
  );
  return {
    address,
    received,
    settle: async (wanted) => {
      const deadline = Date.now() + RECEIVE_MS;
      while (received.size < wanted && Date.now() < deadline) await delay(20);
    },
    stop: async () => {
      await subscription.close();
      await server?.stop();
    },
  };
};

/** A broker with a subscriber of its own connection; a sentence where there is none. */
const openBroker = async (
  nats: NatsAddress | undefined,
  host: string,
  warn: (sentence: string) => void,
): Promise<Broker | string> => {
  let server: NatsServer | undefined;
  try {
    server = nats === undefined ? await startNatsServer() : undefined;
    return await subscribe(nats ?? { url: server?.url ?? '' }, host, warn, server);
  } catch (error) {
    await server?.stop();
    return messageOf(error);
  }
};

/** The ids of the alerts in an audit log, read back from the disk. */
const auditedIds = async (folder: string): Promise<ReadonlySet<string>> => {
  const ids = new Set<string>();
  for await (const { entry } of readAuditLog(folder, { strict: true }))
    if (entry.kind === 'alert') ids.add((entry.body as Alert).id);
  return ids;
};

const isSame = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  one.size === other.size && [...one].every((id) => other.has(id));

/** Says whether the alerts that were printed, logged and received are the same. */
const compare = (
  printed: ReadonlySet<string>,
  audited: ReadonlySet<string>,
  received: ReadonlySet<string> | undefined,
  output: Output,
): boolean => {
  const { paint } = output;
  const same = isSame(printed, audited) && (received === undefined || isSame(printed, received));
  const also =
    received === undefined ? 'and are in the audit log' : 'are in the audit log, and reached a subscriber over NATS';
  if (same) {
    output.line(paint.green(`The same ${count(printed.size, 'alert')} were printed, ${also}.`));
  } else {
    const rest = received === undefined ? '' : `, ${received.size} reached the subscriber`;
    output.line(paint.red(`Alerts went astray: ${printed.size} printed, ${audited.size} in the audit log${rest}.`));
  }
  return same;
};

/** Plays a simulated intrusion under the shipped policies and shows where its alerts go, on one screen. */
export const demo = async (options: DemoOptions, output: Output, signal: AbortSignal): Promise<ExitCode> => {
  const { paint } = output;
  const { enforce, nats, command } = options;
  const log = createLog('warn');
  const warn = (sentence: string): void => log.warn(sentence);
  const host = `sim-${process.pid}`;
  const policies = policiesAt(demoPolicies());
  const scenario = scenarioOf(DEMO_SCENARIO);
  const row = (label: string, text: string): void => output.line(`${paint.bold(label.padEnd(10))}${text}`);
  row('Shrike', 'runtime security for Linux; here policies run as eBPF in a simulated kernel, nothing real is touched');
  const enforcing = policies.filter((policy) => policy.mode === 'enforce').length;
  const watching = policies.length - enforcing;
  const mode = `${watching} policies watch, ${enforcing} deny or kill; enforcement is ${enforce ? 'on' : 'off'}`;
  row('scenario', `${scenario.name}, a web shell that becomes root; ${mode}`);
  const broker = await openBroker(nats, host, warn);
  if (typeof broker === 'string') row('nats', `${paint.yellow(broker)}; going on without a broker`);
  else row('nats', `${broker.address.url}${nats === undefined ? ', started for this run' : ''}; a subscriber listens`);
  output.line();
  try {
    const tree = createProcessTree(output);
    const alerts: Alert[] = [];
    const refrained = createRefrained();
    const result = await runSession(
      {
        policies,
        sensor: createSimSensor({ scenario, pace: output.isTerminal ? PACE_MS : 0, observer: tree.observe }),
        host,
        enforce,
        auditFolder: freshAuditFolder(),
        warn,
        ...(typeof broker === 'string' ? {} : { nats: broker.address }),
        onRecord: tree.record,
        onAlert: (alert) => {
          alerts.push(alert);
          refrained.count(alert);
          tree.alert(alert);
        },
      },
      signal,
    );
    tree.end();
    if (signal.aborted) {
      // Ctrl-C went to the private server as well, so that there is nothing to compare.
      output.line(`\ninterrupted; the audit log is in ${result.auditFolder}`);
      return EXIT.fine;
    }
    if (typeof broker !== 'string') await broker.settle(alerts.length);
    output.line();
    for (const line of summaryLines(result, refrained, enforce, paint)) output.line(line);
    const printed = new Set(alerts.map((alert) => alert.id));
    const audited = await auditedIds(result.auditFolder);
    const same = compare(printed, audited, typeof broker === 'string' ? undefined : broker.received, output);
    output.line(paint.bold('Try next'));
    for (const next of nextCommands(alerts)) output.line(`  ${command} ${next}`);
    if (typeof broker === 'string' && nats !== undefined) return EXIT.environment;
    return same ? EXIT.fine : EXIT.findings;
  } finally {
    if (typeof broker !== 'string') await broker.stop();
  }
};

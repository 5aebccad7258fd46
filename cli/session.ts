import {
  type AgentOptions,
  type AgentSummary,
  CompileError,
  LoadError,
  runAgent,
  type Standing,
} from '../agent/index.ts';
import {
  type Announcer,
  type CheckpointListener,
  createAnnouncer,
  createPublisher,
  type NatsAddress,
  openAuditLog,
  openSealer,
  type Publisher,
  type PublisherState,
  parseOutputs,
  type Sealer,
  type StoredLog,
  type Verifier,
} from '../alerts/index.ts';
import { VerifierError } from '../engine/verifier/index.ts';
import { BpfError, ProgramRefused } from '../sensors/index.ts';
import type { keptOf } from './audit-folder.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { openSwitch } from './enforcement-switch.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import type { MetricsAddress, MetricsServer } from './metrics-server.ts';
import { serveSession } from './session-metrics.ts';

/** How long the server may acknowledge nothing after the last event: where it is only slow, where publishing fails, and where it can't be reached. */
const QUIET_MS = { slow: 10_000, failing: 3_000, unreached: 500 };
/** How long a run's end waits in all for a server that acknowledges alerts slowly. */
const FLUSH_MS = 30_000;

export interface SessionOptions extends Omit<AgentOptions, 'log'> {
  readonly auditFolder: string;
  /** How much of the audit log is kept, and what room is kept for it. */
  readonly kept?: ReturnType<typeof keptOf>;
  /** NATS servers to publish to; left out: alerts are not published. */
  readonly nats?: NatsAddress;
  /** Formats to publish in, with their subjects: `falco=falco.<priority>.<rule>`; default `native`. */
  readonly publish?: readonly string[];
  /** Where metrics and health are served; left out: nowhere. */
  readonly metrics?: MetricsAddress;
  /** Has the kernel count its programs' runs and time. */
  readonly programCost?: boolean;
  readonly onServing?: (url: string) => void;
  /** Who cosigns the audit log, by way of the NATS servers. */
  readonly witness?: { readonly key: Verifier; readonly intervalMs?: number };
  /** Called with each checkpoint of the audit log that is signed, in order; nobody waits for them. */
  readonly onCheckpoint?: readonly CheckpointListener[];
  readonly warn: (sentence: string) => void;
}

/** How publishing stood at the end of a run. */
export interface Published {
  readonly servers: string;
  readonly published: number;
  /** Alerts in the audit log that no server has acknowledged. */
  readonly pending: number;
  /** Alerts larger than the server takes. */
  readonly refused: number;
  readonly stream: boolean;
}

export interface SessionResult {
  readonly summary: AgentSummary;
  readonly auditFolder: string;
  readonly nats: Published | undefined;
}

const openLog = async ({ auditFolder: folder, kept, host, warn }: SessionOptions): Promise<StoredLog> => {
  try {
    return await openAuditLog({ folder, host, warn, ...kept });
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.environment);
  }
};

/** A log for each of several publishers: it keeps what any of them has not published yet. */
const sharedBy = (log: StoredLog, count: number): readonly StoredLog[] => {
  const seqs = new Array<number>(count).fill(0);
  return seqs.map((_, index) => {
    const acknowledged = (seq: number): void => {
      seqs[index] = seq;
      log.acknowledged(Math.min(...seqs));
    };
    return Object.assign(Object.create(log) as StoredLog, { acknowledged });
  });
};

/** A publisher for each format that is asked for; none without a server. */
const openPublishers = ({ nats, publish, host, warn }: SessionOptions, log: StoredLog): readonly Publisher[] => {
  if (nats === undefined) return [];
  try {
    const outputs = parseOutputs(publish ?? ['native']);
    const logs = outputs.length > 1 ? sharedBy(log, outputs.length) : [log];
    return outputs.map((output, index) =>
      createPublisher({ servers: nats, host, log: logs[index] ?? log, output, report: warn }),
    );
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.usage);
  }
};

/** Shows the log's checkpoints to its witness; undefined where there is none. */
const openAnnouncer = (
  { nats, host, auditFolder: folder, witness, warn: report }: SessionOptions,
  sealer: Sealer,
): Announcer | undefined =>
  nats === undefined || witness === undefined
    ? undefined
    : createAnnouncer({
        ...{ servers: nats, host, folder, sealer, report, witness: witness.key },
        ...(witness.intervalMs !== undefined && { intervalMs: witness.intervalMs }),
      });

/** How much of a verifier's log is printed; the reason is at its end. */
const LOG_LINES = 12;

const lastLines = (log: string): readonly string[] => {
  const lines = log.trimEnd().split('\n');
  return log === '' ? [] : ["the end of the verifier's log:", ...lines.slice(-LOG_LINES).map((line) => `  ${line}`)];
};

/** What ends a session, as a sentence and an exit code where it is no fault of Shrike's. */
export const inSentences = (error: unknown): unknown => {
  if (error instanceof CompileError) {
    const printed = createDiagnosticPrinter(false);
    return new CliError(`${error.message}\n${error.diagnostics.map(printed).join('\n')}`, EXIT.usage);
  }
  if (error instanceof ProgramRefused)
    return new CliError([error.message, ...lastLines(error.log)].join('\n'), EXIT.environment);
  if (error instanceof BpfError || error instanceof LoadError) return new CliError(error.message, EXIT.environment);
  if (error instanceof VerifierError)
    return new CliError(`the kernel refuses the policies' program (see "shrike check"): ${error.message}`, EXIT.usage);
  return error;
};

const countPrograms = ({ sensor, warn }: SessionOptions): void => {
  try {
    sensor.kernel.enableStatistics();
  } catch (error) {
    warn(`the kernel doesn't count what programs cost (${messageOf(error)}); --program-cost needs CAP_SYS_ADMIN`);
  }
};

/** A server's URL without credentials. */
const withoutCredentials = (urls: string): string => urls.replace(/(^|,|\/\/)[^@,/]*@/g, '$1');

const quietMs = ({ connected, lastError }: PublisherState): number =>
  lastError === undefined ? QUIET_MS.slow : connected ? QUIET_MS.failing : QUIET_MS.unreached;

/** Waits for what the server has still to acknowledge, as long as it goes on. */
const flushed = async (publisher: Publisher): Promise<void> => {
  const startedAt = performance.now();
  let [seen, seenAt] = [publisher.state.published, startedAt];
  while (!(await publisher.flush(QUIET_MS.unreached))) {
    const [{ published }, now] = [publisher.state, performance.now()];
    if (published > seen) [seen, seenAt] = [published, now];
    if (now - seenAt >= quietMs(publisher.state) || now - startedAt >= FLUSH_MS) return;
  }
};

const settle = async (publisher: Publisher, servers: string): Promise<Published> => {
  await flushed(publisher);
  const { published, refused, stream } = publisher.state;
  return {
    servers: withoutCredentials(servers),
    published,
    refused,
    stream,
    pending: await publisher.pending(),
  };
};

/** How publishing in several formats stood: an alert counts as published once the format that is furthest behind has it. */
const together = (all: readonly Published[]): Published | undefined => {
  const [first] = all;
  if (first === undefined) return undefined;
  return {
    servers: first.servers,
    published: Math.min(...all.map(({ published }) => published)),
    pending: Math.max(...all.map(({ pending }) => pending)),
    refused: Math.max(...all.map(({ refused }) => refused)),
    stream: all.every(({ stream }) => stream),
  };
};

/** Runs the agent with an audit log of its own, which is sealed as it grows, and, where wanted, publishers that follow it; all are closed at the end. */
export const runSession = async (options: SessionOptions, signal: AbortSignal): Promise<SessionResult> => {
  const log = await openLog(options);
  let publishers: readonly Publisher[] = [];
  let announcer: Announcer | undefined;
  let server: MetricsServer | undefined;
  let standing: (() => Standing) | undefined;
  const { host, sensor, metrics: address, warn, onCheckpoint = [] } = options;
  const sealer = await openSealer({ log, warn, onCheckpoint });
  const control =
    options.enforce || options.sensor.kind === 'linux' ? openSwitch(options.auditFolder, options.enforce) : undefined;
  try {
    publishers = openPublishers(options, log);
    announcer = openAnnouncer(options, sealer);
    const [publisher] = publishers;
    if (address !== undefined) {
      const about = { address, host, sensor, log, sealer, announcer, publisher, standing: () => standing?.() };
      server = await serveSession(about);
      options.onServing?.(server.url);
      if (options.programCost === true) countPrograms(options);
    }
    const onStanding = (read: () => Standing): void => {
      standing = read;
    };
    const summary = await runAgent({ ...options, log, onStanding, ...(control && { enforcement: control }) }, signal);
    const settled = await Promise.all(publishers.map((each) => settle(each, options.nats?.url ?? '')));
    return { summary, auditFolder: options.auditFolder, nats: together(settled) };
  } catch (error) {
    throw inSentences(error);
  } finally {
    control?.close();
    await server?.close();
    await Promise.all(publishers.map((each) => each.close()));
    if (announcer !== undefined) await sealer.seal();
    await announcer?.close();
    await log.close();
  }
};

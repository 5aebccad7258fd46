import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import {
  escapeControl,
  isoNow,
  openWitness,
  SILENT_AFTER,
  WITNESS_INTERVAL_MS,
  type WitnessNews,
} from '../alerts/index.ts';
import { seconds, wholeNumber } from './arguments.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { untilInterrupt } from './interrupt.ts';
import { createLog, type LogLevel, logLevelOption } from './log.ts';
import { type NatsFiles, natsAddressOf, natsFileOptions } from './nats-options.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';
import { addWitnessCheck } from './witness-check.ts';
import { addWitnessStatus } from './witness-status.ts';

interface WitnessCommandOptions extends NatsFiles {
  readonly nats: string;
  readonly state?: string;
  readonly name: string;
  readonly keys?: string;
  readonly trustOnFirstUse?: boolean;
  readonly interval: number;
  readonly silentAfter: number;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
}

/** Different refusals that are remembered, so that each is said once. */
const MOST_REFUSALS = 1_000;

/** Says what happened to logs, each in a line; refusals go to the agent's log, each once. */
const createTeller = ({ json }: WitnessCommandOptions, output: Output, warn: (sentence: string) => void) => {
  const refusals = new Set<string>();
  return (news: WitnessNews): void => {
    if (news.kind === 'heard') return;
    if (news.kind === 'refused') {
      const sentence = `${news.host}: ${escapeControl(news.reason)}`;
      if (refusals.has(sentence)) return;
      if (refusals.size >= MOST_REFUSALS) refusals.clear();
      refusals.add(sentence);
      warn(sentence);
      return;
    }
    const { origin, found } = news.log;
    const over = news.kind === 'over' ? { incidents: news.incidents } : {};
    if (json) {
      output.json({ type: news.kind, time: isoNow(), origin, size: found.size, ...over });
      return;
    }
    if (news.kind === 'cosigned') return;
    const what = {
      'seen first': `first seen, with ${count(found.size, 'entry', 'entries')}; its key: ${news.log.keys.at(-1)}`,
      stopped: `its agent is being stopped, with ${count(found.size, 'entry', 'entries')}`,
      over: `goes on from what was cosigned, with ${count(found.size, 'entry', 'entries')}; it had been ${news.kind === 'over' ? news.incidents.join(', ') : ''}`,
    }[news.kind];
    output.line(`${isoNow().slice(0, 19)}Z ${escapeControl(origin)}: ${what}`);
  };
};

/** Runs a witness until somebody interrupts. */
export const witness = async (
  options: WitnessCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> => {
  const { nats, state: folder, name, keys, trustOnFirstUse, interval, silentAfter, json } = options;
  if (folder === undefined)
    throw new CliError(
      'where does the witness keep its key and what it has seen? Give a folder with --state',
      EXIT.usage,
    );
  if ((keys === undefined) === (trustOnFirstUse !== true))
    throw new CliError(
      keys === undefined
        ? 'which logs are trusted? Give their public keys (log.pub) with --keys, or believe the first key that each shows with --trust-on-first-use'
        : '--keys and --trust-on-first-use exclude each other',
      EXIT.usage,
    );
  const log = createLog(options.logLevel);
  const opened = await openWitness({
    ...{ servers: natsAddressOf(nats, options) ?? nats, folder, name, intervalMs: interval, silentAfter },
    ...(keys !== undefined && { keys }),
    report: (sentence) => log.warn(sentence),
    onListening: (servers) => {
      if (json) output.json({ type: 'listening', time: isoNow(), servers });
      else log.info(`listening at ${servers}`);
    },
    onNews: createTeller(options, output, (sentence) => log.warn(sentence)),
    onAlarm: ({ rule, origin, sentence, known, offered }) => {
      if (json)
        output.json({ type: 'alarm', time: isoNow(), rule, origin, sentence, known, ...(offered && { offered }) });
      else output.line(`${isoNow().slice(0, 19)}Z ${output.paint.red(`ALARM ${rule}`)}: ${escapeControl(sentence)}`);
    },
  }).catch((error: unknown) => {
    throw new CliError(messageOf(error), EXIT.environment);
  });
  const { verifier, isNewKey, isNewState, logs, unheard } = opened;
  if (!isNewKey && isNewState)
    log.warn(
      `${folder} has this witness's key, but nothing of any log: its state was lost, and what logs did meanwhile is not known; put a copy back if there is one`,
    );
  if (json) {
    output.json({ type: 'start', time: isoNow(), key: verifier.text, isNewKey, isNewState, logs: logs.size, unheard });
  } else {
    output.line(`${isNewKey ? 'a new key was made; agents need its public part' : 'public key'}: ${verifier.text}`);
    output.line(
      `${count(logs.size, 'log is', 'logs are')} known in ${folder}${unheard.length > 0 ? `; never heard: ${unheard.join(', ')}` : ''}`,
    );
  }
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await opened.close();
  return opened.alarms > 0 ? EXIT.findings : EXIT.fine;
};

const HELP = `
A witness runs on another host than the agents, holds a key of its own, and remembers how far each agent's audit log had got. Agents
("shrike run --witness KEY") show it the signed checkpoints of their logs over NATS, with the proof that nothing before was changed; it
keeps each on disk, then cosigns it. It raises an alarm where a log

  forks      the log's key signed two logs that exclude each other: somebody rewrote entries that had been signed
  shrinks    the log ends before what was cosigned: it was cut, or an older copy was put back
  is not sealed any more: its agent found that the log on disk is not what was signed
  is silent  nothing was heard of it for --silent-after intervals, while the server answered; an agent that is stopped in order says so

and where it finds its own cosignature of what it doesn't remember. An alarm is printed, kept for good in STATE/alarms with its
evidence, and published as an alert of the host NAME with priority critical, so that "shrike alerts" shows it. "shrike witness check"
shows that the evidence holds: two checkpoints signed by the log's own key that exclude each other.

STATE has the witness's key (witness.key, mode 0600; witness.pub is for the agents), a file for each log (logs/) and the alarms. Losing
it loses what the alarms rest on: back it up, and don't put an older copy back. --keys is a file of public keys, one a line, or a folder
of log.pub files; a new one there counts at once. With --trust-on-first-use whoever may ask as a host can bring a log of its own.

Exit codes: 0 ended, 1 ended, and alarms were raised, 2 wrong usage, 3 the state folder, its key or the trusted keys can't be used.

Examples:
  shrike witness --state /var/lib/shrike-witness --keys /etc/shrike/logs --nats tls://nats.example.com --nats-nkey witness.nk
  shrike run ... --audit /var/log/shrike --witness witness.pub                on the agents' hosts
  shrike witness status --state /var/lib/shrike-witness                       what it knows of each log
  shrike alerts --host witness-1 --since all --json | shrike witness check    whether the evidence of its alarms holds
`;

export const addWitness = (program: Command): void => {
  const command = program
    .command('witness')
    .summary('watch over the audit logs of other hosts, and cosign them')
    .description(
      'Watch over the audit logs of other hosts: cosign what only grew, and alarm where a log forks, shrinks or falls silent.',
    )
    .enablePositionalOptions()

    .option('--state <folder>', "the witness's key and what it has seen; made where it is missing")
    .option('--keys <path>', 'public keys of the logs to trust: a file with one a line, or a folder of such files')
    .option('--trust-on-first-use', 'trust the key that a log shows first, and no other from then on')
    .option('--name <name>', "the witness's name: of its key, and of the host in its alarms", hostname())
    .addOption(
      new Option('--nats <url>', 'NATS server, several separated by commas')
        .env('NATS_URL')
        .default('nats://127.0.0.1:4222'),
    );
  for (const option of natsFileOptions()) command.addOption(option);
  command
    .addOption(
      new Option('--interval <time>', 'how often agents show their checkpoints (their --witness-interval)')
        .argParser(seconds)
        .default(WITNESS_INTERVAL_MS, `${WITNESS_INTERVAL_MS / 1000}s`),
    )
    .option('--silent-after <n>', 'intervals without a word that are too many', wholeNumber(2), SILENT_AFTER)
    .option('--json', 'one JSON object a line')
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (options: WitnessCommandOptions) => {
      await untilInterrupt((signal) => witness(options, openStdout(), signal));
    });
  addWitnessStatus(command);
  addWitnessCheck(command);
};

import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type EnforcementState, request, requestIn, stateIn } from './enforcement-switch.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { type Output, openStdout } from './output.ts';

/** How long an agent may take to do what it is asked for. */
const WAIT_MS = 3_000;
const LOOK_MS = 50;

interface EnforceOptions {
  readonly audit: string;
  readonly json?: boolean;
}

type Wanted = 'on' | 'off' | 'status';

/** What became of it, as `--json` prints it. */
interface EnforceRecord {
  readonly type: 'enforcement';
  readonly folder: string;
  readonly asked: 'on' | 'off';
  readonly agent: EnforcementState | null;
}

const sentence = ({ folder, asked, agent }: EnforceRecord): string => {
  if (agent === null)
    return asked === 'off'
      ? `no agent runs on ${folder}; the next one that does will not enforce, until "shrike enforce on"`
      : `no agent runs on ${folder}; the next one that does enforces where it is started with --enforce`;
  if (agent.enforcement === 'monitor')
    return `the agent with process id ${agent.pid} was started without --enforce: it only says what it would do`;
  return `enforcement is ${agent.enforcement} since ${agent.since} (agent with process id ${agent.pid})`;
};

const isDone = ({ asked, agent }: EnforceRecord): boolean => agent?.enforcement === asked;

/** Switches the enforcement of the agent that runs on an audit log's folder, or says how it stands. */
export const enforce = async (
  wanted: Wanted,
  { audit: folder, json }: EnforceOptions,
  output: Output,
): Promise<ExitCode> => {
  if (!existsSync(folder))
    throw new CliError(`there is no folder ${folder}; give the agent's --audit folder`, EXIT.usage);
  const look = (): EnforceRecord => ({
    type: 'enforcement',
    folder,
    asked: requestIn(folder),
    agent: stateIn(folder) ?? null,
  });
  if (wanted !== 'status') {
    try {
      request(folder, wanted);
    } catch (error) {
      throw new CliError(`${folder} can't be written (${messageOf(error)}); ask as the agent's user`, EXIT.environment);
    }
  }
  let record = look();
  const end = performance.now() + (wanted === 'status' ? 0 : WAIT_MS);
  while (
    record.agent !== null &&
    record.agent.enforcement !== 'monitor' &&
    !isDone(record) &&
    performance.now() < end
  ) {
    await delay(LOOK_MS);
    record = look();
  }
  if (json) output.json(record);
  else output.line(sentence(record));
  if (wanted === 'status') return EXIT.fine;
  return isDone(record) ? EXIT.fine : EXIT.findings;
};

const HELP = `
An agent that runs with --enforce looks at its audit log's folder five times a second. "off" has it deny and kill nothing from then
on: rules go on to alert, and the audit log says of every attempt that it was switched off. What was asked for holds for the next agent
on that folder too. Both switchings are in the audit log.

Exit codes: 0 done, or how it stands was said; 1 no agent that enforces runs there; 2 wrong usage; 3 the folder can't be written.

Examples:
  shrike enforce off --audit /var/lib/shrike/audit
  shrike enforce status --audit /var/lib/shrike/audit --json
  shrike enforce on --audit /var/lib/shrike/audit
`;

export const addEnforce = (program: Command): void => {
  program
    .command('enforce')
    .summary('switch the enforcement of a running agent off or on')
    .description('Switch the enforcement of a running agent off or on, at once, or say how it stands.')
    .argument('<what>', 'off, on or status')
    .addOption(new Option('--audit <folder>', "the agent's --audit folder").makeOptionMandatory())
    .option('--json', 'one JSON object')
    .addHelpText('after', HELP)
    .action(async (what: string, options: EnforceOptions) => {
      if (what !== 'on' && what !== 'off' && what !== 'status')
        throw new CliError(`expected off, on or status, not "${what}"`, EXIT.usage);
      process.exitCode = await enforce(what, options, openStdout());
    });
};

import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Alert, checkEvidence, escapeControl, evidenceIn, parseAlert, parseLogKey } from '../alerts/index.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { type Output, openStdout } from './output.ts';

interface CheckOptions {
  readonly key?: string;
  readonly json?: boolean;
}

/** The alert in a line: itself, or the body of an audit log's entry. */
const alertIn = (line: string): Alert | undefined => {
  try {
    const record = JSON.parse(line) as { kind?: unknown; body?: unknown };
    const parsed = parseAlert(record.kind === 'alert' ? JSON.stringify(record.body) : line);
    return 'alert' in parsed ? parsed.alert : undefined;
  } catch {
    return undefined;
  }
};

interface Checked {
  readonly holds: boolean;
  readonly sentence: string;
}

const check = (alert: Alert, wanted: string | undefined): Checked => {
  const evidence = evidenceIn(alert);
  if (evidence === undefined)
    return { holds: true, sentence: 'nothing is signed of it: it rests on what the witness saw, or did not see' };
  if (wanted !== undefined && evidence.key !== wanted && evidence.offeredKey !== wanted)
    return { holds: false, sentence: `its evidence is of the key ${evidence.key}, not of the one that was given` };
  try {
    const proven = checkEvidence(evidence, parseLogKey(evidence.key), parseLogKey(evidence.offeredKey));
    return proven === undefined
      ? { holds: false, sentence: 'its checkpoints are signed, but do not exclude each other' }
      : {
          holds: true,
          sentence: `proved: ${proven.sentence}, by the ${evidence.key === evidence.offeredKey ? `key ${evidence.key}` : `keys ${evidence.key} and ${evidence.offeredKey}`}`,
        };
  } catch (error) {
    return { holds: false, sentence: messageOf(error) };
  }
};

/** Checks the evidence of a witness's alarms by themselves. @param text alerts, one a line */
export const witnessCheck = (text: string, { key, json }: CheckOptions, output: Output): ExitCode => {
  let wanted: string | undefined;
  try {
    if (key !== undefined) wanted = parseLogKey(existsSync(key) ? readFileSync(key, 'utf8') : key).text;
  } catch (error) {
    throw new CliError(`--key ${key}: ${messageOf(error)}`, EXIT.usage);
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const alarms = lines.map(alertIn).filter((alert) => alert?.event === 'witness');
  if (alarms.length === 0)
    throw new CliError(
      'no alarm of a witness is in there: expected alerts as "shrike alerts --json" prints them, or the lines of STATE/alarms',
      EXIT.usage,
    );
  let code: ExitCode = EXIT.fine;
  for (const alert of alarms) {
    if (alert === undefined) continue;
    const { holds, sentence } = check(alert, wanted);
    if (!holds) code = EXIT.findings;
    const origin = alert.fields['log.origin'];
    if (json) output.json({ type: 'evidence', id: alert.id, rule: alert.rule, origin, holds, sentence });
    else
      output.line(
        `${escapeControl(alert.id)} ${alert.rule}: ${holds ? '' : output.paint.red('does not hold: ')}${escapeControl(sentence)}`,
      );
  }
  return code;
};

const HELP = `
Needs neither the witness nor the log: an alarm of a fork or a cut carries two checkpoints that the log's own key signed and that exclude
each other. Take the log's key from somewhere you trust (--key log.pub), or compare the one that is printed.

Exit codes: 0 all evidence holds, 1 some does not, 2 wrong usage, or no alarm in there.
`;

export const addWitnessCheck = (witness: Command): void => {
  witness
    .command('check')
    .description("whether the evidence of a witness's alarms holds")
    .helpOption('-h, --help', 'print help')
    .argument('[file]', 'alerts, one a line: of "shrike alerts --json", or STATE/alarms/audit-*.jsonl (default: stdin)')
    .option('--key <key>', "the log's public key, or the file of it: evidence of another does not count")
    .option('--json', 'one JSON object a line: a record for each alarm')
    .addHelpText('after', HELP)
    .action((file: string | undefined, options: CheckOptions) => {
      let text: string;
      try {
        text = readFileSync(file ?? 0, 'utf8');
      } catch (error) {
        throw new CliError(messageOf(error), EXIT.usage);
      }
      process.exitCode = witnessCheck(text, options, openStdout());
    });
};

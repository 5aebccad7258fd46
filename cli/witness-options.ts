import { existsSync, readFileSync } from 'node:fs';
import { Option } from 'commander';
import { parseWitnessKey, type Verifier } from '../alerts/index.ts';
import { seconds } from './arguments.ts';
import { CliError, EXIT, messageOf } from './exit.ts';

/** Who cosigns the audit log, as options of a command that writes one. */
export interface WitnessedOptions {
  readonly nats?: string;
  readonly audit?: string;
  readonly witness?: string;
  /** Milliseconds. */
  readonly witnessInterval?: number;
}

export const witnessedOptions = (): readonly Option[] => [
  new Option(
    '--witness <key>',
    'show the audit log\'s checkpoints to this witness ("shrike witness"): its public key, or the file of it',
  ),
  new Option(
    '--witness-interval <time>',
    'how often its checkpoint is shown, as "shrike witness --interval" expects it (default: 10s)',
  ).argParser(seconds),
];

/** The witness's key and how often; undefined where none is given. @throws CliError */
export const witnessOf = ({
  nats,
  audit,
  witness,
  witnessInterval,
}: WitnessedOptions): { readonly key: Verifier; readonly intervalMs?: number } | undefined => {
  if (witness === undefined) {
    if (witnessInterval !== undefined) throw new CliError('--witness-interval is for --witness', EXIT.usage);
    return undefined;
  }
  if (nats === undefined) throw new CliError('--witness is for --nats, by which the witness is reached', EXIT.usage);
  if (audit === undefined)
    throw new CliError(
      '--witness needs --audit: a log that goes on from run to run, in a folder of its own',
      EXIT.usage,
    );
  try {
    const text = existsSync(witness) ? readFileSync(witness, 'utf8') : witness;
    return { key: parseWitnessKey(text), ...(witnessInterval !== undefined && { intervalMs: witnessInterval }) };
  } catch (error) {
    throw new CliError(`--witness ${witness}: ${messageOf(error)}`, EXIT.usage);
  }
};

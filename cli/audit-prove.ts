import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { currentKey, keysOf, type Proof, proveEntry, proveGrowth } from '../alerts/index.ts';
import { wholeNumber } from './arguments.ts';
import { chosenAuditFolder } from './audit-folder.ts';
import { keptCheckpoint, keyOption, logFolder, trustedKey } from './audit-key.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { count } from './paint.ts';

interface ProveOptions {
  readonly seq?: number;
  readonly fromSize?: number;
  readonly checkpoint?: string;
  readonly key?: string;
  readonly out?: string;
}

const prove = async (folder: string, { seq, fromSize, checkpoint, ...options }: ProveOptions): Promise<Proof> => {
  if ([seq, fromSize, checkpoint].filter((each) => each !== undefined).length !== 1)
    throw new CliError(
      'give one of --seq (an entry is in the log), --from-size and --checkpoint (the log has only grown)',
      EXIT.usage,
    );
  const { key: trusted } = trustedKey(folder, options.key);
  const { key } = currentKey(folder, trusted);
  if (seq !== undefined) return proveEntry(folder, seq, key);
  return proveGrowth(
    folder,
    checkpoint === undefined ? (fromSize ?? 0) : keptCheckpoint(checkpoint, keysOf(folder, key)),
    key,
  );
};

const HELP = `
The proof is one text that needs no log to be checked: "shrike audit check-proof FILE --key KEY", or any program that knows C2SP's
tlog-proof (of an entry; the entry's line is in it, as "extra"). Of growth it is the same with "from" in place of "index".
An entry of an alert's id web-1-4711 is --seq 4711.

Exit codes: 0 proved, 1 the log is not what was signed, 2 wrong usage or input.

Examples:
  shrike audit prove /var/lib/shrike/audit --seq 4711 --out alert-4711.tlog-proof
  shrike audit prove /var/lib/shrike/audit --checkpoint monday.checkpoint --out since-monday.proof
`;

/** `shrike audit prove` */
export const addAuditProve = (audit: Command): void => {
  audit
    .command('prove')
    .summary('a proof that an entry is in a log, or that the log has only grown')
    .description(
      'Write a proof that an entry is in an audit log, or that the log has only grown from an earlier state.',
    )
    .argument('[folder]', "the log's folder (default: that of the newest run without --audit)")
    .addOption(new Option('--seq <number>', 'the entry that is in the log').argParser(wholeNumber(1)))
    .addOption(new Option('--from-size <entries>', 'the log has grown from so many entries').argParser(wholeNumber(0)))
    .option('--checkpoint <file>', 'the log has grown from this checkpoint, which was kept')
    .addOption(keyOption())
    .option('--out <file>', 'where the proof is written (default: stdout)')
    .addHelpText('after', HELP)
    .action(async (given: string | undefined, options: ProveOptions) => {
      const folder = logFolder(chosenAuditFolder(given));
      let proof: Proof;
      try {
        proof = await prove(folder, options);
      } catch (error) {
        throw error instanceof CliError ? error : new CliError(messageOf(error), EXIT.findings);
      }
      if (options.out === undefined) {
        process.stdout.write(proof.text);
        return;
      }
      try {
        writeFileSync(options.out, proof.text);
      } catch (error) {
        throw new CliError(`${options.out} can't be written: ${messageOf(error)}`, EXIT.environment);
      }
      const { origin, size } = proof.checkpoint;
      process.stderr.write(`${options.out}: by the checkpoint of ${count(size, 'entry', 'entries')} of ${origin}\n`);
    });
};

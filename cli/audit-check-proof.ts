import type { Command } from 'commander';
import { checkProof, cosignedAt, escapeControl, ProofError, type Shown } from '../alerts/index.ts';
import { cosignedText, keptCheckpoint, keyOf, textIn, witnessOf } from './audit-key.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';

interface CheckProofOptions {
  readonly key: string;
  readonly before?: string;
  readonly witness?: readonly string[];
  readonly json?: boolean;
}

const jsonOf = (shown: Shown): object => {
  const { checkpoint, kind } = shown;
  const about = { type: 'proof', kind, ok: true, origin: checkpoint.origin, size: checkpoint.size };
  if (shown.kind === 'growth')
    return { ...about, from: shown.from, fromRoot: Buffer.from(shown.fromRoot).toString('base64') };
  const { v, seq, time, kind: entryKind, body } = shown.entry;
  return { ...about, entry: { v, seq, time, kind: entryKind, body } };
};

const print = (shown: Shown, before: string | undefined, output: Output): void => {
  const { checkpoint } = shown;
  const { paint } = output;
  const log = `the log ${checkpoint.origin} of ${count(checkpoint.size, 'entry', 'entries')}`;
  if (shown.kind === 'inclusion') {
    output.line(paint.green(`Entry ${shown.entry.seq} is in ${log}:`));
    output.line(escapeControl(shown.line));
    return;
  }
  output.line(paint.green(`Nothing of the first ${count(shown.from, 'entry', 'entries')} was changed in ${log}.`));
  if (before === undefined)
    output.line(
      paint.dim(
        `their root was ${Buffer.from(shown.fromRoot).toString('base64')}: compare it with a checkpoint that was kept (--before)`,
      ),
    );
};

const HELP = `
Nothing but the proof and the key is needed: no log, no network. The key should come from elsewhere than the proof.

Exit codes: 0 it holds, 1 it does not, 2 wrong usage, or no proof at all.

Examples:
  shrike audit check-proof alert-4711.tlog-proof --key web-1.pub
  shrike audit check-proof since-monday.proof --key web-1.pub --before monday.checkpoint --witness witness.pub
`;

/** `shrike audit check-proof` */
export const addAuditCheckProof = (audit: Command): void => {
  audit
    .command('check-proof')
    .summary('whether a proof holds, without the log')
    .description('Check a proof that "shrike audit prove" wrote, with nothing but the public key of the log.')
    .argument('<file>', 'the proof')
    .requiredOption('--key <key>', "the log's public key, or a file that has it")
    .option('--before <file>', 'of growth: the checkpoint that was kept, from which the proof must begin')
    .option('--witness <keys...>', 'public keys, or files of them, of witnesses that must have cosigned the checkpoint')
    .option('--json', 'one JSON object')
    .addHelpText('after', HELP)
    .action((file: string, options: CheckProofOptions) => {
      const output = openStdout();
      const key = keyOf(options.key);
      const before = options.before === undefined ? undefined : keptCheckpoint(options.before, [key]);
      let shown: Shown;
      try {
        shown = checkProof(textIn(file), key, before);
      } catch (error) {
        if (error instanceof CliError) throw error;
        throw new CliError(`${file}: ${messageOf(error)}`, error instanceof ProofError ? EXIT.findings : EXIT.usage);
      }
      const witnesses = (options.witness ?? []).map((given) => {
        const witness = witnessOf(given);
        const at = cosignedAt(shown.checkpoint, witness);
        if (at === undefined)
          throw new CliError(`${file}: the checkpoint has no cosignature of ${witness.name}`, EXIT.findings);
        return { name: witness.name, at };
      });
      if (options.json) {
        output.json({ ...jsonOf(shown), witnesses });
        return;
      }
      print(shown, options.before, output);
      for (const { name, at } of witnesses) output.line(`cosigned by ${name}, ${cosignedText(at)}`);
    });
};

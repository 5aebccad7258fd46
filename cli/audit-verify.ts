import type { Command } from 'commander';
import {
  type AuditVerification,
  cosignedAt,
  currentKey,
  type FoundCheckpoint,
  keysOf,
  type Verifier,
  verifyAuditLog,
} from '../alerts/index.ts';
import { chosenAuditFolder } from './audit-folder.ts';
import { cosignedText, keptCheckpoint, keyOption, logFolder, OWN_KEY, trustedKey, witnessOf } from './audit-key.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';
import { createProgress } from './progress.ts';

interface VerifyOptions {
  readonly key?: string;
  readonly before?: readonly string[];
  readonly sinceCheckpoint?: string;
  readonly witness?: readonly string[];
  readonly json?: boolean;
}

/** What a witness says of the newest checkpoint. */
interface Witnessed {
  readonly name: string;
  /** Seconds since 1970; undefined where it has not cosigned. */
  readonly at: number | undefined;
}

interface Result {
  readonly folder: string;
  readonly verification: AuditVerification;
  readonly key: Verifier;
  readonly isOwnKey: boolean;
  /** Entries by which the key was changed since the one that was given. */
  readonly rotations: readonly number[];
  readonly since: FoundCheckpoint | undefined;
  readonly witnesses: readonly Witnessed[];
}

const check = async (folder: string, options: VerifyOptions): Promise<Result> => {
  const { key: trusted, isOwn } = trustedKey(folder, options.key);
  let found: ReturnType<typeof currentKey> = { key: trusted, by: [] };
  try {
    found = currentKey(folder, trusted);
  } catch {
    // What is wrong with the checkpoint is a finding.
  }
  const { key, by } = found;
  const keys = keysOf(folder, key);
  const since = options.sinceCheckpoint === undefined ? undefined : keptCheckpoint(options.sinceCheckpoint, keys);
  const kept = (options.before ?? []).map((path) => keptCheckpoint(path, keys));
  const before = [...kept, ...by.map(({ checkpoint }) => checkpoint), ...(since === undefined ? [] : [since])];
  const progress = createProgress();
  try {
    const verification = await verifyAuditLog({
      folder,
      key,
      before,
      ...(since && { from: since.size + 1 }),
      onProgress: (done, all) => progress.say(`verifying ${folder}: ${Math.floor((100 * done) / Math.max(1, all))} %`),
    });
    const { checkpoint } = verification;
    const witnesses = (options.witness ?? []).map((given) => {
      const witness = witnessOf(given);
      return { name: witness.name, at: checkpoint && cosignedAt(checkpoint, witness) };
    });
    const rotations = by.map(({ seq }) => seq);
    return { folder, verification, key, isOwnKey: isOwn, rotations, since, witnesses };
  } finally {
    progress.clear();
  }
};

const unwitnessed = ({ witnesses }: Result): readonly string[] =>
  witnesses
    .filter(({ at }) => at === undefined)
    .map(({ name }) => `the newest checkpoint has no cosignature of ${name}`);

const messagesOf = (result: Result): readonly string[] => [
  ...result.verification.findings.map(({ message }) => message),
  ...unwitnessed(result),
];

const print = (result: Result, output: Output): void => {
  const { verification, key, rotations, since, witnesses, isOwnKey } = result;
  const { checkpoint, verified, firstKept, unsigned } = verification;
  const { paint } = output;
  const messages = messagesOf(result);
  for (const message of messages) output.line(`${paint.red('✗')} ${message}`);
  if (checkpoint !== undefined) {
    output.line(`log        ${checkpoint.origin}, ${count(checkpoint.size, 'entry', 'entries')} signed`);
    output.line(`key        ${key.text}`);
    const from = since === undefined ? '' : `, since the checkpoint of ${count(since.size, 'entry', 'entries')}`;
    output.line(`verified   ${count(verified, 'entry', 'entries')}${from}`);
    if (firstKept > 1)
      output.line(`removed    entries 1 to ${firstKept - 1}; their hashes are kept, and the log says when they went`);
    if (unsigned > 0)
      output.line(
        `unsigned   ${count(unsigned, 'entry', 'entries')} behind the checkpoint: nothing is known of them yet`,
      );
    for (const seq of rotations)
      output.line(`rotated    the key was changed by entry ${seq}, which the key before signed`);
    for (const { name, at } of witnesses)
      if (at !== undefined) output.line(`witnessed  by ${name}, ${cosignedText(at)}`);
  }
  if (messages.length > 0)
    output.line(paint.red(`The log is not what was signed: ${count(messages.length, 'finding')}.`));
  else output.line(paint.green('The log is what was signed.'));
  if (isOwnKey) output.line(paint.dim(OWN_KEY));
};

const printJson = (result: Result, output: Output): void => {
  const { folder, verification, key, isOwnKey, rotations, since, witnesses } = result;
  const { checkpoint, verified, firstKept, unsigned, findings } = verification;
  for (const finding of findings) output.json({ type: 'finding', ...finding });
  for (const message of unwitnessed(result)) output.json({ type: 'finding', code: 'unwitnessed', message });
  output.json({
    type: 'summary',
    folder,
    ok: messagesOf(result).length === 0,
    ...(checkpoint && {
      origin: checkpoint.origin,
      size: checkpoint.size,
      root: Buffer.from(checkpoint.root).toString('base64'),
    }),
    key: key.text,
    ownKey: isOwnKey,
    verified,
    firstKept,
    unsigned,
    ...(since && { since: since.size }),
    rotations,
    witnesses: witnesses.map(({ name, at }) => ({ name, at: at ?? null })),
    findings: messagesOf(result).length,
  });
};

const HELP = `
Every line that is kept is hashed and compared with what the log's checkpoint signs, through the tiles in the log's folder. What is
found names the first entry that is wrong, or the range that is missing. Nothing is changed; the log may be one that is being written,
a copy without the private key, or read-only.

A log that was rewritten as a whole and signed with the right key is told from the old one only by who has seen it before: --before
takes checkpoints that were kept elsewhere (copies of the file "checkpoint"), and --witness the key of one who cosigns them.
--since-checkpoint does the same with one and reads only what came after it. --key follows the log's rotations of its key.

Exit codes: 0 the log is what was signed, 1 it is not, 2 wrong usage or input.

Examples:
  shrike audit verify /var/lib/shrike/audit --key web-1.pub
  shrike audit verify copy/ --key web-1.pub --before monday.checkpoint tuesday.checkpoint --witness witness.pub
  shrike audit verify /var/lib/shrike/audit --key web-1.pub --since-checkpoint yesterday.checkpoint --json
`;

/** `shrike audit verify` */
export const addAuditVerify = (audit: Command): void => {
  audit
    .command('verify')
    .summary('whether a log is what was signed')
    .description(
      'Check every line of an audit log against what was signed, and name the first that is wrong or missing.',
    )
    .argument('[folder]', "the log's folder (default: that of the newest run without --audit)")
    .addOption(keyOption())
    .option('--before <files...>', 'checkpoints that were kept elsewhere: the log must have grown from each')
    .option('--since-checkpoint <file>', 'the same with one, and only what came after it is read')
    .option(
      '--witness <keys...>',
      'public keys, or files of them, of witnesses that must have cosigned the newest checkpoint',
    )
    .option('--json', 'one JSON object a line: findings, then a summary')
    .addHelpText('after', HELP)
    .action(async (given: string | undefined, options: VerifyOptions) => {
      const folder = logFolder(chosenAuditFolder(given));
      const output = openStdout();
      let result: Result;
      try {
        result = await check(folder, options);
      } catch (error) {
        throw error instanceof CliError ? error : new CliError(messageOf(error), EXIT.usage);
      }
      (options.json ? printJson : print)(result, output);
      const code: ExitCode = messagesOf(result).length > 0 ? EXIT.findings : EXIT.fine;
      process.exitCode = code;
    });
};

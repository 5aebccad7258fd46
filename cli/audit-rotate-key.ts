import type { Command } from 'commander';
import { type Rotated, rotateLogKey } from '../alerts/index.ts';
import { logFolder } from './audit-key.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { openStdout } from './output.ts';

const HELP = `
The agent must not run. The old key signs a last entry that names the new one, and from then on the new one signs; the file
rotated-<entry>.tlog-proof proves it, so that "shrike audit verify --key OLD" follows. The old key's file is replaced.

Hand the new public key (log.pub) to witnesses and to whoever verifies. If the old key was stolen, verify with the new one from then
on, and with checkpoints that were kept, or a witness: what a thief can do is in docs/audit.md.

Exit codes: 0 done, 2 no such folder, 3 it has no log, an agent has it, or it is not what was signed.

Examples:
  shrike audit rotate-key /var/lib/shrike/audit
`;

/** `shrike audit rotate-key` */
export const addAuditRotateKey = (audit: Command): void => {
  audit
    .command('rotate-key')
    .summary("give a log a new key, which the old one's last entry names")
    .description(
      'Give an audit log a new key. It is the only command here that writes to the log: one entry, which the old key signs.',
    )
    .argument('<folder>', "the log's folder")
    .option('--json', 'one JSON object')
    .addHelpText('after', HELP)
    .action(async (given: string, { json = false }: { readonly json?: boolean }) => {
      const folder = logFolder(given);
      const output = openStdout();
      let rotated: Rotated;
      try {
        rotated = await rotateLogKey(folder, (sentence) => void process.stderr.write(`shrike: ${sentence}\n`));
      } catch (error) {
        throw new CliError(messageOf(error), EXIT.environment);
      }
      const { from, to, seq, proof } = rotated;
      if (json) {
        output.json({ type: 'rotation', seq, from: from.text, to: to.text, proof });
        return;
      }
      output.line(`The key of ${to.name} was changed by entry ${seq}; ${proof} proves it.`);
      output.line(`old  ${from.text}`);
      output.line(`new  ${to.text}`);
    });
};

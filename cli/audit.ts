import type { Command } from 'commander';
import { addAuditQuery } from './audit-query.ts';

/** What adds a subcommand of `shrike audit`. */
type AddSubcommand = (audit: Command) => void;

/** In the order of the help, each in a module of its own. */
const SUBCOMMANDS: readonly AddSubcommand[] = [addAuditQuery];

const HELP = `
Nothing here changes the log. Its folder is the one that "shrike run --audit" names.
`;

/** `shrike audit` and its subcommands. */
export const addAudit = (program: Command): void => {
  const audit = program
    .command('audit')
    .description('what an audit log holds, and whether anybody changed it')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', HELP);
  for (const add of SUBCOMMANDS) add(audit);
};

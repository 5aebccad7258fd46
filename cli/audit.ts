import type { Command } from 'commander';
import { addAuditCheckProof } from './audit-check-proof.ts';
import { addAuditProve } from './audit-prove.ts';
import { addAuditQuery } from './audit-query.ts';
import { addAuditReport } from './audit-report.ts';
import { addAuditRotateKey } from './audit-rotate-key.ts';
import { addAuditShow } from './audit-show.ts';
import { addAuditVerify } from './audit-verify.ts';

/** What adds a subcommand of `shrike audit`. */
type AddSubcommand = (audit: Command) => void;

/** In the order of the help, each in a module of its own. */
const SUBCOMMANDS: readonly AddSubcommand[] = [
  addAuditVerify,
  addAuditProve,
  addAuditCheckProof,
  addAuditRotateKey,
  addAuditQuery,
  addAuditReport,
  addAuditShow,
];

const HELP = `
Nothing here but rotate-key changes the log. Its folder is the one that "shrike run --audit" names.
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

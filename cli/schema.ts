import type { Command } from 'commander';
import { policyJsonSchema } from '../policies/index.ts';
import { openStdout } from './output.ts';

const HELP = `
JSON Schema, draft 2020-12, of policy files: Shrike's own and Falco's. Editors check and complete files with it; with the YAML language
server a first line in a policy names the schema's file:
  # yaml-language-server: $schema=policy.schema.json

What a schema can't say, conditions above all, "shrike check" does.

Examples:
  shrike schema > policy.schema.json
`;

export const addSchema = (program: Command): void => {
  program
    .command('schema')
    .summary('the JSON Schema of policy files, for editors')
    .description('Print the JSON Schema of policy files, for editors.')
    .addHelpText('after', HELP)
    .action(() => {
      openStdout().line(JSON.stringify(policyJsonSchema(), undefined, 2));
    });
};

import { Argument, type Command } from 'commander';
import { policyJsonSchema } from '../policies/index.ts';
import { scenarioJsonSchema } from '../sensors/index.ts';
import { openStdout } from './output.ts';

const HELP = `
JSON Schema, draft 2020-12, of policy files (Shrike's own and Falco's), or of scenario files. Editors check and complete files with it;
with the YAML language server a first line in a file names the schema's file:
  # yaml-language-server: $schema=policy.schema.json

What a schema can't say, conditions above all, "shrike check" does; of scenarios "shrike scenarios show".

Examples:
  shrike schema > policy.schema.json
  shrike schema scenario > scenario.schema.json
`;

const SCHEMAS = { policy: policyJsonSchema, scenario: scenarioJsonSchema } as const;

export const addSchema = (program: Command): void => {
  program
    .command('schema')
    .summary('the JSON Schema of policy or scenario files, for editors')
    .description('Print the JSON Schema of policy or scenario files, for editors.')
    .addArgument(new Argument('[kind]', 'of which files').choices(Object.keys(SCHEMAS)).default('policy'))
    .addHelpText('after', HELP)
    .action((kind: keyof typeof SCHEMAS) => {
      openStdout().line(JSON.stringify(SCHEMAS[kind](), undefined, 2));
    });
};

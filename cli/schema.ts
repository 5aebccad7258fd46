import { Argument, type Command } from 'commander';
import { alertJsonSchema, auditJsonSchema } from '../alerts/index.ts';
import { policyJsonSchema } from '../policies/index.ts';
import { scenarioJsonSchema } from '../sensors/index.ts';
import { openStdout } from './output.ts';

const HELP = `
JSON Schema, draft 2020-12, of policy files (Shrike's own and Falco's), of scenario files, of alerts as they are published, or of
entries of the audit log. Editors check and complete files with it; with the YAML language server a first line in a file names the
schema's file:
  # yaml-language-server: $schema=policy.schema.json

What a schema can't say, conditions above all, "shrike check" does; of scenarios "shrike scenarios show".

Examples:
  shrike schema > policy.schema.json
  shrike schema scenario > scenario.schema.json
  shrike schema alert > alert.schema.json
`;

const SCHEMAS = {
  policy: policyJsonSchema,
  scenario: scenarioJsonSchema,
  alert: alertJsonSchema,
  audit: auditJsonSchema,
} as const;

export const addSchema = (program: Command): void => {
  program
    .command('schema')
    .summary('the JSON Schema of policies, scenarios, alerts or the audit log')
    .description('Print the JSON Schema of policy files, scenario files, alerts or entries of the audit log.')
    .addArgument(new Argument('[kind]', 'of what').choices(Object.keys(SCHEMAS)).default('policy'))
    .addHelpText('after', HELP)
    .action((kind: keyof typeof SCHEMAS) => {
      openStdout().line(JSON.stringify(SCHEMAS[kind](), undefined, 2));
    });
};

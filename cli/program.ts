import { Command } from 'commander';
import { version } from './package.ts';

/** The subcommands in the order of the help, each in a module of its own, so that only the one that is asked for is read. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  run: async () => (await import('./run.ts')).addRun,
  watch: async () => (await import('./watch.ts')).addWatch,
  check: async () => (await import('./check.ts')).addCheck,
  explain: async () => (await import('./explain.ts')).addExplain,
  preview: async () => (await import('./preview.ts')).addPreview,
  schema: async () => (await import('./schema.ts')).addSchema,
  enforce: async () => (await import('./enforce.ts')).addEnforce,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  test: async () => (await import('./test.ts')).addTest,
  fmt: async () => (await import('./fmt.ts')).addFmt,
  alerts: async () => (await import('./alerts.ts')).addAlerts,
  audit: async () => (await import('./audit.ts')).addAudit,
  witness: async () => (await import('./witness.ts')).addWitness,
  'nats-config': async () => (await import('./nats-config.ts')).addNatsConfig,
  scenarios: async () => (await import('./scenarios.ts')).addScenarios,
  bpf: async () => (await import('./bpf.ts')).addBpf,
};

const HELP = `
Results go to stdout, with --json as one JSON object a line; the agent's log and messages go to stderr. Colours only on a terminal,
and not where NO_COLOR is set.

Exit codes: 0 fine, 1 findings (errors in policies, failed tests), 2 wrong usage or input, 3 something is missing on this machine.

Examples:
  shrike run                                        a simulated intrusion under the shipped policies
  shrike run --sensor replay --input app.strace     a recording made with "strace -f -ttt -yy -o app.strace app"
  shrike watch -- npm install                       what a command does, in the running kernel
  shrike check policies/library                     what is wrong with policies, and where predicates are decided
  shrike explain credential-files                   a policy's hooks, split, trust and eBPF
  shrike test policies/library                      the tests that policies carry, and what they cover
  shrike fmt policies                               policy files in their normal form
  shrike schema > policy.schema.json                the JSON Schema of policy files, for editors
  shrike audit show --tree 22                       what became of the process that an entry of the audit log is about
  shrike doctor                                     what this kernel allows, and what is missing for policies
  shrike nats-config wire --host web-1 --subscriber soc
                                                    a NATS server's configuration, with the keys of hosts and readers
  shrike witness --state FOLDER --keys PATH         on another host: cosigns audit logs, and alarms where one is rewritten
  shrike bpf verify object.o                        whether an object's eBPF programs are safe, and why not
`;

/** The `shrike` command: with one subcommand where it is known which is asked for, else with all of them. */
export const createProgram = async (asked?: string): Promise<Command> => {
  const program = new Command('shrike')
    .description('Runtime security for Linux: policies compiled to eBPF, alerts over NATS, an audit log on disk.')
    .version(version(), '-V, --version', "print Shrike's version")
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ helpWidth: 120 })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'shrike: ')) })
    .addHelpText('after', HELP);
  const only = asked !== undefined && Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
  for (const load of only === undefined ? Object.values(COMMANDS) : [only]) (await load())(program);
  return program;
};

import { Command } from 'commander';
import { addAlerts } from './alerts.ts';
import { addBpf } from './bpf.ts';
import { addCheck } from './check.ts';
import { addDoctor } from './doctor.ts';
import { addExplain } from './explain.ts';
import { addFmt } from './fmt.ts';
import { version } from './package.ts';
import { addRun } from './run.ts';
import { addScenarios } from './scenarios.ts';
import { addTest } from './test.ts';
import { addWatch } from './watch.ts';

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
  shrike doctor                                     what this kernel allows, and what is missing for policies
  shrike bpf verify object.o                        whether an object's eBPF programs are safe, and why not
`;

/** The `shrike` command with all its subcommands. */
export const createProgram = (): Command => {
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
  addRun(program);
  addWatch(program);
  addCheck(program);
  addExplain(program);
  addDoctor(program);
  addTest(program);
  addFmt(program);
  addAlerts(program);
  addScenarios(program);
  addBpf(program);
  return program;
};

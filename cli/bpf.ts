import { type Command, Option } from 'commander';
import { wholeNumber } from './arguments.ts';
import { type AsmOptions, asm } from './bpf-asm.ts';
import { type DisasmOptions, disasm } from './bpf-disasm.ts';
import { ENGINES } from './bpf-engines.ts';
import { readInput } from './bpf-input.ts';
import { inspect } from './bpf-inspect.ts';
import { type RunOptions, runProgram } from './bpf-run.ts';
import { type VerifyOptions, verifyPrograms } from './bpf-verify.ts';
import { openStdout } from './output.ts';

const HELP = `
The eBPF machine by itself: the instructions of RFC 9669 in the notation of the kernel and of LLVM, the verifier, and three engines.
docs/ebpf.md describes it.

Examples:
  shrike bpf asm program.s | shrike bpf run 0102 --engine jit
  shrike bpf disasm object.o --section xdp
  shrike bpf verify object.o
  shrike bpf inspect object.o --json
`;

const ASM_HELP = `
Reads what "bpftool prog dump xlated", the kernel's verifier and "llvm-objdump -d" print, whole listings included: slot numbers,
opcodes and bytes are compared with the text, comments (;, //, #) and headings are skipped. "name:" is a label that jumps and calls
may name; helpers are called by name. Prints the bytes in hexadecimal, a slot a line.

Exit codes: 0 fine, 2 mistakes in the text, each with line and column.

Examples:
  shrike bpf asm program.s
  shrike bpf asm program.s -o program.bin
  tcpdump -ddd tcp port 80 | shrike bpf asm --classic socket | shrike bpf disasm
`;

const DISASM_HELP = `
Takes instructions as they are or in hexadecimal, assembly (to see it in the kernel's notation), or an ELF object of clang's, whose
programs are shown under their source lines, with maps, kernel functions and CO-RE relocations by name. Fields that RFC 9669 reserves
and that are not zero are told behind the instruction. "shrike bpf asm" reads what comes out of instructions.

Exit codes: 0 fine, 2 no such section or program, or no eBPF.

Examples:
  shrike bpf disasm object.o --section tp_btf/sys_exit
  echo b7 00 00 00 01 00 00 00 95 00 00 00 00 00 00 00 | shrike bpf disasm
`;

const VERIFY_HELP = `
An object's programs are fitted to the kernel's BTF and verified for the hooks that their sections name. Assembly and instructions are
of type isa where nothing else is said: plain memory at r1, its length in r2. The profile "linux" allows what the kernel allows,
"isa" all that RFC 9669 has and that is safe (shifts by the width or more, code that nothing reaches, callx). A refusal gives the
reason, the instruction, the registers, the way there and the source line.

Exit codes: 0 all accepted, 1 a program is refused, 2 wrong usage or input.

Examples:
  shrike bpf verify object.o
  shrike bpf verify object.o --section xdp --level 6.1 --json
  shrike bpf verify program.s --type socket_filter
  shrike bpf verify program.s --memory 64
`;

const RUN_HELP = `
Reads a program's bytes from standard input, in hexadecimal with blanks between them, verifies it (profile "isa") and runs it with r1
at the memory and r2 its length. Prints r0 in hexadecimal. This is the protocol of bpf_conformance, so "shrike bpf run" can be its
plugin. The engine "kernel" loads the program into the running Linux as part of a program of type syscall, and attaches nothing;
what Linux refuses it says with the verifier's log.

With --bench the program runs that many times on the same memory, after a tenth as many to warm up, and {engine, r0, runs, nsPerRun,
compileMs} is printed as JSON; r0 is that of the first run. For the kernel a run is a system call, whose own cost is in it.

Exit codes: 0 fine, 1 the program failed while it ran, 2 no program, or one that is refused, 3 bpf(2) can't be used here.

Examples:
  shrike bpf asm program.s | shrike bpf run 0a0b0c0d
  shrike bpf asm program.s | shrike bpf run --engine kernel
  shrike bpf asm program.s | shrike bpf run --engine jit --bench 100000
`;

const INSPECT_HELP = `
Shows the programs, maps, relocations and BTF of an ELF object as clang writes it. With --json each is an object on a line of its
own: object, program, relocation, map, kconfig, btf.

Exit codes: 0 fine, 2 no ELF object, or a broken one.

Examples:
  shrike bpf inspect object.o
  shrike bpf inspect object.o --json | jq 'select(.type == "map")'
`;

const FILE = 'the file to read; standard input where left out';

/** `shrike bpf` and its subcommands. */
export const addBpf = (program: Command): void => {
  const bpf = program
    .command('bpf')
    .summary('assemble, disassemble, verify, run and inspect eBPF')
    .description('Assemble, disassemble, verify, run and inspect eBPF.')
    .addHelpText('after', HELP);
  bpf
    .command('asm')
    .summary('assemble text to bytes')
    .description("Assemble text in the kernel's or LLVM's notation to bytes.")
    .argument('[file]', FILE)
    .option('-o, --output <file>', 'write the bytes to a file instead')
    .addOption(
      new Option(
        '--classic <kind>',
        'the input is classic BPF: what "tcpdump -ddd" prints, or raw sock_filter',
      ).choices(['socket', 'seccomp']),
    )
    .addHelpText('after', ASM_HELP)
    .action(async (file: string | undefined, options: AsmOptions) => {
      process.exitCode = asm(await readInput(file), options, openStdout());
    });
  bpf
    .command('disasm')
    .summary("show instructions in the kernel's notation")
    .description("Show the instructions of bytes, or of an object's programs, in the kernel's notation.")
    .argument('[file]', FILE)
    .option('--section <name>', "only an object's programs of this section, or of this name")
    .addHelpText('after', DISASM_HELP)
    .action(async (file: string | undefined, options: DisasmOptions) => {
      process.exitCode = disasm(await readInput(file), options, openStdout());
    });
  bpf
    .command('verify')
    .summary('say whether programs are safe, and why not')
    .description('Say whether programs are safe to run, and why not.')
    .argument('[file]', FILE)
    .option(
      '--section <name>',
      "only an object's programs of this section or name; of assembly: the section it would be in",
    )
    .option('--type <type>', 'program type, instead of what the section names: isa, xdp, socket_filter, ...')
    .addOption(
      new Option('--profile <name>', 'what is allowed (default: linux, of type isa: isa)').choices(['linux', 'isa']),
    )
    .addOption(
      new Option('--level <version>', 'refuse what kernels of this version do not have').choices([
        '6.1',
        '6.9',
        '6.12',
      ]),
    )
    .option('--memory <bytes>', 'of type isa: how long the memory at r1 is (default: 0)', wholeNumber(0))
    .option('--btf <file>', "BTF of the kernel to fit to (default: the running kernel's, else the simulated one's)")
    .option('--json', 'one JSON object a program')
    .addHelpText('after', VERIFY_HELP)
    .action(async (file: string | undefined, options: VerifyOptions) => {
      process.exitCode = verifyPrograms(await readInput(file), options, openStdout());
    });
  bpf
    .command('run')
    .summary('verify and run a program on memory')
    .description('Verify a program from standard input and run it on memory.')
    .argument('[memory]', 'bytes at r1, in hexadecimal')
    .addOption(new Option('--engine <name>', 'what runs it').choices(ENGINES).default('interpreter'))
    .option('--bench <runs>', 'how long a run takes, over this many', wholeNumber(1))
    .addHelpText('after', RUN_HELP)
    .action(async (memory: string | undefined, options: RunOptions) => {
      process.exitCode = runProgram(await readInput(undefined), memory, options, openStdout());
    });
  bpf
    .command('inspect')
    .summary("show an object's programs, maps, relocations and BTF")
    .description("Show an ELF object's programs, maps, relocations and BTF.")
    .argument('[file]', FILE)
    .option('--json', 'one JSON object a line')
    .addHelpText('after', INSPECT_HELP)
    .action(async (file: string | undefined, options: { readonly json?: boolean }) => {
      process.exitCode = inspect(await readInput(file), options, openStdout());
    });
};

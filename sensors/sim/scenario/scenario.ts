import type { ExpectedEnforcement } from '../../../policies/index.ts';
import type { Abi, Position } from '../../../rules/index.ts';
import type { ContainerFacts } from '../../containers/index.ts';
import type { SimArgument, Via } from '../sim-host.ts';

/** An IPv4 or IPv6 address with a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A file that is there before anything happens. */
export interface ScenarioFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of an overlay; undefined: the lower one. */
  readonly layer?: 'upper' | 'lower';
}

/** Who a process is, where that is not its parent's. */
export interface Identity {
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly loginuid?: number;
  readonly cwd?: string;
  readonly cgroup?: string;
  readonly tty?: string;
  readonly capabilities?: readonly string[];
  readonly vpid?: number;
}

/** A process that is there before anything happens. */
export interface ScenarioProcess extends Identity {
  /** What steps call it. */
  readonly name: string;
  /** The executable; undefined: the program of that name. */
  readonly path: string | undefined;
  readonly argv: readonly string[] | undefined;
  readonly env: readonly string[] | undefined;
  /** The name of a process before it in the list; undefined: pid 1. */
  readonly parent: string | undefined;
  /** Where it listens. */
  readonly listen: readonly Endpoint[];
  readonly position: Position;
}

/** A host on the network that answers. */
export interface Remote extends Endpoint {
  /** What can be read from each connection. */
  readonly reply: string;
}

/** A connection that waits for a listening process to accept it. */
export interface Incoming {
  readonly from: Endpoint;
  readonly port: number;
  readonly data: string;
  readonly position: Position;
}

/** What the host is before anything happens. */
export interface ScenarioHost {
  readonly files: readonly ScenarioFile[];
  /** Folders that overlays are mounted at. */
  readonly overlays: readonly string[];
  /** Names and paths of programs that are there beside the usual ones. */
  readonly programs: readonly string[];
  readonly processes: readonly ScenarioProcess[];
  readonly remotes: readonly Remote[];
  readonly incoming: readonly Incoming[];
  /** What a runtime says of containers. */
  readonly containers: readonly ContainerFacts[];
}

/**
 * An argument of a step's call: what the call gets as it stands, an open file by the name a step gave it (`file`, `socket`, a
 * path, a memfd's name), or a process by name.
 */
export type StepArgument =
  | { readonly kind: 'literal'; readonly value: SimArgument }
  | { readonly kind: 'descriptor'; readonly name: string }
  | { readonly kind: 'process'; readonly name: string };

/** What a step executes: a path, the name of a program, or what lies behind an open file. */
export type Program =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'descriptor'; readonly name: string };

/** What a step does. */
export type Action =
  | {
      readonly kind: 'exec';
      readonly program: Program;
      readonly argv: readonly string[];
      /** Undefined: the parent's. */
      readonly env: readonly string[] | undefined;
      /** What the new process is from the first, without a call of its own. */
      readonly identity: Identity;
    }
  | { readonly kind: 'wait'; readonly ns: number }
  /** Somebody switches enforcement. */
  | { readonly kind: 'switch'; readonly isOff: boolean }
  /** The agent stops doing anything, or goes on. */
  | { readonly kind: 'agent'; readonly hangs: boolean }
  | {
      readonly kind: 'accept';
      readonly call: string;
      readonly from: Endpoint | undefined;
      readonly data: string;
      readonly arguments: readonly StepArgument[];
    }
  | {
      readonly kind: 'call';
      readonly call: string;
      readonly arguments: readonly StepArgument[];
      /** Type of the socket (SOCK_STREAM) that is made first. */
      readonly newSocket: number | undefined;
    };

/** What a step's call must come to. */
export type Expectation =
  | { readonly kind: 'errno'; readonly errno: number }
  | { readonly kind: 'result'; readonly operator: '=' | '!=' | '<' | '<=' | '>' | '>='; readonly value: number };

/** Of a step that is played several times: which time it is. */
export interface Round {
  /** From 1. */
  readonly index: number;
  readonly times: number;
  /** Nanoseconds between two times. */
  readonly everyNs: number;
}

/** One thing that happens. */
export interface Step {
  /** From 1. */
  readonly number: number;
  /** The step as people read it: `openat /etc/shadow O_RDONLY`. */
  readonly text: string;
  /** What begins here, for people who watch. */
  readonly note: string | undefined;
  readonly action: Action;
  /** Undefined: it is played once. */
  readonly round: Round | undefined;
  /** The process that acts; undefined where none does. */
  readonly by: string | undefined;
  /** What the process that the step starts is called from then on. */
  readonly as: string | undefined;
  readonly abi: Abi;
  /** Undefined: a system call. */
  readonly via: Via | undefined;
  /** Undefined: the call must not fail. */
  readonly expect: Expectation | undefined;
  readonly position: Position;
}

/** What a scenario's file says of the rules that it names anywhere; of all others it says nothing. */
export interface Expected {
  /** Rules that are raised, once or more often. */
  readonly raised: readonly string[];
  /** Rules that the file names, for the scenario or one of its variants: those that are not to be raised here are not. */
  readonly named: readonly string[];
}

/** What a scenario is about that shows how policies are enforced. */
export interface ScenarioEnforcement {
  /** Files of the policies that it is played under, which enforce. */
  readonly policies: readonly string[];
  /** How often one executable may be killed in one cgroup; undefined: the agent's default. */
  readonly budget: { readonly kills: number; readonly periodMs: number } | undefined;
  /** Paths of executables that are never denied or killed. */
  readonly protect: readonly string[];
}

/** An intrusion, or a quiet day, in a file. */
export interface Scenario {
  /** That of a variant begins with its scenario's: `webshell/refused`. */
  readonly name: string;
  readonly description: string;
  /** Undefined: nothing is said of rules. */
  readonly expected: Expected | undefined;
  /** Undefined: it is played under any policies, which enforce where somebody says so. */
  readonly enforcement: ScenarioEnforcement | undefined;
  /** Audit records of the kind `enforcement` under these policies, in their order; undefined: nothing is said of them. */
  readonly enforced: readonly ExpectedEnforcement[] | undefined;
  /** The same with one thing changed each; a variant has none. */
  readonly variants: readonly Scenario[];
  readonly file: string;
  /** Where its name is written. */
  readonly position: Position;
  readonly host: ScenarioHost;
  readonly steps: readonly Step[];
  /** The control group of the usual processes; undefined: those of a login. */
  readonly cgroup: string | undefined;
  /** Files, programs and remote hosts that steps name, and that no step makes, are there: what tests of policies rely on. */
  readonly provides: boolean;
}

import type { BpfMap, RingBuffer } from '../engine/maps/index.ts';
import type { Btf, FeatureLevel, MapSpec, ProgramSpec } from '../engine/object/index.ts';
import type { Answer, Asked, FanotifyTask } from '../rules/index.ts';
import type { Accounts } from './accounts.ts';
import type { ContainerSource } from './containers/index.ts';
import type { Resolve } from './domain-names.ts';

/** What a kernel offers. */
export interface KernelFeatures {
  /** `sim 6.12` or the kernel's release. */
  readonly name: string;
  readonly level: FeatureLevel;
  /** The hooks that programs can attach to here, by their sections' names. */
  readonly hooks: readonly string[];
  /** bpf_send_signal and LSM return values take effect. */
  readonly enforcement: boolean;
}

/** A verified program in a kernel. */
export interface LoadedProgram {
  readonly name: string;
  /** The section's name, `tp_btf/sys_exit`. */
  readonly hook: string;
  /** What maps of programs take (a file descriptor on Linux). */
  readonly handle: number;
  /** Instructions that the verifier explored. */
  readonly explored: number;
}

/** An attached program. */
export interface Link {
  readonly hook: string;
  readonly program: LoadedProgram;
}

/** How often each attached program ran. */
export interface ProgramStats {
  readonly program: string;
  readonly hook: string;
  /** Counted by the real kernel while its statistics are on. */
  readonly runs: number;
  /** Nanoseconds that all runs took together; 0 where nobody measures. */
  readonly ns: number;
  /** Runs that the kernel left out because the program was running on that CPU already: events that nobody saw. */
  readonly missed: number;
}

/** A map as user space sees it; both kernels' maps have these. */
export type KernelMap = Pick<BpfMap, 'spec' | 'handle' | 'lookup' | 'update' | 'delete' | 'keys'>;
/** A ring buffer as user space sees it. */
export type KernelRingBuffer = Pick<RingBuffer, 'consume' | 'lost'>;

/** Whether a hook's program was seen to act, and why not. */
export type SentinelFinding =
  | { readonly hook: string; readonly proven: true }
  | { readonly hook: string; readonly proven: false; readonly why: string };

/** A process that exists to be acted on. */
export interface Sentinel {
  /** Id of its cgroup, in which nobody else is. */
  readonly cgroup: bigint;
  /** Has it make a call for each hook, and says what came of them. Once. */
  provoke(): Promise<readonly SentinelFinding[]>;
  /** Ends it; nothing of it stays. */
  close(): Promise<void>;
}

/** A call that rules had something to say about while it waited for an answer. */
export interface Answered {
  readonly asked: Asked;
  readonly answer: Answer;
  /** The answer came too late: the call had been let through. */
  readonly late: boolean;
}

/** Where the kernel asks before it opens or executes files (fanotify(7)), and by what it is answered. */
export interface GateOptions {
  /** Paths on the mounts whose files are asked about. */
  readonly mounts: readonly string[];
  /** The cgroup whose processes are asked about, with those below it; others are let through before anything else of them is looked at. */
  readonly scope: string;
  readonly task: FanotifyTask;
  /** The object's maps by name. */
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly onAnswered: (answered: Answered) => void;
  /** A sentence about callers that could not be told, or reports that are lost. */
  readonly onProblem: (sentence: string) => void;
  /** Nobody answers any more, so that everything is let through. */
  readonly onEnd: (why: string) => void;
}

/** What answers while it is open; when it has ended, however it ends, the kernel asks nobody. */
export interface Gate {
  close(): Promise<void>;
}

/** The reading end of several ring buffers whose records carry a time: one stream in the order of time. */
export interface RecordStream {
  /** Hands over what has arrived, oldest first; the bytes are valid only during the call. Returns how many. */
  consume(handle: (record: Uint8Array) => void): number;
  /** Hands over everything that is there now, however young: at the end of a run. */
  drain(handle: (record: Uint8Array) => void): Promise<number>;
  close(): void;
}

/** A process as user space knows it, from exec on; also what exists before programs attach. */
export interface ProcessFacts {
  readonly pid: number;
  /** Nanoseconds since boot. */
  readonly start: bigint;
  /** 0 for the first process. */
  readonly parentPid: number;
  readonly parentStart: bigint;
  /** comm as of exec. */
  readonly name: string;
  /** The executable's path as the kernel resolved it; undefined where it couldn't be read, empty where there is none. */
  readonly exepath: string | undefined;
  /** Undefined where it couldn't be read. */
  readonly argv: readonly string[] | undefined;
  /** The executable lies in anonymous memory (memfd_create). */
  readonly memfd: boolean;
  /** `NAME=value` each; left out where it wasn't read. */
  readonly env?: readonly string[];
  /** The layer of an overlay that the executable lies in, `none` where it lies in no overlay; left out where it isn't known. */
  readonly layer?: 'upper' | 'lower' | 'none';
  readonly exeIno?: bigint;
  /** When the executable's inode and its content were last changed: nanoseconds since 1970. */
  readonly exeCtime?: bigint;
  readonly exeMtime?: bigint;
  readonly uid: number;
  readonly cgroup: string;
  /** Nanoseconds since boot at which it was so; left out where that was before anything that records tell. */
  readonly asOf?: bigint;
  /** `start` is known to a hundredth of a second only, and `parentStart` too: what /proc says (proc_pid_stat(5)). */
  readonly coarse?: true;
}

/**
 * What objects are loaded into. Every method that can fail throws an Error with a sentence for people; `loadProgram` throws
 * `VerifierError` or `RelocationError`.
 */
export interface Kernel {
  readonly features: KernelFeatures;
  readonly btf: Btf;
  createMap(spec: MapSpec): KernelMap;
  /** Resolves relocations against `maps` (by spec name) and the kernel's BTF, and verifies. */
  loadProgram(program: ProgramSpec<string>, maps: ReadonlyMap<string, KernelMap>): LoadedProgram;
  /** @param options.cgroup path of the cgroup that a program for cgroups is attached to; others take none. */
  attach(program: LoadedProgram, options?: { readonly cgroup?: string }): Link;
  /** Puts another program of the same hook in a link's place, without a gap where the kernel can. */
  replace(link: Link, program: LoadedProgram): Link;
  detach(link: Link): void;
  /** Gives back maps and programs that are attached nowhere; programs that others reach stay for these. */
  release(unused: { readonly maps: Iterable<KernelMap>; readonly programs: Iterable<LoadedProgram> }): void;
  /** Starts a process in a cgroup below `scope` to try hooks on; left out where what programs say is carried out for certain. Rejects where it can't. */
  openSentinel?(scope: string, hooks: readonly string[]): Promise<Sentinel>;
  /** Has the kernel ask before files of some mounts are opened or executed; left out where it can't. Rejects where these mounts can't be watched. */
  openGate?(options: GateOptions): Promise<Gate>;
  /** Returns when every run of a program has ended that began before, on any CPU. */
  settle(): void;
  ringBuffer(map: KernelMap): KernelRingBuffer;
  /** Reads ring buffers together; `timeAt` is where each record has its time, nanoseconds since boot as a u64. */
  stream(maps: readonly KernelMap[], timeAt: number): RecordStream;
  /** Id of a cgroup v2 path, undefined where there is none. */
  cgroupId(path: string): bigint | undefined;
  /** Path of a cgroup id. */
  cgroupPath(id: bigint): string | undefined;
  /** What a path is, whatever names it has; undefined where there is none. */
  fileId(path: string): { readonly dev: bigint; readonly ino: bigint } | undefined;
  /** Nanoseconds since the Unix epoch of a time since boot. */
  wallTime(bootNs: bigint): bigint;
  /** The id of the process that this is, in the first pid namespace, as programs see it; left out where it is none of this kernel's. */
  ownPid?(): number;
  /** Sends SIGKILL to the process that has this id and started then, in nanoseconds since boot; no other one is meant, however ids are given out again. */
  kill?(pid: number, start: bigint): 'killed' | 'gone' | 'refused';
  /** The processes there are now in a cgroup and those below it; `/` is the whole host. Parents outside of it are left out (parentPid 0). */
  processes(scope: string): readonly ProcessFacts[];
  /** Has runs and their time counted for `stats`, from now until the kernel is closed; it costs some 20 ns a run of every program on the machine. */
  enableStatistics(): void;
  stats(): readonly ProgramStats[];
  close(): void;
}

/** Lets somebody switch the enforcement of a running agent off and on again; rules go on to alert, and say what they would have done. */
export interface EnforcementSwitch {
  /** Whether it is off now. */
  readonly isOff: boolean;
  /** Calls back with who switched it, whenever that happens; returns how to stop that. */
  onChange(listener: (by: string) => void): () => void;
}

/** A clock of a sensor's own. */
export interface SensorClock {
  /** Nanoseconds since boot. */
  now(): bigint;
  /** Calls back every so many nanoseconds; returns how to stop that. */
  every(ns: bigint, act: () => void): () => void;
}

/** A source of events: a kernel, and what makes things happen in it. */
export interface Sensor {
  readonly kind: 'sim' | 'linux' | 'replay';
  readonly kernel: Kernel;
  /** The cgroup whose processes are observed, with those below it; `/` is the whole host. Programs pass over all others first. */
  readonly scope: string;
  /** Facts of the observed host's containers; left out where no runtime can be asked. */
  readonly containers?: ContainerSource;
  /** Names of the observed host's users and groups; left out where nobody can tell. */
  readonly accounts?: Accounts;
  /** Looks up domain names that rules compare addresses with; left out where nobody can tell. */
  readonly resolve?: Resolve;
  /** Nanoseconds since boot, now; left out where time is only that of the records. */
  now?(): bigint;
  /** The clock that the agent's own work goes by where it is not the machine's. */
  readonly clock?: SensorClock;
  /** A switch that what is played operates. */
  readonly enforcement?: EnforcementSwitch;
  /**
   * Lets things happen. Called once, after programs are attached; `pump` is called often enough that no ring buffer fills up,
   * and after the last step. Ends when the source does or `signal` is aborted.
   */
  run(pump: () => void, signal: AbortSignal): Promise<SensorReport>;
}

/** What a sensor says at its end. */
export interface SensorReport {
  /** System calls that happened or were played; 0 where nobody counts them. */
  readonly calls: number;
  /** Sentences about what went wrong on the way (a truncated recording, a step that did not give what it promised). */
  readonly problems: readonly string[];
}

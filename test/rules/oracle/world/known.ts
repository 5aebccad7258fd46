import type { SimTask } from '../../../../sensors/index.ts';

/** A socket as the test knows it. */
export interface KnownSocket {
  readonly protocol: 'tcp' | 'udp' | 'other';
  /** Port 0: the kernel chose it. */
  local?: End;
  /** Whom it is connected to. */
  remote?: End;
  listens?: boolean;
}

export interface End {
  readonly address: string;
  readonly port: number;
}

/** What a descriptor is of. */
export interface OpenFile {
  readonly path: string;
  /** fd.typechar's character. */
  readonly type: string;
  readonly socket?: KnownSocket;
}

/** A process as the test knows it from its own calls and their results. */
export interface Known {
  task: SimTask;
  readonly pid: number;
  parent: Known | undefined;
  /** As of exec. */
  name: string;
  exepath: string;
  /** Undefined: longer than what is read at exec. */
  argv: readonly string[] | undefined;
  env: readonly string[] | undefined;
  uid: number;
  gid: number;
  cwd: string;
  /** It has executed a program since anybody looked. */
  isSeen: boolean;
  /** `pts/0`. */
  tty: string | undefined;
  /** In its own pid namespace. */
  vpid: number;
  /** What it may, where that is not what its user may. */
  readonly capabilities: readonly string[] | undefined;
  cgroup: string;
  fromMemory: boolean;
  /** It has made requests of io_uring, or the process it was made from. */
  hasRing: boolean;
  /** Undefined: other threads may put files there. */
  readonly fds: Map<number, OpenFile>;
  /** A second thread, where it has one. */
  thread?: SimTask;
}

/** The processes above one, the parent first. */
export const ancestorsOf = (process: Known): readonly Known[] =>
  process.parent === undefined ? [] : [process.parent, ...ancestorsOf(process.parent)];

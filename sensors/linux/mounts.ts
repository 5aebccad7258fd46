/** A mount of this process's mount namespace. */
export interface Mount {
  readonly place: string;
  /** `cgroup2`, `bpf`. */
  readonly type: string;
  /** Options of its super block: of cgroup v1 the names of its controllers. */
  readonly options: readonly string[];
}

/** The mounts that a /proc/PID/mountinfo lists (proc_pid_mountinfo(5)), in its order. */
export const parseMounts = (mountinfo: string): readonly Mount[] =>
  mountinfo.split('\n').flatMap((line) => {
    const [before = '', after] = line.split(' - ');
    if (after === undefined) return [];
    const [type = '', , options = ''] = after.split(' ');
    const place = (before.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    return [{ place, type, options: options.split(',') }];
  });

/** How often a field's value can change, slowest first. */
export type Rate = 'host' | 'container' | 'process' | 'fd' | 'event';

/** `list` fields hold several values; a comparison is about any of them where Falco says so. */
export type FieldType = 'string' | 'number' | 'boolean' | 'address' | 'list';

/** What an argument in brackets may be; `key`: any text. */
export type FieldArgument = 'none' | 'optional-index' | 'index' | 'name' | 'key';

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly rate: Rate;
  /** Where its predicates are evaluated: in the kernel (falling back to user space where the kernel can't tell), or only after it. */
  readonly place: 'kernel' | 'user';
  readonly argument: FieldArgument;
  /** The call's result and what follows from it: doesn't exist at a hook before the effect. */
  readonly result: boolean;
  /** One sentence for people. */
  readonly meaning: string;
  /** Event types it exists on; `all`, or a predicate named in the same table. */
  readonly on: FieldPresence;
}

/** `fd`: events with a file descriptor; `path`: with a path argument; `open`: the open family; `two paths`: source and target; `socket`: with an address. */
export type FieldPresence = 'all' | 'fd' | 'open' | 'path' | 'two paths' | 'socket' | 'exec' | 'syscall';

const field = <const Name extends string>(
  name: Name,
  type: FieldType,
  rate: Rate,
  place: Field['place'],
  on: FieldPresence,
  meaning: string,
  options: { readonly argument?: FieldArgument; readonly result?: boolean } = {},
): Field & { readonly name: Name } =>
  Object.freeze({
    name,
    type,
    rate,
    place,
    on,
    meaning,
    argument: options.argument ?? 'none',
    result: options.result ?? false,
  });

const ANCESTOR = { argument: 'optional-index' } as const;
const RESULT = { result: true } as const;
const KEY = { argument: 'key' } as const;

/** The field catalogue: Falco's names with Falco's meanings (https://falco.org/docs/reference/rules/supported-fields/). */
// biome-ignore format: one field a line reads as a table
export const FIELDS = [
  field('evt.type', 'string', 'event', 'kernel', 'all', "The event's type: the name of the system call."),
  field('evt.dir', 'string', 'event', 'kernel', 'all', 'The direction; always <, the exit of the call.'),
  field('evt.num', 'number', 'event', 'user', 'all', "The event's number since the agent started, from 1."),
  field('evt.time', 'string', 'event', 'user', 'all', 'When the event happened: hours, minutes, seconds and nanoseconds, UTC.'),
  field('evt.time.s', 'string', 'event', 'user', 'all', 'When the event happened: hours, minutes and seconds, UTC.'),
  field('evt.time.iso8601', 'string', 'event', 'user', 'all', 'When the event happened, as ISO 8601 with nanoseconds, UTC.'),
  field('evt.datetime', 'string', 'event', 'user', 'all', 'When the event happened: date, hours, minutes, seconds and nanoseconds, UTC.'),
  field('evt.datetime.s', 'string', 'event', 'user', 'all', 'When the event happened: date, hours, minutes and seconds, UTC.'),
  field('evt.rawtime', 'number', 'event', 'user', 'all', 'When the event happened: nanoseconds since 1970.'),
  field('evt.hostname', 'string', 'host', 'user', 'all', 'The name of the host.'),
  field('evt.source', 'string', 'host', 'kernel', 'all', 'Where events come from; always syscall.'),
  field('evt.category', 'string', 'event', 'kernel', 'all', 'What kind of thing the type does: file, net, process, I/O read, I/O write, ..., other.'),
  field('evt.is_async', 'boolean', 'event', 'kernel', 'all', 'Whether the event comes from a source of asynchronous events; always false.'),
  field('evt.count', 'number', 'event', 'user', 'all', 'Always 1, for counting.'),
  field('evt.count.error', 'number', 'event', 'user', 'syscall', 'Always 1, where the call failed; absent where not.', RESULT),
  field('evt.is_io', 'boolean', 'event', 'kernel', 'all', 'Whether the type reads or writes.'),
  field('evt.is_io_read', 'boolean', 'event', 'kernel', 'all', 'Whether the type reads: read, readv, pread64, recvfrom, recvmsg and their like.'),
  field('evt.is_io_write', 'boolean', 'event', 'kernel', 'all', 'Whether the type writes: write, writev, pwrite64, sendto, sendmsg and their like.'),
  field('evt.is_wait', 'boolean', 'event', 'kernel', 'all', 'Whether the type waits: wait4, poll, select, epoll_wait, futex and their like.'),
  field('syscall.type', 'string', 'event', 'kernel', 'syscall', 'The name of the system call; absent for what is none.'),
  field('evt.rawres', 'number', 'event', 'kernel', 'syscall', "The call's result; negative is -errno.", RESULT),
  field('evt.res', 'string', 'event', 'kernel', 'syscall', 'SUCCESS, or the name of the errno: ENOENT.', RESULT),
  field('evt.failed', 'boolean', 'event', 'kernel', 'syscall', 'Whether the call failed.', RESULT),
  field('evt.is_open_read', 'boolean', 'event', 'kernel', 'open', 'Whether the file was opened for reading.'),
  field('evt.is_open_write', 'boolean', 'event', 'kernel', 'open', 'Whether the file was opened for writing.'),
  field('evt.is_open_create', 'boolean', 'event', 'kernel', 'open', 'Whether the open asked for the file to be created (O_CREAT).'),
  field('evt.is_open_exec', 'boolean', 'event', 'user', 'open', 'Whether the open creates a file that may be executed: O_CREAT and a mode with an x. Unknown for openat2.'),
  field('evt.io_uring', 'boolean', 'event', 'kernel', 'all', 'Whether the call is a request of io_uring, seen when it is submitted: its result is unknown then.'),
  field('evt.arg', 'string', 'event', 'kernel', 'syscall', 'An argument of the call by name, as text: numbers in decimal, flags and requests by name.', { argument: 'name' }),
  field('evt.rawarg', 'number', 'event', 'user', 'syscall', 'An argument of the call by name, as the number that was passed; absent for texts.', { argument: 'name' }),
  field('evt.args', 'string', 'event', 'user', 'syscall', 'All arguments of the call: name=value, joined by blanks; <unknown> for what could not be read.'),
  field('evt.info', 'string', 'event', 'user', 'syscall', 'The same as evt.args.'),
  field('evt.abspath', 'string', 'event', 'user', 'path', 'The path that the call names, made absolute; the same as fs.path.name.'),
  field('fd.num', 'number', 'event', 'kernel', 'fd', 'The file descriptor; the result where the call makes one, -1 where it failed.'),
  field(
    'fd.name',
    'string',
    'fd',
    'kernel',
    'fd',
    "The file's path, or a socket's `client:port->server:port`. An open of what lies in no folder (a namespace, a pipe) has the path as passed.",
  ),
  field('fd.directory', 'string', 'fd', 'kernel', 'fd', "The path without its last component."),
  field('fd.filename', 'string', 'fd', 'kernel', 'fd', "The path's last component."),
  field('fd.nameraw', 'string', 'event', 'kernel', 'open', 'The path that an open names, as it was written: not made absolute, with .. and all.'),
  field('fd.containername', 'string', 'fd', 'user', 'fd', 'container.id and fd.name, joined by a colon.'),
  field('fd.containerdirectory', 'string', 'fd', 'user', 'fd', 'container.id and fd.directory, joined by a colon.'),
  field('fd.uid', 'string', 'event', 'user', 'fd', 'The thread id and the descriptor, one behind the other.'),
  field('fd.type', 'string', 'fd', 'kernel', 'fd', 'file, directory, ipv4, ipv6, unix, pipe, char, block, memfd or other.'),
  field('fd.typechar', 'string', 'fd', 'kernel', 'fd', 'The type as a character: f file, d directory, 4, 6, u Unix socket, p pipe, c char, b block, m memfd, o other.'),
  field('fd.dev', 'number', 'fd', 'kernel', 'fd', "The device number of the file's file system."),
  field('fd.dev.major', 'number', 'fd', 'kernel', 'fd', "The major number of the file's file system."),
  field('fd.dev.minor', 'number', 'fd', 'kernel', 'fd', "The minor number of the file's file system."),
  field('fd.ino', 'number', 'fd', 'kernel', 'fd', "The file's inode number."),
  field('fd.l4proto', 'string', 'fd', 'kernel', 'socket', 'tcp, udp, icmp or raw; absent for other sockets.'),
  field('fd.sockfamily', 'string', 'fd', 'kernel', 'socket', 'ip or unix.'),
  field('fd.connected', 'boolean', 'fd', 'kernel', 'socket', 'Whether an IP socket is connected when the call ends; not while a connection is still being made. Absent for others.'),
  field('fd.is_server', 'boolean', 'event', 'kernel', 'socket', "Whether the process owns the server's end: true for accept, bind and listen."),
  field('fd.name_changed', 'boolean', 'fd', 'kernel', 'socket', "Whether this call gave the socket another remote address. Always unknown: it would take a note of every datagram, also of those that no rule looks at."),
  field('fd.ip', 'address', 'fd', 'kernel', 'socket', "Either end's address."),
  field('fd.cip', 'address', 'fd', 'kernel', 'socket', "The client's address."),
  field('fd.sip', 'address', 'fd', 'kernel', 'socket', "The server's address."),
  field('fd.lip', 'address', 'fd', 'kernel', 'socket', 'The local address.'),
  field('fd.rip', 'address', 'fd', 'kernel', 'socket', 'The remote address.'),
  field('fd.net', 'address', 'fd', 'kernel', 'socket', "Either end's address, compared with networks."),
  field('fd.cnet', 'address', 'fd', 'kernel', 'socket', "The client's address, compared with networks."),
  field('fd.snet', 'address', 'fd', 'kernel', 'socket', "The server's address, compared with networks."),
  field('fd.lnet', 'address', 'fd', 'kernel', 'socket', 'The local address, compared with networks.'),
  field('fd.rnet', 'address', 'fd', 'kernel', 'socket', 'The remote address, compared with networks.'),
  field('fd.cip.name', 'string', 'fd', 'user', 'socket', "The domain name of the client's address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.sip.name', 'string', 'fd', 'user', 'socket', "The domain name of the server's address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.lip.name', 'string', 'fd', 'user', 'socket', "The domain name of the local address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.rip.name', 'string', 'fd', 'user', 'socket', "The domain name of the remote address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.port', 'number', 'fd', 'kernel', 'socket', "Either end's port."),
  field('fd.cport', 'number', 'fd', 'kernel', 'socket', "The client's port."),
  field('fd.sport', 'number', 'fd', 'kernel', 'socket', "The server's port."),
  field('fd.lport', 'number', 'fd', 'kernel', 'socket', 'The local port.'),
  field('fd.rport', 'number', 'fd', 'kernel', 'socket', 'The remote port.'),
  field('fs.path.name', 'string', 'event', 'kernel', 'path', 'The path that the call names, made absolute.'),
  field('fs.path.source', 'string', 'event', 'kernel', 'two paths', 'The path that is renamed, linked or mounted.'),
  field('fs.path.target', 'string', 'event', 'kernel', 'two paths', 'The path that comes to be.'),
  field('fs.path.nameraw', 'string', 'event', 'kernel', 'path', 'The path that the call names, as it was written; unknown of a chdir that succeeded.'),
  field('fs.path.sourceraw', 'string', 'event', 'kernel', 'two paths', 'The path that is renamed, linked or mounted, as it was written.'),
  field('fs.path.targetraw', 'string', 'event', 'kernel', 'two paths', 'The path that comes to be, as it was written.'),
  field('proc.name', 'string', 'process', 'kernel', 'all', "The executable's name as of exec, at most 15 bytes."),
  field('proc.exe', 'string', 'process', 'kernel', 'all', 'The first argument, argv[0].'),
  field('proc.exepath', 'string', 'process', 'kernel', 'all', "The executable's path as the kernel resolved it."),
  field('proc.args', 'string', 'process', 'kernel', 'all', 'The arguments after the first, joined by blanks.'),
  field('proc.cmdline', 'string', 'process', 'kernel', 'all', 'proc.name and the arguments, joined by blanks.'),
  field('proc.cmdnargs', 'number', 'process', 'user', 'all', 'How many arguments there are after the first.'),
  field('proc.cmdlenargs', 'number', 'process', 'user', 'all', 'How many bytes the arguments after the first have together, without blanks between them.'),
  field('proc.env', 'string', 'process', 'kernel', 'all', 'The environment as of exec: NAME=value, joined by blanks. Unknown where it has 4,096 bytes or more.'),
  field('proc.cwd', 'string', 'event', 'kernel', 'all', 'The working directory, with a slash at its end.'),
  field('proc.is_exe_from_memfd', 'boolean', 'process', 'kernel', 'all', 'Whether the executable lies in anonymous memory (memfd_create).'),
  field('proc.is_exe_upper_layer', 'boolean', 'process', 'kernel', 'all', 'Whether the executable lies in the upper layer of an overlay: it came to be, or was changed, after the image.'),
  field('proc.is_exe_lower_layer', 'boolean', 'process', 'kernel', 'all', 'Whether the executable lies in a lower layer of an overlay: it is of the image.'),
  field('proc.exe_ino', 'number', 'process', 'user', 'all', "The executable's inode number as of exec."),
  field('proc.exe_ino.ctime', 'number', 'process', 'user', 'all', "When the executable's inode was last changed, as of exec: nanoseconds since 1970."),
  field('proc.exe_ino.mtime', 'number', 'process', 'user', 'all', "When the executable's content was last changed, as of exec: nanoseconds since 1970."),
  field('proc.exe_ino.ctime_duration_proc_start', 'number', 'process', 'user', 'all', "Nanoseconds from the last change of the executable's inode to the process's start."),
  field('proc.pid', 'number', 'process', 'kernel', 'all', 'The process id.'),
  field('proc.vpid', 'number', 'process', 'kernel', 'all', 'The process id in its own pid namespace: 1 for the first process of a container.'),
  field('proc.pid.ts', 'number', 'process', 'user', 'all', 'When the process started: nanoseconds since 1970.'),
  field('proc.ppid.ts', 'number', 'event', 'user', 'all', 'When the parent started: nanoseconds since 1970.'),
  field('proc.ppid.duration', 'number', 'event', 'user', 'all', 'Nanoseconds since the parent started.'),
  field('proc.tty', 'number', 'event', 'kernel', 'all', 'The device number of the controlling terminal; 0 without one.'),
  field('proc.sid', 'number', 'event', 'kernel', 'all', 'The process id of the session leader.'),
  field('proc.sname', 'string', 'event', 'user', 'all', "The session leader's proc.name; unknown where it has ended."),
  field('proc.sid.exe', 'string', 'event', 'user', 'all', "The session leader's proc.exe; unknown where it has ended."),
  field('proc.sid.exepath', 'string', 'event', 'user', 'all', "The session leader's proc.exepath; unknown where it has ended."),
  field('proc.is_sid_leader', 'boolean', 'event', 'kernel', 'all', 'Whether the process leads its session.'),
  field('proc.pgid', 'number', 'event', 'kernel', 'all', 'The process id of the leader of the process group.'),
  field('proc.pgid.name', 'string', 'event', 'user', 'all', "The group leader's proc.name; unknown where it has ended."),
  field('proc.pgid.exe', 'string', 'event', 'user', 'all', "The group leader's proc.exe; unknown where it has ended."),
  field('proc.pgid.exepath', 'string', 'event', 'user', 'all', "The group leader's proc.exepath; unknown where it has ended."),
  field('proc.is_pgid_leader', 'boolean', 'event', 'kernel', 'all', 'Whether the process leads its group.'),
  field('proc.vpgid', 'number', 'event', 'kernel', 'all', "The group leader's process id in the process's pid namespace; 0 where it is not of it."),
  field('proc.vpgid.name', 'string', 'event', 'user', 'all', 'The same as proc.pgid.name.'),
  field('proc.vpgid.exe', 'string', 'event', 'user', 'all', 'The same as proc.pgid.exe.'),
  field('proc.vpgid.exepath', 'string', 'event', 'user', 'all', 'The same as proc.pgid.exepath.'),
  field('proc.is_vpgid_leader', 'boolean', 'event', 'kernel', 'all', 'Whether the process leads its group, by their ids in its pid namespace.'),
  field('proc.nthreads', 'number', 'event', 'kernel', 'all', 'How many threads the process has.'),
  field('proc.nchilds', 'number', 'event', 'user', 'all', 'How many threads the process has beside the first.'),
  field('proc.ppid', 'number', 'event', 'kernel', 'all', "The parent's process id."),
  field('proc.pvpid', 'number', 'event', 'kernel', 'all', "The parent's process id in its own pid namespace."),
  field('proc.apid', 'number', 'event', 'user', 'all', 'The process id of an ancestor: [1] is the parent; without index any ancestor.', ANCESTOR),
  field('proc.pname', 'string', 'process', 'kernel', 'all', "The parent's proc.name."),
  field('proc.pexe', 'string', 'process', 'kernel', 'all', "The parent's proc.exe."),
  field('proc.pexepath', 'string', 'process', 'kernel', 'all', "The parent's proc.exepath."),
  field('proc.pcmdline', 'string', 'process', 'kernel', 'all', "The parent's proc.cmdline."),
  field('proc.aname', 'string', 'process', 'kernel', 'all', 'The proc.name of an ancestor: [1] is the parent; without index any ancestor.', ANCESTOR),
  field('proc.aexe', 'string', 'process', 'kernel', 'all', 'The proc.exe of an ancestor.', ANCESTOR),
  field('proc.aexepath', 'string', 'process', 'kernel', 'all', 'The proc.exepath of an ancestor.', ANCESTOR),
  field('proc.acmdline', 'string', 'process', 'kernel', 'all', 'The proc.cmdline of an ancestor.', ANCESTOR),
  field('proc.aargs', 'string', 'process', 'kernel', 'all', 'The proc.args of an ancestor.', ANCESTOR),
  field('proc.aenv', 'string', 'process', 'kernel', 'all', 'The proc.env of an ancestor.', ANCESTOR),
  field('proc.duration', 'number', 'event', 'kernel', 'all', 'Nanoseconds since the process started.'),
  field('thread.tid', 'number', 'event', 'kernel', 'all', 'The thread id.'),
  field('thread.vtid', 'number', 'event', 'kernel', 'all', "The thread id in the process's own pid namespace."),
  field('thread.ismain', 'boolean', 'event', 'kernel', 'all', "Whether it is the process's first thread."),
  field('thread.cap_effective', 'string', 'event', 'kernel', 'all', 'The capabilities in effect, by name, joined by blanks.'),
  field('thread.cap_permitted', 'string', 'event', 'kernel', 'all', 'The capabilities that may be taken, by name, joined by blanks.'),
  field('thread.cap_inheritable', 'string', 'event', 'kernel', 'all', 'The capabilities that are kept across exec, by name, joined by blanks.'),
  field('user.uid', 'number', 'event', 'kernel', 'all', 'The effective user id.'),
  field('user.loginuid', 'number', 'event', 'kernel', 'all', 'The user id of the login session; -1 without one.'),
  field('user.name', 'string', 'event', 'kernel', 'all', 'The name of the effective user on the host; `<NA>` where it has none, as in Falco.'),
  field('user.homedir', 'string', 'event', 'kernel', 'all', "The effective user's home directory; `<NA>` where it has none."),
  field('user.shell', 'string', 'event', 'kernel', 'all', "The effective user's shell; `<NA>` where it has none."),
  field('user.loginname', 'string', 'event', 'kernel', 'all', 'The name of the user who logged in; `<NA>` without a login session.'),
  field('group.gid', 'number', 'event', 'kernel', 'all', 'The effective group id.'),
  field('group.name', 'string', 'event', 'kernel', 'all', 'The name of the effective group on the host; `<NA>` where it has none.'),
  field('container.id', 'string', 'container', 'kernel', 'all', 'The first 12 characters of the container id; host outside of containers.'),
  field('container.full_id', 'string', 'container', 'kernel', 'all', 'The container id, all 64 characters; host outside of containers.'),
  field('container.name', 'string', 'container', 'kernel', 'all', "The container's name; host outside of containers."),
  field('container.type', 'string', 'container', 'kernel', 'all', 'docker, podman, containerd, cri-o or cri; host outside of containers.'),
  field('container.image', 'string', 'container', 'kernel', 'all', 'The image that the container was made from: docker.io/library/nginx:1.25.'),
  field('container.image.repository', 'string', 'container', 'kernel', 'all', "The image's repository, without tag; absent outside of containers."),
  field('container.image.tag', 'string', 'container', 'kernel', 'all', "The image's tag."),
  field('container.image.digest', 'string', 'container', 'kernel', 'all', "The digest of the image's manifest: sha256:..."),
  field('container.privileged', 'boolean', 'container', 'kernel', 'all', 'Whether the container runs privileged; absent outside of containers.'),
  field('container.mounts', 'string', 'container', 'kernel', 'all', 'All mounts, joined by commas, each source:destination:mode:writable:propagation.'),
  field('container.mount', 'string', 'container', 'kernel', 'all', 'One mount: [0] is the first, [/src*] the first whose source fits the pattern.', KEY),
  field('container.mount.source', 'string', 'container', 'kernel', 'all', 'The source of a mount, by number or by a pattern for its destination.', KEY),
  field('container.mount.dest', 'string', 'container', 'kernel', 'all', 'The destination of a mount, by number or by a pattern for its source.', KEY),
  field('container.mount.mode', 'string', 'container', 'kernel', 'all', 'The options of a mount, by number or by a pattern for its source.', KEY),
  field('container.mount.rdwr', 'string', 'container', 'kernel', 'all', 'true where a mount is writable, else false; by number or by a pattern for its source.', KEY),
  field('container.mount.propagation', 'string', 'container', 'kernel', 'all', 'How mounts propagate, by number or by a pattern for its source.', KEY),
  field('container.labels', 'string', 'container', 'kernel', 'all', "The container's labels: key:value, joined by commas, in the order of their keys."),
  field('container.label', 'string', 'container', 'kernel', 'all', 'One label of the container.', KEY),
  field('container.start_ts', 'number', 'container', 'user', 'all', 'When the container started, by its runtime: nanoseconds since 1970.'),
  field('container.duration', 'number', 'event', 'user', 'all', 'Nanoseconds since the container started.'),
  field('container.ip', 'string', 'container', 'kernel', 'all', "The container's own address; absent on the host's network."),
  field('k8s.ns.name', 'string', 'container', 'kernel', 'all', "The pod's Kubernetes namespace; absent outside of pods."),
  field('k8s.pod.name', 'string', 'container', 'kernel', 'all', "The pod's name; absent outside of pods."),
  field('k8s.pod.uid', 'string', 'container', 'kernel', 'all', "The pod's unique id in Kubernetes."),
  field('k8s.pod.id', 'string', 'container', 'kernel', 'all', 'The same as k8s.pod.uid; an old name.'),
  field('k8s.pod.sandbox_id', 'string', 'container', 'kernel', 'all', "The first 12 characters of the id of the pod's sandbox."),
  field('k8s.pod.full_sandbox_id', 'string', 'container', 'kernel', 'all', "The id of the pod's sandbox, all 64 characters."),
  field('k8s.pod.ip', 'string', 'container', 'kernel', 'all', "The pod's address; absent on the host's network."),
  field('k8s.pod.labels', 'string', 'container', 'kernel', 'all', "The pod's labels: key:value, joined by commas, in the order of their keys."),
  field('k8s.pod.label', 'string', 'container', 'kernel', 'all', 'One label of the pod.', KEY),
] as const;

/** A field's name. */
export type FieldName = (typeof FIELDS)[number]['name'];

const BY_NAME = new Map<string, Field>(FIELDS.map((entry) => [entry.name, entry]));

/** The catalogue's entry, undefined where there is none. */
export const fieldOf = (name: string): Field | undefined => BY_NAME.get(name);
